//! The contents of `Debug` and `Display`. `secrets` tests that they print no secret.

use std::time::Duration;

use http::HeaderMap;
use http::header::COOKIE;
use http::request::Parts;
use tower::{Layer, Service, ServiceExt};
use tower_ws_auth_core::credential::{Carriers, RedactedPairs};
use tower_ws_auth_core::private::Gate;
use tower_ws_auth_core::private::cookie;
use tower_ws_auth_core::{
    AuthLayer, Authenticate, AuthenticateExt, Clock, DisconnectReason, Grant, MemoryRevocations,
    RedactLayer, Rejection, RejectionKind, Revocations,
};

use crate::support::{Inner, Token, User, handshake};

type Answer = std::future::Ready<Result<http::Response<()>, ()>>;

fn parts(uri: &str) -> Parts {
    handshake(uri).body(()).unwrap().into_parts().0
}

fn revocations() -> Revocations {
    Revocations::new(MemoryRevocations::new(Duration::from_secs(60), 9))
}

#[test]
fn a_strategy_names_its_combinators_from_outside_in() {
    let strategy = || Token::new();
    for (shown, begins, contains) in [
        (
            format!("{:?}", strategy().map(|it| it)),
            "Map { inner: Token(",
            "\"token\"",
        ),
        (
            format!("{:?}", strategy().authorize(|_, _| true)),
            "Authorize { inner: Token(",
            "..",
        ),
        (
            format!("{:?}", strategy().or(strategy())),
            "AnyOf(Token(",
            "), Token(",
        ),
        (
            format!("{:?}", strategy().optional()),
            "Optional { inner: Token(",
            "",
        ),
        (
            format!("{:?}", strategy().revocable(revocations())),
            "Revocable { inner: Token(",
            "Revocations { registry: Registry { keys: 0, .. }, .. }",
        ),
        (
            format!("{:?}", AuthLayer::new(strategy())),
            "AuthLayer {",
            "any_request: false",
        ),
        (
            format!("{:?}", AuthLayer::new(strategy()).layer(7)),
            "Auth {",
            "inner: 7",
        ),
    ] {
        assert!(shown.starts_with(begins), "{shown}");
        assert!(shown.contains(contains), "{shown} lacks {contains}");
    }
}

#[test]
fn a_decision_under_way_is_its_name() {
    let head = || parts("/ws?token=good");
    let either = Token::new().or(Token::new());
    let credential = either.take(&mut head()).unwrap().unwrap();
    assert_eq!(
        format!("{:?}", either.verify(credential, &head())),
        "EitherFuture"
    );
    let optional = Token::new().optional();
    let credential = optional.take(&mut head()).unwrap().unwrap();
    assert_eq!(
        format!("{:?}", optional.verify(credential, &head())),
        "OptionalFuture"
    );
    let revocable = Token::new().revocable(revocations());
    let credential = revocable.take(&mut head()).unwrap().unwrap();
    assert_eq!(
        format!("{:?}", revocable.verify(credential, &head())),
        "RevocableFuture"
    );
    let validity = Grant::new(()).revocable_by("user:ada").into_parts().1;
    assert_eq!(
        format!("{:?}", revocations().watch(&validity)),
        "WatchFuture"
    );
    let missing = Rejection::new(RejectionKind::CredentialsMissing, "none");
    let gate: Gate<Answer> = Gate::refuse(missing, head());
    assert!(format!("{gate:?}").starts_with("Gate"), "{gate:?}");
}

#[tokio::test]
async fn a_response_under_way_is_its_name() {
    let mut service = AuthLayer::new(Token::new()).layer(Inner::new());
    let service = service.ready().await.unwrap();
    let response = service.call(handshake("/ws").body(()).unwrap());
    assert!(format!("{response:?}").starts_with("ResponseFuture"));
    drop(response.await);
}

#[test]
fn a_clock_says_whether_it_is_the_systems() {
    assert_eq!(format!("{:?}", Clock::system()), "Clock(system)");
    assert_eq!(format!("{:?}", Clock::steady()), "Clock(injected)");
    assert_eq!(format!("{:?}", Clock::fixed(7)), "Clock(injected)");
}

#[test]
fn a_credential_shows_its_carrier_and_a_cookie_not_even_that() {
    let carriers = Carriers::builder().query("token").build().unwrap();
    let credential = carriers.take(&mut parts("/ws?token=abc")).unwrap().unwrap();
    assert_eq!(format!("{credential:?}"), "Credential(query, redacted)");
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, "sid=abc".parse().unwrap());
    let found = cookie::find(&headers, "sid").unwrap();
    assert_eq!(format!("{found:?}"), "Found(redacted)");
}

#[tokio::test]
async fn redacted_pairs_are_shown_as_redacted() {
    let redact = RedactLayer::new(["token"], ["/ws"]).unwrap();
    let inner = Inner::new();
    let request = handshake("/ws?token=abc").body(()).unwrap();
    redact.layer(inner.clone()).oneshot(request).await.unwrap();
    let head = inner.head();
    let redacted = head.extensions.get::<RedactedPairs>().unwrap();
    assert_eq!(format!("{redacted:?}"), "RedactedPairs(redacted)");
}

#[test]
fn a_rejection_shows_its_reason_and_its_detail() {
    let rejection = Rejection::new(RejectionKind::TokenExpired, "over since a minute")
        .with_source(std::io::Error::other("behind it"));
    assert_eq!(rejection.to_string(), "token_expired: over since a minute");
    let shown = format!("{rejection:?}");
    for part in [
        "Rejection { kind: TokenExpired",
        "over since a minute",
        "behind it",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn a_violated_clause_of_the_handshake_has_a_message() {
    use tower_ws_auth_core::handshake::HandshakeError;
    let texts = [HandshakeError::Method, HandshakeError::Version].map(|it| it.to_string());
    assert!(
        texts[0] != texts[1] && texts.iter().all(|it| it.len() > 10),
        "{texts:?}"
    );
}

#[tokio::test]
async fn a_connection_says_its_keys_and_its_reason() {
    let revocations = revocations();
    let validity = Grant::new(User("ada"))
        .revocable_by("user:ada")
        .into_parts()
        .1;
    let watch = revocations.watch(&validity).await.unwrap();
    let store = MemoryRevocations::new(Duration::from_secs(60), 9);
    let shown = format!("{store:?}");
    assert_eq!(
        shown,
        "MemoryRevocations { retention: 60s, max_keys: 9, .. }"
    );
    let shown = format!("{revocations:?}");
    assert!(
        shown.starts_with("Revocations { registry: Registry { keys: 1"),
        "{shown}"
    );
    watch.connection().end(&DisconnectReason::GoingAway);
    let shown = format!("{:?}", watch.connection());
    for part in [
        "Connection { id: 0, keys: [\"user:ada\"]",
        "reason: Some(GoingAway)",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    assert_eq!(DisconnectReason::GoingAway.to_string(), "going_away");
}
