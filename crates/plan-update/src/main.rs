//! The `PlanUpdate` Lambda: wires the step to AWS.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = aws::sdk_config();
    let cloudformation = aws_sdk_cloudformation::Client::new(&config);
    step::run(async |input| plan_update::handle(&cloudformation, input).await).await
}
