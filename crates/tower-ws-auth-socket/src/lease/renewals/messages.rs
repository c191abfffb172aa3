//! Renewals by a message on the open connection.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::json;
use tower_service::Service;
use tower_ws_auth_core::{Authenticate, BoxFuture, Rejection, RejectionKind};

use crate::json;
use crate::lease::{Lease, Renewals};

/// How a client asks for a renewal in a message, and what it is answered.
///
/// ```
/// use tower_ws_auth_socket::lease::RenewalFormat;
///
/// // {"type":"renew","token":"…"} -> {"type":"renewed","expires_at":1712345678}
/// let own = RenewalFormat::json("token").expecting("type", "renew");
/// // {"id":5,"refresh":{"token":"…"}} -> {"id":5,"refresh":{"expires":true,"ttl":3600}}
/// let centrifugo = RenewalFormat::centrifugo();
/// # let _ = (own, centrifugo);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RenewalFormat {
    kind: Kind,
    expected: Vec<(Vec<String>, String)>,
}

#[derive(Clone, Debug)]
enum Kind {
    Json(Vec<String>),
    Centrifugo,
}

/// A message that asks for a renewal.
struct Asked {
    credential: String,
    /// Centrifugo's number of the command.
    id: u32,
}

impl RenewalFormat {
    /// The credential is a text in a JSON message, at a path of members such as `payload.token`. A
    /// message without it is no renewal.
    ///
    /// The answer is `{"type":"renewed","expires_at":1712345678}`, in seconds since the Unix epoch
    /// or `null`, or `{"type":"not_renewed","reason":"token_expired"}`.
    pub fn json(path: &str) -> Self {
        Self {
            kind: Kind::Json(parts(path)),
            expected: Vec::new(),
        }
    }

    /// Centrifugo with JSON: the `refresh` command, alone in its message. The answer is its reply,
    /// or one of [Centrifugo's errors].
    ///
    /// [Centrifugo's errors]: https://centrifugal.dev/docs/server/codes
    pub fn centrifugo() -> Self {
        Self {
            kind: Kind::Centrifugo,
            expected: Vec::new(),
        }
    }

    /// A message has this text at this path, or it is no renewal.
    pub fn expecting(mut self, path: &str, text: impl Into<String>) -> Self {
        self.expected.push((parts(path), text.into()));
        self
    }

    fn read(&self, message: &str) -> Option<Asked> {
        let text = |path: &[String]| match json::find(message, path) {
            Ok(json::Found::Text(text)) => Some(text),
            _ => None,
        };
        let is_expected =
            |(path, expected): &(Vec<String>, String)| text(path).is_some_and(|it| it == *expected);
        if !self.expected.iter().all(is_expected) {
            return None;
        }
        match &self.kind {
            Kind::Json(path) => Some(Asked {
                credential: text(path)?,
                id: 0,
            }),
            Kind::Centrifugo => {
                #[derive(Deserialize)]
                struct Command {
                    id: u32,
                }
                Some(Asked {
                    credential: text(&parts("refresh.token"))?,
                    id: serde_json::from_str::<Command>(message).ok()?.id,
                })
            }
        }
    }

    fn answer(&self, id: u32, renewed: Result<(), Rejection>, until: Option<SystemTime>) -> String {
        let left = |until: SystemTime| until.duration_since(SystemTime::now()).unwrap_or_default();
        let answer = match (&self.kind, renewed) {
            (Kind::Json(_), Ok(())) => {
                json!({ "type": "renewed", "expires_at": until.map(unix_seconds) })
            }
            (Kind::Json(_), Err(rejection)) => {
                json!({ "type": "not_renewed", "reason": rejection.reason() })
            }
            (Kind::Centrifugo, Ok(())) => match until.map(left) {
                Some(left) => {
                    json!({ "id": id, "refresh": { "expires": true, "ttl": whole(left) } })
                }
                None => json!({ "id": id, "refresh": {} }),
            },
            (Kind::Centrifugo, Err(rejection)) => {
                let (code, message, temporary) = error(&rejection);
                json!({ "id": id, "error": { "code": code, "message": message, "temporary": temporary } })
            }
        };
        answer.to_string()
    }
}

/// One of Centrifugo's errors: its code, its text, and whether to try again.
fn error(rejection: &Rejection) -> (u16, &'static str, bool) {
    match rejection.kind() {
        RejectionKind::TokenExpired => (109, "token expired", false),
        RejectionKind::Forbidden => (103, "permission denied", false),
        RejectionKind::CredentialsMalformed => (107, "bad request", false),
        RejectionKind::RateLimited => (111, "too many requests", true),
        RejectionKind::Unavailable => (100, "internal server error", true),
        _ => (101, "unauthorized", false),
    }
}

fn parts(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

fn unix_seconds(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Rounded up: a client that counts zero would refresh at once.
fn whole(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

/// Renews connections by messages that their clients send. Made by [`Renewals::messages`].
///
/// It is a service over the messages of a handler: the [`Lease`] of the connection and a text. The
/// response is the answer for the client, or `None` if the message asks for no renewal and is the
/// handler's own.
///
/// ```
/// # use axum::extract::ws::{Message, WebSocket};
/// # use tower::{Service, ServiceExt};
/// # use tower_ws_auth_core::Authenticate;
/// use tower_ws_auth_socket::lease::{Lease, RenewalMessages};
///
/// # async fn answer(text: &str) -> String { text.to_owned() }
/// # async fn handle<A>(mut socket: WebSocket, lease: Lease, mut renewals: RenewalMessages<A>) -> Option<()>
/// # where A: Authenticate + Send + Sync + 'static, A::Future: Send {
/// while let Some(Ok(Message::Text(text))) = socket.recv().await {
///     let renewed = renewals.ready().await.ok()?.call((lease.clone(), text.to_string())).await;
///     let answer = match renewed.ok()? {
///         Some(answer) => answer,
///         None => answer(&text).await,
///     };
///     socket.send(Message::text(answer)).await.ok()?;
/// }
/// # Some(())
/// # }
/// ```
pub struct RenewalMessages<A: Authenticate> {
    renewals: Renewals<A>,
    format: Arc<RenewalFormat>,
}

impl<A: Authenticate> Renewals<A> {
    /// The same by messages of this format.
    pub fn messages(&self, format: RenewalFormat) -> RenewalMessages<A> {
        RenewalMessages {
            renewals: self.clone(),
            format: Arc::new(format),
        }
    }
}

impl<A> Service<(Lease, String)> for RenewalMessages<A>
where
    A: Authenticate + Send + Sync + 'static,
    A::Future: Send,
{
    type Response = Option<String>;
    type Error = Infallible;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (lease, message): (Lease, String)) -> AnswerFuture {
        let Some(Asked { credential, id }) = self.format.read(&message) else {
            return AnswerFuture(Box::pin(async { None }));
        };
        let (renewals, format) = (self.renewals.clone(), Arc::clone(&self.format));
        AnswerFuture(Box::pin(async move {
            let renewed = renewals.renew(&lease, credential).await;
            Some(format.answer(id, renewed, lease.until()))
        }))
    }
}

/// The response of [`RenewalMessages`].
pub struct AnswerFuture(BoxFuture<Option<String>>);

impl Future for AnswerFuture {
    type Output = Result<Option<String>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.as_mut().poll(cx).map(Ok)
    }
}

impl<A: Authenticate> Clone for RenewalMessages<A> {
    fn clone(&self) -> Self {
        Self {
            renewals: self.renewals.clone(),
            format: Arc::clone(&self.format),
        }
    }
}

impl<A: Authenticate> fmt::Debug for RenewalMessages<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenewalMessages")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AnswerFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerFuture")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(format: &RenewalFormat, message: &str) -> Option<String> {
        format.read(message).map(|asked| asked.credential)
    }

    #[test]
    fn a_message_without_a_credential_is_the_handlers() {
        let own = RenewalFormat::json("token").expecting("type", "renew");
        let found = credential(&own, r#"{"type":"renew","token":"abc"}"#);
        assert_eq!(found.as_deref(), Some("abc"));
        for other in [
            "",
            "renew",
            r#"{"type":"say","token":"abc"}"#,
            r#"{"token":"abc"}"#,
            r#"{"type":"renew"}"#,
            r#"{"type":"renew","token":7}"#,
            r#"{"type":"renew","token":"a","token":"b"}"#,
        ] {
            assert_eq!(credential(&own, other), None, "{other}");
        }
        let centrifugo = RenewalFormat::centrifugo();
        let refresh = r#"{"id":5,"refresh":{"token":"abc"}}"#;
        assert_eq!(credential(&centrifugo, refresh).as_deref(), Some("abc"));
        for other in [
            r#"{"refresh":{"token":"abc"}}"#,
            r#"{"id":-1,"refresh":{"token":"abc"}}"#,
            r#"{"id":5,"refresh":{}}"#,
            r#"{"id":5,"connect":{"token":"abc"}}"#,
            // Several commands in one message.
            &format!("{refresh}\n{refresh}"),
        ] {
            assert_eq!(credential(&centrifugo, other), None, "{other}");
        }
    }

    #[test]
    fn each_format_answers_in_its_own_words() {
        let refused = |kind| Err(Rejection::new(kind, "no"));
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_712_345_678);
        let own = RenewalFormat::json("token");
        let said = |renewed, until| own.answer(0, renewed, until);
        assert_eq!(
            said(Ok(()), Some(at)),
            r#"{"expires_at":1712345678,"type":"renewed"}"#
        );
        assert_eq!(
            said(Ok(()), None),
            r#"{"expires_at":null,"type":"renewed"}"#
        );
        assert_eq!(
            said(refused(RejectionKind::TokenExpired), None),
            r#"{"reason":"token_expired","type":"not_renewed"}"#
        );
        let centrifugo = RenewalFormat::centrifugo();
        let said = |renewed, until| centrifugo.answer(5, renewed, until);
        assert_eq!(said(Ok(()), None), r#"{"id":5,"refresh":{}}"#);
        let soon = SystemTime::now() + Duration::from_secs(3600);
        let renewed: serde_json::Value = serde_json::from_str(&said(Ok(()), Some(soon))).unwrap();
        assert!((3500..=3600).contains(&renewed["refresh"]["ttl"].as_u64().unwrap()));
        for (kind, code, temporary) in [
            (RejectionKind::TokenExpired, 109, false),
            (RejectionKind::TokenInvalid, 101, false),
            (RejectionKind::Forbidden, 103, false),
            (RejectionKind::RateLimited, 111, true),
            (RejectionKind::Unavailable, 100, true),
        ] {
            let error: serde_json::Value =
                serde_json::from_str(&said(refused(kind), None)).unwrap();
            let error = &error["error"];
            assert_eq!(
                (&error["code"], &error["temporary"]),
                (&json!(code), &json!(temporary))
            );
        }
    }
}
