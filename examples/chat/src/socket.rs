//! The handler: by now somebody has been authenticated, and the socket is theirs.

use std::pin::pin;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use tokio::time::Duration;
use tower_ws_auth::{Authenticated, Lease};

use crate::app::App;
use crate::hub::Member;
use crate::protocol::{FromClient, FromServer, MAX_NAME};
use crate::user::User;

/// What a client may offer, best first.
pub(crate) const SUBPROTOCOLS: [&str; 2] = ["chat.v1", "phoenix"];

/// Everything a client may send in one message, in bytes. What is longer than the chat wants is
/// an error that the client can read; what is longer than this is not read at all.
const MAX_MESSAGE: usize = 1024 * 1024;

/// How long a client has for its half of the closing handshake.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn open(
    upgrade: WebSocketUpgrade,
    user: Authenticated<User>,
    lease: Lease,
    State(app): State<App>,
) -> Response {
    upgrade
        .protocols(SUBPROTOCOLS)
        // As much as the longest text that is welcome; what is longer takes more.
        .read_buffer_size(8192)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .on_upgrade(move |socket| async move {
            talk(socket, user.into_inner(), lease.until(), app).await;
        })
}

/// It need not look at the time, nor know of logouts: the lease ends the connection, and that is
/// a client that closes.
async fn talk(mut socket: WebSocket, user: User, until: Option<SystemTime>, app: App) {
    match converse(&mut socket, &user, until, &app).await {
        // tungstenite has an answer ready, and sends it as we go on reading.
        Ok(End::Client) => finish(&mut socket).await,
        Ok(End::TooSlow) => goodbye(&mut socket, 4408, "too_slow").await,
        // A frame that is none, or too long. On a broken connection this says nothing.
        Err(_) => goodbye(&mut socket, 1002, "message_unreadable").await,
    }
}

/// Why a conversation ends in good order.
enum End {
    /// The client closes.
    Client,
    /// It has not read what it was sent.
    TooSlow,
}

async fn converse(
    socket: &mut WebSocket,
    user: &User,
    until: Option<SystemTime>,
    app: &App,
) -> Result<End, axum::Error> {
    let (mut member, mut inbox) = app.hub.enter();
    let User { name, via, .. } = user;
    // A token says when it expires; for the others it is when their grant ends.
    let expires_at = user.expires_at.or_else(|| until.and_then(unix_seconds));
    let welcome = FromServer::Welcome {
        user: name,
        via,
        expires_at,
    };
    socket.send(Message::text(welcome.to_json())).await?;
    let mut too_slow = pin!(member.too_slow());
    loop {
        tokio::select! {
            // In this order: what is there is sent before more is read.
            biased;
            () = &mut too_slow => return Ok(End::TooSlow),
            Some(message) = inbox.recv() => tokio::select! {
                sent = socket.send(Message::Text(message)) => sent?,
                () = &mut too_slow => return Ok(End::TooSlow),
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => {
                    if let Some(answer) = answer(&text, name, &mut member, app).await {
                        socket.send(Message::text(answer)).await?;
                    }
                }
                Some(Ok(Message::Binary(_))) => {
                    let error = FromServer::Error { reason: "text_only" };
                    socket.send(Message::text(error.to_json())).await?;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Ok(End::Client),
                Some(Err(error)) => return Err(error),
            },
        }
    }
}

/// Answers one message; what is said in a channel comes back through the hub.
async fn answer(text: &str, user: &str, member: &mut Member, app: &App) -> Option<String> {
    let answer = match FromClient::parse(text) {
        Err(reason) => FromServer::Error { reason }.to_json(),
        Ok(FromClient::Join { channel, auth }) => {
            let channel = &*channel;
            match join(user, channel, auth, member, app).await {
                Ok(()) => FromServer::Joined { channel }.to_json(),
                Err(reason) => FromServer::Denied { channel, reason }.to_json(),
            }
        }
        Ok(FromClient::Say { channel, text }) => {
            if member.is_in(&channel) {
                let message = FromServer::Message {
                    channel: &channel,
                    user,
                    text: &text,
                };
                member.say(&channel, &message.to_json().into()).await;
                return None;
            }
            FromServer::Error {
                reason: "not_joined",
            }
            .to_json()
        }
    };
    Some(answer)
}

/// # Errors
///
/// A fixed token that says why not.
async fn join(
    user: &str,
    channel: &str,
    auth: Option<String>,
    member: &mut Member,
    app: &App,
) -> Result<(), &'static str> {
    // Long names are for those who have one.
    if channel.len() > MAX_NAME && channel.strip_prefix("private-") != Some(user) {
        return Err("forbidden");
    }
    if !member.has_room_for(channel) {
        return Err("too_many_channels");
    }
    // Whoever is in needs no second ticket.
    if !member.is_in(channel) {
        app.doors.open(user, channel, auth).await?;
    }
    member.join(channel);
    Ok(())
}

fn unix_seconds(time: SystemTime) -> Option<i64> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// Closes with a reason and waits for the client's half of the closing handshake.
async fn goodbye(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let reason = Utf8Bytes::from_static(reason);
    let close = socket.send(Message::Close(Some(CloseFrame { code, reason })));
    if let Ok(Ok(())) = tokio::time::timeout(PATIENCE, close).await {
        finish(socket).await;
    }
}

/// Reads to the end, for a moment.
async fn finish(socket: &mut WebSocket) {
    let rest = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = tokio::time::timeout(PATIENCE, rest).await;
}
