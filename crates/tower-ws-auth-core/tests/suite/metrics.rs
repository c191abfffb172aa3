//! The metrics, for any recorder that the program has installed.

use std::future::{Ready, ready};
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use test_support::Counts;
use tower::{Layer, ServiceExt, service_fn};
use tower_ws_auth_core::credential::{Carriers, Credential};
use tower_ws_auth_core::{
    AuthLayer, Authenticate, AuthenticateExt, DisconnectReason, Grant, MemoryRevocations,
    Rejection, RejectionKind, Revocations, telemetry,
};

/// Accepts `good` under its own query key.
struct Named(&'static str);

impl Authenticate for Named {
    type Credential = Credential;
    type Verified = ();
    type Identity = ();
    type Future = Ready<Result<Grant<()>, Rejection>>;

    fn name(&self) -> &'static str {
        self.0
    }

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        let carriers = Carriers::builder().query(self.0).build().unwrap();
        carriers.take(head)
    }

    fn verify(&self, credential: Credential, _head: &Parts) -> Self::Future {
        ready(match credential.as_str() {
            "good" => Ok(Grant::new(())),
            _ => Err(Rejection::new(RejectionKind::TokenInvalid, "")),
        })
    }

    fn admit(&self, (): (), _head: &Parts) -> Result<(), Rejection> {
        Ok(())
    }
}

#[test]
fn every_decision_is_counted_once_for_the_strategy_that_decided() {
    let layer = AuthLayer::new(Named("a").or(Named("b"))).any_request();
    let recorded = Counts::during(|| {
        for query in [
            "a=good",
            "b=good",
            "b=good",
            "b=bad",
            "a=",
            "a=good&b=good",
            "",
        ] {
            let service = layer.layer(service_fn(async |_: Request<()>| {
                Ok::<_, std::io::Error>(Response::new(()))
            }));
            let request = Request::get(format!("/ws?{query}")).body(()).unwrap();
            tokio_test::block_on(service.oneshot(request)).unwrap();
        }
    });
    let recorded: Vec<_> = recorded.iter().map(|(name, n)| (&**name, *n)).collect();
    assert_eq!(
        recorded,
        [
            ("ws_auth_decision_seconds strategy=a", 2.0),
            ("ws_auth_decision_seconds strategy=any_of", 2.0),
            ("ws_auth_decision_seconds strategy=b", 3.0),
            (
                "ws_auth_decisions_total strategy=a outcome=accepted kind=none",
                1.0
            ),
            (
                "ws_auth_decisions_total strategy=a outcome=refused kind=credentials_malformed",
                1.0
            ),
            (
                "ws_auth_decisions_total strategy=any_of outcome=refused kind=credentials_malformed",
                1.0
            ),
            (
                "ws_auth_decisions_total strategy=any_of outcome=refused kind=credentials_missing",
                1.0
            ),
            (
                "ws_auth_decisions_total strategy=b outcome=accepted kind=none",
                2.0
            ),
            (
                "ws_auth_decisions_total strategy=b outcome=refused kind=token_invalid",
                1.0
            ),
        ]
    );
}

#[test]
fn a_revocation_is_counted_and_an_applications_own_reason_is_no_label() {
    let own = DisconnectReason::application(4999, "user 17 was rude").unwrap();
    let recorded = Counts::during(|| {
        let revocations = Revocations::new(MemoryRevocations::new(Duration::from_secs(60), 10));
        for reason in [DisconnectReason::Revoked, own] {
            tokio_test::block_on(revocations.revoke("user:ada", reason)).unwrap();
        }
    });
    let names: Vec<_> = recorded.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        names,
        [
            "ws_auth_revocations_total reason=application",
            "ws_auth_revocations_total reason=revoked",
        ]
    );
}

#[test]
fn a_recorder_can_get_the_description_of_each() {
    let described = Counts::during(telemetry::describe);
    let texts = described.iter().filter(|(name, _)| name.starts_with("# "));
    assert_eq!(texts.count(), 7, "{described:?}");
    // No series at all would read as no scrape.
    assert!(described.contains(&("ws_auth_leases".to_owned(), 0.0)));
}
