//! The `ResolveTags` Lambda: wires the step to AWS.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = aws::sdk_config().await;
    let ec2 = aws_sdk_ec2::Client::new(&config);
    step::run(async |input| resolve_tags::handle(&ec2, input).await).await
}
