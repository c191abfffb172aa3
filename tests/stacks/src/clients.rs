use std::io;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use socket_tests::{Answer, Client, end_of, token};
use test_support::PATIENCE;
use test_support::handshake::KEY;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The page that may connect.
pub const APP: &str = "https://app.example";
/// A page that may not connect.
pub const EVIL: &str = "https://evil.example";

/// A browser's handshake for `new WebSocket("/ws" + query, "chat.v1")` on [`APP`].
///
/// # Errors
///
/// The client's error.
pub async fn browser(address: SocketAddr, query: &str) -> Result<Client, Error> {
    browser_at(address, &format!("/ws{query}"), &[("origin", APP)]).await
}

/// The same for another path, with these headers, of which `Origin` should be one.
///
/// # Errors
///
/// The client's error.
pub async fn browser_at(
    address: SocketAddr,
    target: &str,
    headers: &[(&'static str, &str)],
) -> Result<Client, Error> {
    let mut request = format!("ws://{address}{target}").into_client_request()?;
    let usual = [
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("sec-websocket-protocol", "chat.v1"),
    ];
    for &(name, value) in usual.iter().chain(headers) {
        request.headers_mut().append(name, value.parse()?);
    }
    let opened = timeout(PATIENCE, connect_async(request)).await;
    opened
        .map_err(|late| Error::Io(late.into()))?
        .map(|(client, _)| client)
}

/// The whole HTTP answer to a handshake without an `Origin`, with these lines in its head.
///
/// # Errors
///
/// The server cannot be reached, or does not answer.
pub async fn plain(address: SocketAddr, query: &str, lines: &str) -> io::Result<String> {
    let head = format!(
        "GET /ws{query} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\nAccept-Encoding: gzip\r\n{lines}\r\n"
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !is_whole(&answer) && timeout(PATIENCE, stream.read_buf(&mut answer)).await?? > 0 {}
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// By its `Content-Length`, because a proxy keeps the connection open.
fn is_whole(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| length.parse() == Ok(body.len()))
}

/// A client with a valid token gets its socket and its echo, in a browser and elsewhere.
///
/// # Errors
///
/// The unexpected answer.
pub async fn accepts(address: SocketAddr) -> Result<(), String> {
    let query = format!("?token={}", token(60));
    let elsewhere = browser_at(address, &format!("/ws{query}"), &[]).await;
    for (who, opened) in [
        ("browser", browser(address, &query).await),
        ("elsewhere", elsewhere),
    ] {
        // The client itself fails the handshake unless the subprotocol was selected.
        let mut client = opened.map_err(|error| format!("{who}: {error}"))?;
        let lost = |error: Error| format!("{who}: {error}");
        client.send("hello".into()).await.map_err(lost)?;
        let answer = timeout(PATIENCE, client.next()).await;
        match answer.map_err(|_| format!("{who}: no echo"))? {
            Some(Ok(Message::Text(text))) if text.as_str() == "ada: hello" => {}
            other => return Err(format!("{who}: {other:?}")),
        }
        client.close(None).await.map_err(lost)?;
    }
    Ok(())
}

/// A client with an expired token reads why: a browser from its close frame, others over HTTP.
///
/// # Errors
///
/// The unexpected answer.
pub async fn refuses(address: SocketAddr) -> Result<(), String> {
    let query = format!("?token={}", token(-3600));
    let answer = end_of(browser(address, &query).await).await;
    if answer != Answer::closed(4401, "token_expired") {
        return Err(format!("browser: {answer:?}"));
    }
    let answer = plain(address, &query, "").await;
    let answer = answer.map_err(|error| format!("elsewhere: {error}"))?;
    if !answer.starts_with("HTTP/1.1 401 ") || !answer.ends_with("\r\n\r\ntoken_expired") {
        return Err(format!("elsewhere: {answer:?}"));
    }
    Ok(())
}
