//! The `Report` Lambda: it calls nothing, so there is nothing to wire.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::run(async |input| report::handle(input)).await
}
