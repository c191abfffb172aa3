//! One echo server twice, for the Autobahn test suite: `/bare` without a layer, and `/layers`
//! behind the close layer, the origin check, a JWT in the query and the lease. It prints the two
//! URLs, with a token in the second, and ends when its standard input does.

use std::process::ExitCode;

use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use socket_tests::{Claims, SECRET, token};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{AuthLayer, CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins};

/// In seconds; all cases take minutes.
const TOKEN_LIVES_FOR: i64 = 3600;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let jwt = Jwt::<Claims>::builder(Key::hs256(SECRET)?).build()?;
    let origins = Origins::new(["https://app.example"])?;
    let layers = ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(OriginLayer::new(origins, MissingOrigin::Refuse))
        .layer(AuthLayer::new(jwt))
        .layer(LeaseLayer::expiry_only());
    let app = Router::new()
        .route("/bare", any(echo))
        .route("/layers", any(echo).layer(layers));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("ws://{address}/bare");
    println!("ws://{address}/layers?token={}", token(TOKEN_LIVES_FOR));

    let mut told = Vec::new();
    let mut stdin = tokio::io::stdin();
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        end = stdin.read_to_end(&mut told) => drop(end?),
    }
    Ok(())
}

/// tungstenite handles control frames.
async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
            if is_data && socket.send(message).await.is_err() {
                return;
            }
        }
    })
}
