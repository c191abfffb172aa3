//! The clients of the tests.

use std::net::SocketAddr;

use axum::BoxError;
use futures_util::StreamExt;
use socket_tests::Client;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// The page that may connect.
pub(crate) const APP: &str = "https://app.example";
/// A page that may not connect.
pub(crate) const EVIL: &str = "https://evil.example";

/// Of every token, and of cookies.
pub(crate) const SECRET: &str = "a secret of thirty-two characters";

/// Starts a recipe on a free port.
pub(crate) async fn start<F>(serve: impl FnOnce(TcpListener) -> F) -> SocketAddr
where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener));
    address
}

/// A token with these claims that is valid for a minute.
pub(crate) fn token(mut claims: serde_json::Value) -> String {
    claims["exp"] = (socket_tests::now() + 60).into();
    socket_tests::token_with(&claims, SECRET.as_bytes())
}

/// A handshake with these headers beside the usual ones.
pub(crate) async fn open(
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
pub(crate) async fn page(address: SocketAddr, target: &str) -> Result<Client, Error> {
    open(address, target, &[("origin", APP)]).await
}

/// The next text of an open socket.
pub(crate) async fn text<S>(
    opened: Result<WebSocketStream<S>, Error>,
) -> (String, WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = opened.unwrap();
    let message = tokio::time::timeout(test_support::PATIENCE, client.next()).await;
    let message = message.unwrap().unwrap().unwrap();
    (message.to_text().unwrap().to_owned(), client)
}

/// An HTTP request with these lines in its head, and what follows them; the whole answer.
pub(crate) async fn request(address: SocketAddr, line: &str, lines: &str) -> String {
    let head = format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{lines}");
    socket_tests::raw(address, &head).await.unwrap()
}

/// The cookie that an answer sets, as a browser sends it back.
pub(crate) fn cookie(answer: &str) -> String {
    let set = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    set.unwrap().split(';').next().unwrap().to_owned()
}

pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}
