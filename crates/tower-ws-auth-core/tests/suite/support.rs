//! A strategy with every carrier, an inner service that notices everything, and a handshake.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::request::{Builder, Parts};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tower::{Layer, Service, ServiceExt};
use tower_ws_auth_core::credential::{Carriers, Credential, SubprotocolFormat};
use tower_ws_auth_core::{
    Auth, AuthLayer, Authenticate, Authenticated, Grant, Rejection, RejectionKind, ResponseBody,
};

pub(crate) use test_support::handshake::request as handshake;

pub(crate) type Answer = Response<ResponseBody<Empty<Bytes>>>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct User(pub(crate) &'static str);

/// Knows one credential, `good`, and looks for it everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Token(Carriers);

impl Token {
    pub(crate) fn new() -> Self {
        let carriers = Carriers::builder()
            .query("token")
            .bearer_header()
            .subprotocol(SubprotocolFormat::Phoenix)
            .dangerous_cookie_from_any_origin("jwt");
        Self(carriers.build().unwrap())
    }

    /// The end of what it grants.
    pub(crate) fn end() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000)
    }
}

impl Authenticate for Token {
    type Credential = Credential;
    type Verified = User;
    type Identity = User;
    type Future = Ready<Result<Grant<User>, Rejection>>;

    fn name(&self) -> &'static str {
        "token"
    }

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.0.take(head)
    }

    fn verify(&self, credential: Credential, _head: &Parts) -> Self::Future {
        ready(match credential.as_str() {
            "good" => Ok(Grant::new(User("ada")).until(Self::end())),
            _ => Err(Rejection::new(RejectionKind::TokenInvalid, "not `good`")),
        })
    }

    fn admit(&self, user: User, _head: &Parts) -> Result<User, Rejection> {
        Ok(user)
    }
}

/// Answers 101, remembers the heads that it got, and panics when it is called without having
/// been polled ready. A clone of it has to be polled by itself.
#[derive(Debug)]
pub(crate) struct Inner {
    ready: bool,
    status: StatusCode,
    connection: Option<&'static str>,
    seen: Arc<Mutex<Vec<Parts>>>,
}

impl Inner {
    pub(crate) fn new() -> Self {
        Self::answering(StatusCode::SWITCHING_PROTOCOLS, Some("upgrade"))
    }

    pub(crate) fn answering(status: StatusCode, connection: Option<&'static str>) -> Self {
        Self {
            ready: false,
            status,
            connection,
            seen: Arc::default(),
        }
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The head of the last request that arrived.
    pub(crate) fn head(&self) -> Parts {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }

    pub(crate) fn user(&self) -> User {
        let head = self.head();
        let user: &Authenticated<User> = head.extensions.get().unwrap();
        user.clone().into_inner()
    }
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self {
            ready: false,
            seen: Arc::clone(&self.seen),
            ..*self
        }
    }
}

impl Service<Request<()>> for Inner {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        assert!(self.ready, "called without having been polled ready");
        self.ready = false;
        self.seen.lock().unwrap().push(request.into_parts().0);
        let mut response = Response::new(Empty::new());
        *response.status_mut() = self.status;
        if let Some(connection) = self.connection {
            let connection = HeaderValue::from_static(connection);
            response.headers_mut().insert(CONNECTION, connection);
        }
        ready(Ok(response))
    }
}

pub(crate) async fn send<A>(layer: &AuthLayer<A>, inner: &Inner, request: Builder) -> Answer
where
    A: Authenticate,
    Auth<A, Inner>: Service<Request<()>, Response = Answer, Error = Infallible>,
{
    let service = layer.layer(inner.clone());
    service.oneshot(request.body(()).unwrap()).await.unwrap()
}

/// The evidence of a refusal.
pub(crate) fn rejection(response: &Answer) -> Rejection {
    let rejection: &Rejection = response.extensions().get().unwrap();
    assert_eq!(response.status(), rejection.status());
    rejection.clone()
}
