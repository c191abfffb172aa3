use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use socket_tests::{Claims, Echo};
use tokio::net::TcpListener;
use tower::{BoxError, Service};
use tower_ws_auth::Authenticated;

/// Echoes text with the user's name before it. Speaks `chat.v1`.
pub async fn echo(
    upgrade: WebSocketUpgrade,
    user: Authenticated<Claims>,
) -> axum::response::Response {
    upgrade
        .protocols(["chat.v1"])
        .on_upgrade(async move |mut socket| {
            while let Some(Ok(message)) = socket.recv().await {
                if let Message::Text(text) = message {
                    let answer = Message::text(format!("{}: {text}", user.sub));
                    if socket.send(answer).await.is_err() {
                        return;
                    }
                }
            }
        })
}

/// The same without axum, with a body of the caller's choice.
///
/// # Errors
///
/// Never.
pub async fn bare_echo<B: Default>(request: Request<Incoming>) -> Result<Response<B>, Infallible> {
    socket_tests::bare_echo(request, Echo::default()).await
}

/// Behind `axum::serve`, on a free port.
///
/// # Errors
///
/// No port is free.
pub async fn serve(app: Router) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

/// Behind hyper's http1 server, on a free port.
///
/// # Errors
///
/// No port is free.
pub async fn serve_hyper<S, B>(service: S) -> std::io::Result<SocketAddr>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    Ok(address)
}
