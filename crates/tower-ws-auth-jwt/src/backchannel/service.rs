use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body::Body;
use serde_json::Value;
use tokio::time::timeout;
use tower_service::Service;
use tower_ws_auth_core::private::{BodyError, read_body};
use tower_ws_auth_core::{
    BoxFuture, Clock, DisconnectReason, Rejection, RejectionKind, Revocations,
};
use tower_ws_auth_ticket::{ReplayStore, TicketKey, claim, is_claimed};

use crate::backchannel::answer::{Answer, respond, respond_to_event};
use crate::backchannel::logout_token::{Freshness, LogoutToken};
use crate::backchannel::security_event;
use crate::{Issuers, invalid};

/// Ends the connections and sessions of users who log out at their identity provider (`OpenID`
/// Connect Back-Channel Logout 1.0), or lose a session by a
/// [security event](crate::BackchannelLogoutBuilder::security_events).
///
/// Mount it at the URI that the provider knows as `backchannel_logout_uri`. The provider posts a
/// signed `logout_token` there. It needs no cookie and no origin, and no other layer of this
/// workspace.
///
/// | answer | |
/// |---|---|
/// | 200 | the user is logged out on every node |
/// | 400 `{"error":"invalid_request"}` | the request or its token is invalid |
/// | 400 `{"error":"temporarily_unavailable"}` | a store or the provider's keys are unavailable: the same token may come again |
/// | 405, 408, 413 | not a `POST`; no body in time; a body of more than 16 KiB |
///
/// # Rules
///
/// A token is accepted once, if all of these hold (§2.6):
///
/// - It is signed with a key of the provider in its `iss`, and `aud` names this application. `exp`,
///   if there is one, has not passed.
/// - Its `typ` is `logout+jwt`, or that of any JWT, or absent.
/// - `events` names a back-channel logout, and there is no `nonce`. So no ID token is one.
/// - `iat` is not older than [`max_age`](crate::BackchannelLogoutBuilder::max_age).
/// - It has a `jti`, which was not used before, and a `sub`, a `sid` or both.
///
/// A function of the application maps it to [revocation keys](tower_ws_auth_core::revocation).
/// Where the strategies put the same keys into their grants, open connections end, and tokens and
/// sessions that were issued before are refused. A `sid` names one session: revoke the whole user
/// only without one.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use http::{Request, StatusCode};
/// use serde_json::{Value, json};
/// use tower::Service;
/// use tower_ws_auth_core::{MemoryRevocations, Revocations};
/// use tower_ws_auth_jwt::{BackchannelLogout, Jwt, JwtEncoder, Key, LogoutToken, SigningKey};
/// use tower_ws_auth_ticket::MemoryTickets;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hour = Duration::from_secs(3600);
/// let revocations = Revocations::new(MemoryRevocations::new(24 * hour, 100_000));
/// // The same names as in the tokens that open connections: `sid` here, or else `sub`.
/// let tokens = Jwt::<Value>::builder(Key::hs256([7; 32])?).build()?
///     .revocable_by(|claims: &Value| format!("sid:{}", claims["sid"]))
///     .revocable_by(|claims: &Value| format!("sub:{}", claims["sub"]));
/// let keys = |logout: &LogoutToken| match (&logout.session, &logout.subject) {
///     (Some(sid), _) => vec![format!("sid:{}", Value::from(sid.as_str()))],
///     (None, Some(sub)) => vec![format!("sub:{}", Value::from(sub.as_str()))],
///     (None, None) => vec![],
/// };
/// // Yours is `Jwks::discover("https://issuer.example").start()?`.
/// let provider = Key::hs256([8; 32])?;
/// let mut service = BackchannelLogout::builder("chat")
///     .provider("https://issuer.example", provider)
///     .build(Arc::new(MemoryTickets::builder().max_ttl(hour).build()?), revocations.clone(), keys)?;
///
/// # let _ = tokens;
/// # let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
/// # let signer = JwtEncoder::new(SigningKey::hs256([8; 32])?);
/// # let mut post = async |claims: &Value| {
/// #     let body = format!("logout_token={}", signer.encode(claims).unwrap());
/// #     let request = Request::post("/backchannel-logout").header("content-type", "application/x-www-form-urlencoded");
/// #     let body = http_body_util::Full::<bytes::Bytes>::from(body);
/// #     service.call(request.body(body).unwrap()).await.unwrap().status()
/// # };
/// let mut claims = json!({
///     "iss": "https://issuer.example", "aud": "chat", "iat": now, "exp": now + 120, "jti": "1",
///     "sub": "ada", "sid": "08a5019c",
///     "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
/// });
/// assert_eq!(post(&claims).await, StatusCode::OK);
/// // Once.
/// assert_eq!(post(&claims).await, StatusCode::BAD_REQUEST);
/// // An ID token is not a logout token.
/// claims["nonce"] = "n-0S6_WzA2Mj".into();
/// assert_eq!(post(&claims).await, StatusCode::BAD_REQUEST);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BackchannelLogout(Arc<Settings>);

pub(super) struct Settings {
    pub(super) issuers: Issuers<Value>,
    pub(super) store: Arc<dyn ReplayStore>,
    pub(super) revocations: Revocations,
    pub(super) keys: Box<KeysOf>,
    pub(super) clock: Clock,
    pub(super) freshness: Freshness,
    /// How long a token is remembered.
    pub(super) remembered: Duration,
    pub(super) reason: DisconnectReason,
    pub(super) body_timeout: Duration,
    pub(super) security_events: bool,
}

type KeysOf = dyn Fn(&LogoutToken) -> Vec<String> + Send + Sync;

/// Twice the longest token.
const MAX_BODY: usize = 16 * 1024;
/// How long to wait for the store of used tokens.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

impl BackchannelLogout {
    pub(super) fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }
}

impl Settings {
    async fn log_out(&self, posted: &Posted) -> Result<(), Rejection> {
        let (Posted::Logout(token) | Posted::Event(token)) = posted;
        let grant = self.issuers.verify_token_or_wait(token).await?;
        let (claims, _) = grant.into_parts();
        let (now, freshness) = (self.clock.now(), self.freshness);
        let logout = match posted {
            Posted::Logout(_) => LogoutToken::read(token, claims, now, freshness)?,
            Posted::Event(_) => match security_event::read(token, claims, now, freshness)? {
                Some(logout) => logout,
                None => return Ok(()),
            },
        };
        match self.end(&logout).await {
            // RFC 8935 §2: it is answered as the first time, in case that the answer was lost.
            Ok(false) if matches!(posted, Posted::Event(_)) => Ok(()),
            Ok(false) => Err(invalid("the logout token has been used")),
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether this is the first time.
    async fn end(&self, logout: &LogoutToken) -> Result<bool, Rejection> {
        let parts = [logout.issuer.as_bytes(), logout.id.as_bytes()];
        let key = TicketKey::digest("tower-ws-auth-jwt logout", &parts);
        if is_claimed(&*self.store, key, STORE_TIMEOUT).await? {
            return Ok(false);
        }
        // Before the token is used up, so that the provider can repeat what has failed half way.
        // Two that come at the same time do the same.
        for key in (self.keys)(logout) {
            let revoked = self.revocations.revoke(&key, self.reason.clone()).await;
            revoked.map_err(|error| {
                let failed = "the store of revocations failed";
                Rejection::new(RejectionKind::Unavailable, failed).with_source(error)
            })?;
        }
        claim(&*self.store, key, self.remembered, STORE_TIMEOUT).await
    }

    fn posted(&self, head: &Parts, body: &[u8]) -> Option<Posted> {
        let kind = head.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let kind = kind.split(';').next()?.trim();
        if self.security_events && kind.eq_ignore_ascii_case("application/secevent+jwt") {
            let token = std::str::from_utf8(body).ok()?;
            return Some(Posted::Event(token.trim_ascii().to_owned()));
        }
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return None;
        }
        token_of(body).map(Posted::Logout)
    }
}

/// What a provider posts.
enum Posted {
    Logout(String),
    Event(String),
}

/// The one `logout_token` of a form.
fn token_of(body: &[u8]) -> Option<String> {
    let mut tokens = form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token");
    let token = tokens.next()?.1.into_owned();
    tokens.next().is_none().then_some(token)
}

impl<B> Service<Request<B>> for BackchannelLogout
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = LogoutFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> LogoutFuture {
        let settings = Arc::clone(&self.0);
        LogoutFuture(Box::pin(async move {
            let (head, body) = request.into_parts();
            let read = timeout(
                settings.body_timeout,
                read_body(&head.method, body, MAX_BODY),
            )
            .await;
            let posted = match read.unwrap_or(Err(BodyError::Timeout)) {
                Ok(body) => settings.posted(&head, &body),
                Err(error) => return error.into_response(head.version),
            };
            let Some(posted) = posted else {
                return respond(Err(invalid(
                    "the body is not a form with one `logout_token`",
                )));
            };
            // A provider that hangs up must not leave it half done.
            let respond = match posted {
                Posted::Logout(_) => respond,
                Posted::Event(_) => respond_to_event,
            };
            let done = tokio::spawn(async move { settings.log_out(&posted).await }).await;
            let lost = |_| Rejection::new(RejectionKind::Unavailable, "the logout was lost");
            respond(done.map_err(lost).and_then(|done| done))
        }))
    }
}

/// The response of a [`BackchannelLogout`].
pub struct LogoutFuture(BoxFuture<Answer>);

impl Future for LogoutFuture {
    type Output = Result<Answer, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for BackchannelLogout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackchannelLogout")
            .field("issuers", &self.0.issuers)
            .field("freshness", &self.0.freshness)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LogoutFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogoutFuture")
    }
}
