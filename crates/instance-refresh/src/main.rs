//! The `InstanceRefresh` Lambda: wires the step to AWS.

use instance_refresh::Clients;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let order = std::env::var("REFRESH_ORDER").unwrap_or_default().parse()?;
    let config = aws::sdk_config();
    let clients = Clients {
        autoscaling: aws_sdk_autoscaling::Client::new(&config),
        ec2: aws_sdk_ec2::Client::new(&config),
    };
    step::run(async |input| instance_refresh::handle(&clients, order, input).await).await
}
