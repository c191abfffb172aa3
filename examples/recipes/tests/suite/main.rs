//! Each recipe is run as it stands, and asked by a real client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

/// The files of `src`, which a program would have as its own.
macro_rules! recipes {
    ($($name:ident $path:literal),* $(,)?) => { $(
        #[path = $path]
        mod $name;
    )* };
}

recipes! {
    api_keys "../../src/api_keys.rs",
    fast_websockets "../../src/fast_websockets.rs",
    hyper_tungstenite "../../src/hyper_tungstenite.rs",
    later_login "../../src/later_login.rs",
    many_routes "../../src/many_routes.rs",
    rooms_by_path "../../src/rooms_by_path.rs",
    session_redis "../../src/session_redis.rs",
    tickets "../../src/tickets.rs",
}

mod databases;
mod hyper_servers;
mod logins;
mod rooms;
mod routes;
mod size;

use std::net::SocketAddr;

use axum::BoxError;
use futures_util::StreamExt;
use socket_tests::Client;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// The page that may connect.
const APP: &str = "https://app.example";
/// A page that may not connect.
const EVIL: &str = "https://evil.example";

/// Of every token, and of cookies.
const SECRET: &str = "a secret of thirty-two characters";

/// Starts a recipe on a free port.
async fn start<F>(serve: impl FnOnce(TcpListener) -> F) -> SocketAddr
where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener));
    address
}

/// A token with these claims that is valid for a minute.
fn token(mut claims: serde_json::Value) -> String {
    claims["exp"] = (socket_tests::now() + 60).into();
    socket_tests::token_with(&claims, SECRET.as_bytes())
}

/// A handshake with these headers beside the usual ones.
async fn open(
    address: SocketAddr,
    target: &str,
    headers: &[(&'static str, &str)],
) -> Result<Client, Error> {
    let mut request = format!("ws://{address}{target}").into_client_request()?;
    for &(name, value) in headers {
        request.headers_mut().append(name, value.parse()?);
    }
    let opened = tokio_tungstenite::connect_async(request);
    let opened = tokio::time::timeout(test_support::PATIENCE, opened).await;
    opened.unwrap().map(|(client, _)| client)
}

/// The page that may connect opens this.
async fn page(address: SocketAddr, target: &str) -> Result<Client, Error> {
    open(address, target, &[("origin", APP)]).await
}

/// The next text of an open socket.
async fn text(opened: Result<Client, Error>) -> (String, Client) {
    let mut client = opened.unwrap();
    let message = tokio::time::timeout(test_support::PATIENCE, client.next()).await;
    let message = message.unwrap().unwrap().unwrap();
    (message.to_text().unwrap().to_owned(), client)
}

/// An HTTP request with these lines in its head, and what follows them; the whole answer.
async fn request(address: SocketAddr, line: &str, lines: &str) -> String {
    let head = format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{lines}");
    socket_tests::raw(address, &head).await.unwrap()
}

/// The cookie that an answer sets, as a browser sends it back.
fn cookie(answer: &str) -> String {
    let set = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    set.unwrap().split(';').next().unwrap().to_owned()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}
