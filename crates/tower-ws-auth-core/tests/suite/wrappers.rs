//! The wrappers of strategies and services pass their calls on.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use tower::{Layer, Service};
use tower_ws_auth_core::credential::{Carriers, Credential};
use tower_ws_auth_core::{
    Authenticate, AuthenticateExt, Grant, MemoryRevocations, Presented, RedactLayer, Rejection,
    Revocations,
};

use crate::support::handshake;

/// A strategy that answers everything otherwise than by default.
struct Named(Carriers);

impl Named {
    fn new() -> Self {
        let carriers = Carriers::builder()
            .query("token")
            .dangerous_cookie_from_any_origin("jwt");
        Self(carriers.build().unwrap())
    }
}

struct Mine(Credential);

impl Presented for Mine {
    fn is_ambient(&self) -> bool {
        self.0.is_ambient()
    }

    fn carrier(&self) -> Option<&'static str> {
        Some(self.0.carrier())
    }

    fn decided_by(&self) -> Option<&'static str> {
        Some(match self.0.carrier() {
            "cookie" => "named for a cookie",
            _ => "named for a query",
        })
    }
}

impl Authenticate for Named {
    type Credential = Mine;
    type Verified = &'static str;
    type Identity = &'static str;
    type Future = Ready<Result<Grant<&'static str>, Rejection>>;

    fn name(&self) -> &'static str {
        "named"
    }

    fn take(&self, head: &mut Parts) -> Result<Option<Mine>, Rejection> {
        Ok(self.0.take(head)?.map(Mine))
    }

    fn verify(&self, _credential: Mine, _head: &Parts) -> Self::Future {
        ready(Ok(Grant::new("ada")))
    }

    fn admit(&self, user: &'static str, _head: &Parts) -> Result<&'static str, Rejection> {
        Ok(user)
    }
}

fn is_passed_on<A: Authenticate>(strategy: &A) {
    assert_eq!(strategy.name(), "named");
    for (request, carrier, ambient, name) in [
        (
            handshake("/ws?token=a"),
            "query",
            false,
            "named for a query",
        ),
        (
            handshake("/ws").header("cookie", "jwt=a"),
            "cookie",
            true,
            "named for a cookie",
        ),
    ] {
        let mut head = request.body(()).unwrap().into_parts().0;
        let credential = strategy.take(&mut head).unwrap().unwrap();
        assert_eq!(credential.carrier(), Some(carrier));
        assert_eq!(credential.is_ambient(), ambient);
        assert_eq!(credential.decided_by(), Some(name));
    }
}

#[test]
fn every_combinator_asks_the_strategy_inside_about_its_credential() {
    let revocations = Revocations::new(MemoryRevocations::new(Duration::from_secs(60), 9));
    is_passed_on(&Named::new());
    is_passed_on(&Named::new().map(str::len));
    is_passed_on(&Named::new().authorize(|_, _| true));
    is_passed_on(&Named::new().and_then(|user: &'static str, _| async move { Ok(user) }));
    is_passed_on(&Named::new().authorize_async(|_, _| async { Ok(true) }));
    is_passed_on(&Named::new().optional());
    is_passed_on(&Named::new().revocable(revocations));
    is_passed_on(&Arc::new(Named::new()));
}

#[test]
fn without_a_credential_an_optional_strategy_counts_as_ambient_and_has_no_carrier() {
    let strategy = Named::new().optional();
    let mut head = handshake("/ws").body(()).unwrap().into_parts().0;
    let nothing = strategy.take(&mut head).unwrap().unwrap();
    assert!(nothing.is_none());
    assert!(nothing.is_ambient());
    assert_eq!(nothing.carrier(), None);
    assert_eq!((nothing.decided_by(), strategy.name()), (None, "named"));
}

/// Never ready.
#[derive(Clone)]
struct Busy;

impl Service<Request<()>> for Busy {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = std::future::Pending<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        pending()
    }
}

#[test]
fn a_redact_is_ready_when_its_service_is() {
    let mut redact = RedactLayer::new(["token"], ["/*"]).unwrap().layer(Busy);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(redact.poll_ready(&mut cx).is_pending());
}
