//! The `Report` Lambda. It calls no AWS API, so it needs no clients.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let stack = std::env::var("STACK_NAME")?;
    step::run(async |input| report::handle(&stack, input)).await
}
