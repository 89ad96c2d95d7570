//! The `PromoteSsm` Lambda: wires the step to AWS.

use promote_ssm::{Claims, Clients};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = aws::sdk_config();
    let ssm = aws_sdk_ssm::Client::new(&config);
    let claims = Claims::new(&ssm, std::env::var("CLAIMS_PREFIX")?);
    let cloudformation = aws_sdk_cloudformation::Client::new(&config);
    let clients = Clients { ssm, claims, cloudformation };
    step::run(async |input| promote_ssm::handle(&clients, input).await).await
}
