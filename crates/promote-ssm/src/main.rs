//! The `PromoteSsm` Lambda: wires the step to AWS.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = step::sdk_config().await;
    let ssm = aws_sdk_ssm::Client::new(&config);
    let cloudformation = aws_sdk_cloudformation::Client::new(&config);
    step::run(async |input| promote_ssm::handle(&ssm, &cloudformation, input).await).await
}
