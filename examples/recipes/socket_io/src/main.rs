//! `cargo run -p socket-io`: Socket.IO on <http://127.0.0.1:3000>, for pages of the same origin.

use std::error::Error;

use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let app = socket_io::app("http://127.0.0.1:3000")?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
