//! The chat, and a client that looks at everything.

use std::net::SocketAddr;
use std::time::Duration;

use chat::{Chat, Options};
use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use serde_json::json;
use test_support::http1::{Answer, ask};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, SigningKey};

pub(crate) use test_support::{PATIENCE, now};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) const SECRET: &str = "an example secret of 32 bytes ...";
/// What should happen at once does so sooner than this. What would end a connection by mistake
/// takes far longer.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) async fn start(options: &[&str]) -> SocketAddr {
    let options = ["chat", "--listen", "127.0.0.1:0", "--jwt-secret", SECRET]
        .iter()
        .chain(options);
    let chat = Chat::bind(Options::try_parse_from(options).unwrap())
        .await
        .unwrap();
    let address = chat.address();
    tokio::spawn(chat.serve(std::future::pending()));
    address
}

pub(crate) fn token(claims: &Value) -> String {
    let key = SigningKey::hmac(Algorithm::HS256, SECRET.as_bytes()).unwrap();
    JwtEncoder::new(key).encode(claims).unwrap()
}

pub(crate) fn token_of(user: &str) -> String {
    token(&json!({ "sub": user, "exp": now() + 600 }))
}

pub(crate) async fn connect(
    address: SocketAddr,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<Socket, Error> {
    let mut request = format!("ws://{address}/ws/{path}").into_client_request()?;
    for &(name, value) in headers {
        request.headers_mut().append(name, value.parse()?);
    }
    Ok(connect_async(request).await?.0)
}

/// A socket with room for a few kilobytes, which is soon full if nobody reads.
pub(crate) async fn narrow(address: SocketAddr, user: &str) -> Socket {
    let stream = TcpSocket::new_v4().unwrap();
    stream.set_recv_buffer_size(4 * 1024).unwrap();
    let stream = stream.connect(address).await.unwrap();
    let request = format!("ws://{address}/ws/jwt?token={}", token_of(user));
    let opened = client_async(request, MaybeTlsStream::Plain(stream)).await;
    let mut socket = opened.unwrap().0;
    assert_eq!(next(&mut socket).await["user"], user);
    socket
}

pub(crate) async fn next(socket: &mut Socket) -> Value {
    let message = timeout(PATIENCE, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

pub(crate) async fn say(socket: &mut Socket, message: &Value) {
    socket
        .send(Message::text(message.to_string()))
        .await
        .unwrap();
}

pub(crate) async fn welcomed(address: SocketAddr, user: &str) -> Socket {
    let query = format!("jwt?token={}", token_of(user));
    let mut socket = connect(address, &query, &[]).await.unwrap();
    assert_eq!(next(&mut socket).await["user"], user);
    socket
}

pub(crate) async fn close_of(mut socket: Socket) -> (u16, String) {
    loop {
        match timeout(PATIENCE, socket.next()).await.unwrap() {
            Some(Ok(Message::Close(Some(frame)))) => {
                return (frame.code.into(), frame.reason.as_str().to_owned());
            }
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
}

/// What came of a handshake that should be refused: HTTP status and body, or close code and
/// reason.
pub(crate) async fn refusal(opened: Result<Socket, Error>) -> (u16, String) {
    match opened {
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            (
                response.status().as_u16(),
                String::from_utf8_lossy(&body).into_owned(),
            )
        }
        Ok(socket) => close_of(socket).await,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn post(
    address: SocketAddr,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    ask(address, &format!("POST {path}"), fields, body).await
}

/// Logs in and returns the cookie as a browser would send it.
pub(crate) async fn login(address: SocketAddr, user: &str) -> String {
    let answer = post(address, "/login", &[], &json!({ "user": user }).to_string()).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    answer.cookie().unwrap()
}

/// A ticket for the session of this cookie.
pub(crate) async fn ticket(address: SocketAddr, cookie: &str, mint_request: &str) -> String {
    let answer = post(address, "/ticket", &[("Cookie", cookie)], mint_request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["ticket"].as_str().unwrap().to_owned()
}

/// The origin of the chat's own page.
pub(crate) fn own_origin(address: SocketAddr) -> String {
    format!("http://127.0.0.1:{}", address.port())
}
