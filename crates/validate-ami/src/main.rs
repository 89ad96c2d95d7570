//! The `ValidateAmi` Lambda: wires the step to AWS.

use validate_ami::{Clients, Policy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let policy = Policy::read(|name| std::env::var(name).ok()).map_err(|e| e.to_string())?;
    let config = aws::sdk_config();
    let clients = Clients {
        autoscaling: aws_sdk_autoscaling::Client::new(&config),
        backup: aws_sdk_backup::Client::new(&config),
        cloudformation: aws_sdk_cloudformation::Client::new(&config),
        ec2: aws_sdk_ec2::Client::new(&config),
        ssm: aws_sdk_ssm::Client::new(&config),
    };
    step::run(async |input| validate_ami::handle(&clients, &policy, input).await).await
}
