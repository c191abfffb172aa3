use std::io;
use std::net::SocketAddr;

use futures_util::StreamExt;
use test_support::PATIENCE;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A client's open socket.
pub type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a WebSocket to `/ws` and this query, with these headers beside the usual ones.
///
/// # Errors
///
/// The client's error. An HTTP refusal is [`Error::Http`].
pub async fn handshake(
    address: SocketAddr,
    query: &str,
    headers: &[(&'static str, &str)],
) -> Result<Client, Error> {
    let mut request = format!("ws://{address}/ws{query}").into_client_request()?;
    for &(name, value) in headers {
        request.headers_mut().append(name, value.parse()?);
    }
    let opened = timeout(PATIENCE, connect_async(request)).await;
    opened
        .map_err(|late| Error::Io(late.into()))?
        .map(|(client, _)| client)
}

/// The outcome of a handshake, as one comparable value.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Refused over HTTP: status and body.
    Http(u16, String),
    /// Opened, and then closed with this code and reason, after these messages.
    Closed(u16, String, Vec<String>),
    /// The connection ended without a close frame.
    Lost,
}

impl Answer {
    /// A close frame without a message before it.
    pub fn closed(code: u16, reason: &str) -> Self {
        Self::Closed(code, reason.to_owned(), Vec::new())
    }

    /// A plain refusal.
    pub fn http(status: u16, token: &str) -> Self {
        Self::Http(status, token.to_owned())
    }
}

/// Reads to the end of the connection or of the refusal.
pub async fn end_of<S>(opened: Result<WebSocketStream<S>, Error>) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = match opened {
        Ok(client) => client,
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            let body = String::from_utf8_lossy(&body).into_owned();
            return Answer::Http(response.status().as_u16(), body);
        }
        Err(_) => return Answer::Lost,
    };
    let mut messages = Vec::new();
    let mut close = None;
    while let Ok(Some(Ok(message))) = timeout(PATIENCE, client.next()).await {
        match message {
            Message::Text(text) => messages.push(text.as_str().to_owned()),
            Message::Close(frame) => {
                close = frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned()));
            }
            _ => {}
        }
    }
    match close {
        Some((code, reason)) => Answer::Closed(code, reason, messages),
        None => Answer::Lost,
    }
}

/// Sends bytes unchanged and returns all bytes until the server ends the connection.
///
/// # Errors
///
/// The server does not end it, or cannot be reached.
pub async fn raw(address: SocketAddr, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    match timeout(PATIENCE, stream.read_to_end(&mut answer)).await {
        Ok(Ok(_)) => {}
        // A reset after the answer is an end too.
        Ok(Err(_)) if !answer.is_empty() => {}
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(io::Error::other(format!("still open after {answer:?}"))),
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
