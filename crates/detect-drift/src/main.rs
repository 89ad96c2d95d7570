//! The `DetectDrift` Lambda: wires the step to AWS.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let client = aws_sdk_cloudformation::Client::new(&aws::sdk_config());
    step::run(async |input| detect_drift::handle(&client, input).await).await
}
