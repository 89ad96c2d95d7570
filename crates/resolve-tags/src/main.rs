//! The `ResolveTags` Lambda: wires the step to AWS.

use tags::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::read(|name| std::env::var(name).ok()).map_err(|e| e.to_string())?;
    let config = aws::sdk_config();
    let ec2 = aws_sdk_ec2::Client::new(&config);
    step::run(async |input| resolve_tags::handle(&ec2, &settings, input).await).await
}
