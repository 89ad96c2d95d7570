//! The `CollectResults` Lambda: wires the step to AWS.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let machine = std::env::var("PROMOTE_AMI_ARN")?;
    let sfn = aws_sdk_sfn::Client::new(&aws::sdk_config());
    step::run(async |input| collect_results::handle(&sfn, &machine, input).await).await
}
