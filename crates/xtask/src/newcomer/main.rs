#[tokio::main]
async fn main() -> Result<(), axum::BoxError> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    serve(listener, &std::env::var("SECRET")?).await
}
