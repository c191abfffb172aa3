use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use tower_ws_auth_core::{Advice, Rejection};

use crate::first_message::own::{FirstMessage, Own};
use crate::first_message::{socket_io, stomp};
use crate::json;
use crate::protocol::ClientProtocol;

/// How a client's first message carries its credential.
///
/// ```
/// use tower_ws_auth_socket::first_message::MessageFormat;
///
/// // {"type":"auth","token":"…"}
/// let own = MessageFormat::json("token").expecting("type", "auth");
/// // A closure, for everything else.
/// let login = MessageFormat::from_fn(|message| message.strip_prefix("LOGIN ").map(str::to_owned));
/// # let _ = (own, login);
/// ```
#[derive(Clone)]
#[must_use]
pub struct MessageFormat {
    kind: Kind,
    expected: Vec<(Vec<String>, String)>,
    pub(super) prompt: Option<String>,
    pub(super) accepted: Option<String>,
    refused: Option<fn(&Rejection) -> Option<String>>,
    pub(super) replayed: bool,
    pub(super) subprotocols: Vec<String>,
    pub(super) protocol: ClientProtocol,
}

#[derive(Clone)]
enum Kind {
    Plain,
    Json(Vec<String>),
    GraphqlWs(Vec<String>),
    SocketIo(Vec<String>),
    Stomp(String),
    Own(Arc<Own>),
}

/// What a message is.
pub(super) enum Read {
    Credential(Option<String>),
    /// None that is waited for: it is answered.
    Answer(&'static str),
    Malformed,
}

impl MessageFormat {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            expected: Vec::new(),
            prompt: None,
            accepted: None,
            refused: None,
            replayed: false,
            subprotocols: Vec::new(),
            protocol: ClientProtocol::plain(),
        }
    }

    /// The whole message is the credential. The handler does not see it.
    pub fn plain() -> Self {
        Self::new(Kind::Plain)
    }

    /// The credential is a text in a JSON message, at a path of members such as `payload.token`; in
    /// an array a place counts from 0, as in `4.token`. The handler does not see the message.
    ///
    /// Without the member the strategy decides, as about a handshake without a credential.
    pub fn json(path: &str) -> Self {
        Self::new(Kind::Json(parts(path)))
    }

    /// graphql-ws: this member of the payload of `connection_init`. A `ping` before it is answered.
    ///
    /// The handler sees `connection_init` and acknowledges it.
    pub fn graphql_ws(member: &str) -> Self {
        Self {
            subprotocols: vec!["graphql-transport-ws".to_owned()],
            protocol: ClientProtocol::graphql_ws(),
            ..Self::new(Kind::GraphqlWs(vec![
                "payload".to_owned(),
                member.to_owned(),
            ]))
        }
        .expecting("type", "connection_init")
        .replayed()
    }

    /// Phoenix, protocol 2.0.0: this member of the parameters of the first `phx_join`, which the
    /// handler sees too.
    pub fn phoenix(member: &str) -> Self {
        Self {
            subprotocols: vec!["phoenix".to_owned()],
            protocol: ClientProtocol::phoenix(),
            ..Self::new(Kind::Json(vec!["4".to_owned(), member.to_owned()]))
        }
        .expecting("3", "phx_join")
        .replayed()
    }

    /// Centrifugo with JSON: the token of the `connect` command, which the handler sees too.
    pub fn centrifugo() -> Self {
        Self {
            protocol: ClientProtocol::centrifugo(),
            ..Self::json("connect.token")
        }
        .replayed()
    }

    /// STOMP: this header of the `CONNECT` frame, such as `passcode`. The handler sees the frame.
    pub fn stomp(header: impl Into<String>) -> Self {
        Self {
            subprotocols: ["v12.stomp", "v11.stomp", "v10.stomp"]
                .map(str::to_owned)
                .into(),
            ..Self::new(Kind::Stomp(header.into()))
        }
        .replayed()
    }

    /// Socket.IO 3 and 4 (Engine.IO 4), by the transport `websocket`: this member of `auth`, as in
    /// `io(url, { auth: { token }, transports: ["websocket"] })`.
    ///
    /// Such a client waits for an open packet before it sends `auth`. So it gets one, and that of the
    /// handler behind it, which counts. The handler sees the CONNECT packet too.
    pub fn socket_io(member: &str) -> Self {
        Self {
            protocol: ClientProtocol::socket_io(),
            ..Self::new(Kind::SocketIo(parts(member)))
        }
        .prompt(socket_io::OPEN)
        .replayed()
    }

    /// Home Assistant: `auth_required` of this version, `auth`, `auth_ok`.
    ///
    /// Its client never comes back after `auth_invalid`: that is said only to one that should stop.
    pub fn home_assistant(version: &str) -> Self {
        let version = escaped(version);
        Self {
            refused: Some(auth_invalid),
            ..Self::json("access_token")
        }
        .expecting("type", "auth")
        .prompt(format!(
            r#"{{"type":"auth_required","ha_version":"{version}"}}"#
        ))
        .accepted(format!(r#"{{"type":"auth_ok","ha_version":"{version}"}}"#))
    }

    /// A format of one's own. `None` is a malformed message. The handler does not see it.
    pub fn from_fn<T: Into<FirstMessage>>(
        read: impl Fn(&str) -> Option<T> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Kind::Own(Arc::new(move |message| {
            read(message).map(Into::into)
        })))
    }

    /// A JSON message has this text at this path, or it is malformed. Other formats ignore it.
    pub fn expecting(mut self, path: &str, text: impl Into<String>) -> Self {
        self.expected.push((parts(path), text.into()));
        self
    }

    /// A text message that the client gets first.
    pub fn prompt(mut self, message: impl Into<String>) -> Self {
        self.prompt = Some(message.into());
        self
    }

    /// A text message that an accepted client gets before the handler's first.
    pub fn accepted(mut self, message: impl Into<String>) -> Self {
        self.accepted = Some(message.into());
        self
    }

    /// The handler sees the first message too, as if this layer had not read it.
    pub fn replayed(mut self) -> Self {
        self.replayed = true;
        self
    }

    pub(super) fn read(&self, message: &str) -> Read {
        let json = |message, path| {
            let is_expected = |(path, text): &(Vec<String>, String)| matches!(json::find(message, path), Ok(json::Found::Text(found)) if found == *text);
            match json::find(message, path) {
                _ if !self.expected.iter().all(is_expected) => Read::Malformed,
                Ok(json::Found::Text(found)) => credential(Some(&found)),
                Ok(json::Found::Nothing) => credential(None),
                Ok(json::Found::Other) | Err(json::Invalid) => Read::Malformed,
            }
        };
        match &self.kind {
            Kind::Plain => credential(Some(message)),
            Kind::Json(path) => json(message, path),
            Kind::GraphqlWs(path) => match json::find(message, &["type".to_owned()]) {
                Ok(json::Found::Text(kind)) if kind == "ping" => Read::Answer(r#"{"type":"pong"}"#),
                Ok(json::Found::Text(kind)) if kind == "pong" => Read::Answer(""),
                _ => json(message, path),
            },
            Kind::SocketIo(path) => match socket_io::auth(message) {
                Some("") => credential(None),
                Some(auth) => json(auth, path),
                None => Read::Malformed,
            },
            Kind::Stomp(header) => match stomp::header(message, header) {
                stomp::Found::Text(found) => credential(Some(&found)),
                stomp::Found::Nothing => credential(None),
                stomp::Found::Invalid => Read::Malformed,
            },
            Kind::Own(read) => match read(message) {
                Some(first) => credential(first.credential.as_deref()),
                None => Read::Malformed,
            },
        }
    }

    pub(super) fn refused(&self, rejection: &Rejection) -> Option<String> {
        self.refused?(rejection)
    }
}

fn parts(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

/// Clients send `Bearer <credential>` too (RFC 6750 §2.1), where the credential once was a header.
fn credential(text: Option<&str>) -> Read {
    const BEARER: &str = "bearer ";
    Read::Credential(text.map(|text| {
        let scheme = text.get(..BEARER.len());
        let bare = match scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case(BEARER) => &text[BEARER.len()..],
            _ => text,
        };
        bare.trim_start_matches(' ').to_owned()
    }))
}

fn auth_invalid(rejection: &Rejection) -> Option<String> {
    match rejection.advice() {
        Advice::LogIn | Advice::RefreshOnce | Advice::Stop => Some(format!(
            r#"{{"type":"auth_invalid","message":"{}"}}"#,
            rejection.reason()
        )),
        _ => None,
    }
}

/// Without what ends a JSON string.
fn escaped(text: &str) -> Cow<'_, str> {
    let is_special = |c: char| c == '"' || c == '\\' || c < ' ';
    if text.contains(is_special) {
        text.chars()
            .filter(|c| !is_special(*c))
            .collect::<String>()
            .into()
    } else {
        text.into()
    }
}

impl fmt::Debug for MessageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageFormat")
            .field("replayed", &self.replayed)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
