//! Runs a recipe on port 3000: `SECRET=… cargo run -p recipes --example recipes rooms_by_path`.

mod api_keys;
mod fast_websockets;
mod hyper_tungstenite;
mod later_login;
mod many_routes;
mod rooms_by_path;
mod session_redis;
mod socket_io;
mod tickets;

use axum::BoxError;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let recipe = std::env::args().nth(1).unwrap_or_default();
    let secret = std::env::var("SECRET").map_err(|_| "set SECRET to 32 random characters")?;
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    match recipe.as_str() {
        "api_keys" => {
            let database = rusqlite::Connection::open("partners.db")?;
            api_keys::serve(listener, database).await
        }
        "fast_websockets" => fast_websockets::serve(listener, &secret).await,
        "hyper_tungstenite" => hyper_tungstenite::serve(listener, &secret).await,
        "later_login" => later_login::serve(listener, &secret).await,
        "many_routes" => many_routes::serve(listener, &secret).await,
        "rooms_by_path" => rooms_by_path::serve(listener, &secret).await,
        "session_redis" => session_redis::serve(listener, &secret, "redis://127.0.0.1:6379").await,
        "socket_io" => socket_io::serve(listener, &secret).await,
        "tickets" => tickets::serve(listener).await,
        other => Err(format!("no recipe {other:?}: name a file of examples/recipes/src").into()),
    }
}
