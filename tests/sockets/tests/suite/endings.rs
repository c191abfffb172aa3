//! An open connection is ended in the language of its client's library.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use http::request::Parts;
use socket_tests::{Answer, Http2, end_of, handshake};
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tower::ServiceBuilder;
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, ClientProtocol, DisconnectReason, Grant, LeaseLayer,
    MemoryRevocations, Rejection, Revocations,
};

/// An echo server whose connections are revocable by `all`.
async fn serve(protocol: ClientProtocol) -> (SocketAddr, Revocations, LeaseLayer) {
    let store = MemoryRevocations::new(Duration::from_secs(3600), 1000);
    let revocations = Revocations::builder(store)
        .allowed_skew(Duration::ZERO)
        .build();
    let lease = LeaseLayer::new(revocations.clone()).client_protocol(protocol);
    let strategy = |_: &mut Parts| {
        let now = std::time::SystemTime::now();
        let grant = Grant::new("ada").issued_at(now).revocable_by("all");
        std::future::ready(Ok::<_, Rejection>(grant))
    };
    let layers = ServiceBuilder::new()
        .layer(AuthLayer::new(strategy.revocable(revocations.clone())))
        .layer(lease.clone());
    let echo = async |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async |mut socket: WebSocket| {
            while let Some(Ok(message)) = socket.recv().await {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
        })
    };
    let router = Router::new().route("/ws", any(echo).layer(layers));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, revocations, lease)
}

async fn echoes<S>(socket: &mut WebSocketStream<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    socket.send(Message::text("hello")).await.unwrap();
    let echo = socket.next().await.unwrap().unwrap();
    assert_eq!(echo, Message::text("hello"));
}

fn ended(code: u16, reason: &str, messages: &[&str]) -> Answer {
    let messages = messages.iter().map(ToString::to_string).collect();
    Answer::Closed(code, reason.to_owned(), messages)
}

/// Protocol, query, ending, and what the client then reads.
#[expect(clippy::too_many_lines, reason = "a table")]
fn endings() -> Vec<(ClientProtocol, &'static str, DisconnectReason, Answer)> {
    use DisconnectReason as Reason;
    let event = |reason| format!(r#"42["auth_ended",{{"reason":"{reason}"}}]"#);
    let own = || Reason::application(4999, "a \"b\"").unwrap();
    let disconnect = |reason, comes_back| {
        format!(r#"{{"type":"disconnect","reason":"{reason}","reconnect":{comes_back}}}"#)
    };
    let close = |reason, comes_back| {
        format!("{{\"type\":7,\"error\":\"{reason}\",\"allowReconnect\":{comes_back}}}\u{1e}")
    };
    let error = r#"{"type":"connection_error","payload":{"message":"revoked"}}"#;
    let socket_io = ClientProtocol::socket_io;
    vec![
        (
            ClientProtocol::plain(),
            "",
            Reason::Revoked,
            ended(4403, "revoked", &[]),
        ),
        (
            socket_io(),
            "",
            Reason::Revoked,
            ended(1000, "revoked", &[&event("revoked"), "41"]),
        ),
        (
            ClientProtocol::detect(),
            "?EIO=4",
            Reason::SessionEnded,
            ended(1000, "session_ended", &[&event("session_ended"), "41"]),
        ),
        (
            ClientProtocol::detect(),
            "",
            Reason::Revoked,
            ended(4403, "revoked", &[]),
        ),
        (
            socket_io(),
            "",
            Reason::TokenExpired,
            ended(4401, "token_expired", &[&event("token_expired")]),
        ),
        (
            socket_io(),
            "",
            Reason::GoingAway,
            ended(1001, "going_away", &[]),
        ),
        // The application's reason is any text: it is escaped, and its code is its own.
        (
            socket_io(),
            "",
            own(),
            ended(4999, "a \"b\"", &[&event(r#"a \"b\""#), "41"]),
        ),
        (
            ClientProtocol::phoenix(),
            "",
            Reason::Revoked,
            ended(1000, "revoked", &[]),
        ),
        (
            ClientProtocol::phoenix(),
            "",
            Reason::GoingAway,
            ended(1001, "going_away", &[]),
        ),
        (
            ClientProtocol::graphql_ws(),
            "",
            Reason::TokenExpired,
            ended(4403, "token_expired", &[]),
        ),
        (
            ClientProtocol::graphql_ws(),
            "",
            Reason::Revoked,
            ended(4401, "revoked", &[]),
        ),
        (
            ClientProtocol::subscriptions_transport_ws(),
            "",
            Reason::Revoked,
            ended(4403, "revoked", &[error]),
        ),
        (
            ClientProtocol::action_cable(),
            "",
            Reason::TokenExpired,
            ended(
                1000,
                "token_expired",
                &[&disconnect("token_expired", false)],
            ),
        ),
        (
            ClientProtocol::action_cable(),
            "",
            Reason::GoingAway,
            ended(1001, "going_away", &[&disconnect("server_restart", true)]),
        ),
        (
            ClientProtocol::signalr(),
            "",
            Reason::Revoked,
            ended(1000, "revoked", &[&close("revoked", false)]),
        ),
        (
            ClientProtocol::signalr(),
            "",
            Reason::TokenExpired,
            ended(1000, "token_expired", &[&close("token_expired", true)]),
        ),
        (
            ClientProtocol::centrifugo(),
            "",
            Reason::TokenExpired,
            ended(3014, "token_expired", &[]),
        ),
        (
            ClientProtocol::pusher(),
            "",
            Reason::TokenExpired,
            ended(4009, "token_expired", &[]),
        ),
    ]
}

#[tokio::test]
async fn every_ending_is_told_in_the_language_of_the_client() {
    for (protocol, query, reason, answer) in endings() {
        let (address, revocations, _) = serve(protocol.clone()).await;
        let mut socket = handshake(address, query, &[]).await.unwrap();
        echoes(&mut socket).await;
        revocations.revoke("all", reason).await.unwrap();
        assert_eq!(end_of(Ok(socket)).await, answer, "{protocol:?}");
    }
}

#[tokio::test]
async fn and_over_http2_too() {
    for (protocol, query, reason, answer) in endings() {
        let (address, revocations, _) = serve(protocol.clone()).await;
        let mut connection = Http2::connect(address).await.unwrap();
        let mut socket = connection.open(query, &[]).await.unwrap();
        echoes(&mut socket).await;
        revocations.revoke("all", reason).await.unwrap();
        assert_eq!(end_of(Ok(socket)).await, answer, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_shutdown_is_told_to_all() {
    let (address, _, lease) = serve(ClientProtocol::action_cable()).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = handshake(address, "", &[]).await.unwrap();
        echoes(&mut socket).await;
        sockets.push(socket);
    }
    let all = lease.leases().end_all(&DisconnectReason::GoingAway).await;
    assert_eq!(all, 3);
    let restart = r#"{"type":"disconnect","reason":"server_restart","reconnect":true}"#;
    for socket in sockets {
        let answer = end_of(Ok(socket)).await;
        assert_eq!(answer, ended(1001, "going_away", &[restart]));
    }
}
