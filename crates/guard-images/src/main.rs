//! The `GuardImages` Lambda: wires the step to AWS.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let account = std::env::var("ACCOUNT_ID")?;
    let client = aws_sdk_ec2::Client::new(&aws::sdk_config());
    step::run(async |input| guard_images::handle(&client, &account, input).await).await
}
