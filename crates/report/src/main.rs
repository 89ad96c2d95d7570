//! The `Report` Lambda. It calls no AWS API, so it needs no clients.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::run(async |input| report::handle(input)).await
}
