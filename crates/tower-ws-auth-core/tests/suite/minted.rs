//! The validity that a credential minted for a grant inherits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use http::request::Parts;
use tower_ws_auth_core::{AuthLayer, Clock, Grant, Rejection, RevocationKey, Validity};

use crate::support::{Inner, User, handshake, send};

/// When the request comes, and how long the strategy takes to decide about it, in seconds.
const NOW: u64 = 1_000;
const TAKES: u64 = 10;

/// The validity that a handler finds after this grant.
async fn found(grant: Grant<User>) -> Validity {
    let time = Arc::new(AtomicU64::new(NOW));
    let passing = Arc::clone(&time);
    let strategy = move |_: &mut Parts| {
        let (grant, time) = (grant.clone(), Arc::clone(&passing));
        async move {
            tokio::task::yield_now().await;
            time.fetch_add(TAKES, Ordering::SeqCst);
            Ok::<_, Rejection>(grant)
        }
    };
    let clock = Clock::from_fn(move || Clock::at(time.load(Ordering::SeqCst)));
    let layer = AuthLayer::new(strategy).clock(clock);
    let inner = Inner::new();
    send(&layer, &inner, handshake("/ws")).await;
    inner.head().extensions.get::<Validity>().unwrap().clone()
}

async fn age(grant: Grant<User>) -> Option<SystemTime> {
    found(grant).await.issued_at()
}

#[tokio::test]
async fn is_as_old_as_the_credential_and_no_younger_than_the_beginning_of_the_decision() {
    let grant = || Grant::new(User("ada")).revocable_by("user:ada");
    for (issued, handed_on) in [(1, 1), (NOW, NOW), (NOW + 1, NOW), (NOW + TAKES, NOW)] {
        let grant = grant().issued_at(Clock::at(issued));
        assert_eq!(age(grant).await, Some(Clock::at(handed_on)), "{issued}");
    }
    // A grant without a time of issue may be older than any revocation of a key.
    assert_eq!(age(grant()).await, None);
    // A grant without keys cannot be revoked, so only the decision has an age.
    assert_eq!(age(Grant::new(User("ada"))).await, Some(Clock::at(NOW)));
}

#[tokio::test]
async fn has_the_end_and_the_keys_of_the_grant() {
    let grant = Grant::new(User("ada"))
        .until(Clock::at(5_000))
        .revocable_by("user:ada")
        .revocable_by(RevocationKey::from("session:1").into_final());
    let keys = grant.validity().revocation_keys().to_vec();
    let validity = found(grant).await;
    assert_eq!(validity.end(), Some(Clock::at(5_000)));
    assert_eq!(validity.revocation_keys(), keys);
}

#[test]
fn limits_another_grant() {
    let validity = Validity::since(Clock::at(100))
        .until(Clock::at(500))
        .revocable_by("user:ada");
    let minted = |grant: Grant<()>| grant.inherit(&validity).validity().clone();
    let young = minted(
        Grant::new(())
            .issued_at(Clock::at(200))
            .until(Clock::at(900)),
    );
    assert_eq!(young.issued_at(), Some(Clock::at(100)));
    assert_eq!(young.end(), Some(Clock::at(500)));
    let old = minted(
        Grant::new(())
            .issued_at(Clock::at(50))
            .until(Clock::at(400)),
    );
    assert_eq!(old.issued_at(), Some(Clock::at(50)));
    assert_eq!(old.end(), Some(Clock::at(400)));
    let silent = minted(Grant::new(()).revocable_by("room:1"));
    assert_eq!(silent.issued_at(), Some(Clock::at(100)));
    assert_eq!(silent.end(), Some(Clock::at(500)));
    let keys: Vec<_> = silent
        .revocation_keys()
        .iter()
        .map(RevocationKey::name)
        .collect();
    assert_eq!(keys, ["room:1", "user:ada"]);
    let unknown = Grant::new(()).issued_at(Clock::at(200));
    let unknown = unknown.inherit(&Validity::of_unknown_age());
    assert_eq!(unknown.validity().issued_at(), None);
}

#[cfg(feature = "axum")]
mod by_axum {
    use super::*;
    use axum::extract::FromRequestParts;
    use axum::response::IntoResponse;
    use http::{Request, StatusCode};

    #[tokio::test]
    async fn is_an_argument_of_a_handler_that_is_guarded_and_500_elsewhere() {
        let (mut head, ()) = Request::new(()).into_parts();
        let missing =
            <Option<Validity> as FromRequestParts<()>>::from_request_parts(&mut head, &()).await;
        assert_eq!(missing, Ok(None));
        let missing = <Validity as FromRequestParts<()>>::from_request_parts(&mut head, &()).await;
        let response = missing.unwrap_err().into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let grant = Grant::new(User("ada")).issued_at(Clock::at(7));
        head.extensions.insert(found(grant).await);
        let validity = <Validity as FromRequestParts<()>>::from_request_parts(&mut head, &())
            .await
            .unwrap();
        let optional =
            <Option<Validity> as FromRequestParts<()>>::from_request_parts(&mut head, &()).await;
        assert_eq!(optional, Ok(Some(validity.clone())));
        assert_eq!(validity.issued_at(), Some(Clock::at(7)));
    }
}
