//! The `VerifyGroups` Lambda: wires the step to AWS.

use verify_groups::Clients;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let account = std::env::var("ACCOUNT_ID")?;
    let config = aws::sdk_config();
    let clients = Clients {
        autoscaling: aws_sdk_autoscaling::Client::new(&config),
        cloudformation: aws_sdk_cloudformation::Client::new(&config),
        ec2: aws_sdk_ec2::Client::new(&config),
    };
    step::run(async |input| verify_groups::handle(&clients, &account, input).await).await
}
