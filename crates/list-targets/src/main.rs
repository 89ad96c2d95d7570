//! The `ListTargets` Lambda: wires the step to AWS.

use list_targets::Clients;
use tags::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::read(|name| std::env::var(name).ok()).map_err(|e| e.to_string())?;
    let config = aws::sdk_config();
    let clients = Clients {
        autoscaling: aws_sdk_autoscaling::Client::new(&config),
        ec2: aws_sdk_ec2::Client::new(&config),
    };
    step::run(async |input| list_targets::handle(&clients, &settings, input).await).await
}
