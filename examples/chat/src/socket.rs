//! The handler of an open socket, whose client is authenticated.

use std::pin::{Pin, pin};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use tokio::time::{Duration, timeout};
use tower_ws_auth::{Authenticated, Lease};

use crate::app::App;
use crate::hub::Member;
use crate::protocol::{FromClient, FromServer, MAX_NAME};
use crate::user::User;

/// The supported subprotocols, best first.
pub(crate) const SUBPROTOCOLS: [&str; 2] = ["chat.v1", "phoenix"];

/// The longest message that is read, in bytes. For a message beyond the chat's own limit the client
/// gets an error message. A message beyond this limit is not read.
const MAX_MESSAGE: usize = 1024 * 1024;

/// The time that a client has to answer a close frame.
const PATIENCE: Duration = Duration::from_secs(5);

/// The time that a client has to make room for one more message, once every buffer on the way is
/// full. In a silent room the hub has no message that it could miss.
const STALLED: Duration = Duration::from_secs(10);

pub(crate) async fn open(
    upgrade: WebSocketUpgrade,
    user: Authenticated<User>,
    lease: Lease,
    State(app): State<App>,
) -> Response {
    upgrade
        .protocols(SUBPROTOCOLS)
        // Enough for the longest accepted text. Larger messages grow the buffer.
        .read_buffer_size(8192)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .on_upgrade(move |socket| async move {
            talk(socket, user.into_inner(), lease, app).await;
        })
}

/// It neither checks the time nor knows of logouts. The lease ends the connection, and to the
/// handler that is a client that closes.
async fn talk(mut socket: WebSocket, user: User, lease: Lease, app: App) {
    match converse(&mut socket, &user, &lease, &app).await {
        // tungstenite has queued its answer, and sends it as we continue to read.
        Ok(End::Client) => finish(&mut socket).await,
        Ok(End::TooSlow) => goodbye(&mut socket, 4408, "too_slow").await,
        // An invalid frame, or one that is too long. On a broken connection this is lost.
        Err(_) => goodbye(&mut socket, 1002, "message_unreadable").await,
    }
}

/// Why a conversation ends regularly.
enum End {
    /// The client closes.
    Client,
    /// It has not read its messages.
    TooSlow,
}

async fn converse(
    socket: &mut WebSocket,
    user: &User,
    lease: &Lease,
    app: &App,
) -> Result<End, axum::Error> {
    let (mut member, mut inbox) = app.hub.enter();
    let User { name, via, .. } = user;
    // A token has its own expiry. For other credentials it is the end of their grant.
    let expires_at = user
        .expires_at
        .or_else(|| lease.until().and_then(unix_seconds));
    let connection = lease.connection_id().map(|id| id.encode());
    let welcome = FromServer::Welcome {
        user: name,
        via,
        expires_at,
        connection: connection.as_deref().unwrap_or_default(),
    };
    let mut next = Some(Message::text(welcome.to_json()));
    let mut too_slow = pin!(member.too_slow());
    loop {
        if let Some(message) = next
            && !send(socket, message, too_slow.as_mut()).await?
        {
            return Ok(End::TooSlow);
        }
        next = tokio::select! {
            // In this order, so that waiting messages are sent before more is read.
            biased;
            () = &mut too_slow => return Ok(End::TooSlow),
            Some(message) = inbox.recv() => Some(Message::Text(message)),
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => {
                    let answer = answer(&text, name, &mut member, app).await;
                    answer.map(Message::text)
                }
                Some(Ok(Message::Binary(_))) => {
                    let error = FromServer::Error { reason: "text_only" };
                    Some(Message::text(error.to_json()))
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
                Some(Ok(Message::Close(_))) | None => return Ok(End::Client),
                Some(Err(error)) => return Err(error),
            },
        };
    }
}

/// Sends one message; `false` if the client does not read.
async fn send(
    socket: &mut WebSocket,
    message: Message,
    too_slow: Pin<&mut impl Future<Output = ()>>,
) -> Result<bool, axum::Error> {
    tokio::select! {
        sent = timeout(STALLED, socket.send(message)) => match sent {
            Ok(sent) => sent.map(|()| true),
            Err(_) => Ok(false),
        },
        () = too_slow => Ok(false),
    }
}

/// Answers one message. Messages to a channel come back through the hub.
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
/// The public reason of the refusal.
async fn join(
    user: &str,
    channel: &str,
    auth: Option<String>,
    member: &mut Member,
    app: &App,
) -> Result<(), &'static str> {
    // A long name is only allowed in the user's own channel.
    if channel.len() > MAX_NAME && channel.strip_prefix("private-") != Some(user) {
        return Err("forbidden");
    }
    if !member.has_room_for(channel) {
        return Err("too_many_channels");
    }
    // A member needs no second ticket.
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

/// Closes with a reason and waits for the client's close frame.
async fn goodbye(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let reason = Utf8Bytes::from_static(reason);
    let close = socket.send(Message::Close(Some(CloseFrame { code, reason })));
    if let Ok(Ok(())) = timeout(PATIENCE, close).await {
        finish(socket).await;
    }
}

/// Reads to the end, for a limited time.
async fn finish(socket: &mut WebSocket) {
    let rest = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = timeout(PATIENCE, rest).await;
}
