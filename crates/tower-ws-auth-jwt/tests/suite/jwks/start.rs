//! A wrong configuration does not start.

use std::time::Duration;

use tower_ws_auth_jwt::{Algorithm, Jwks, JwksBuilder, JwksError};

use super::server::patient;

fn builder() -> JwksBuilder {
    patient(Jwks::builder("https://issuer.example/jwks"))
}

#[tokio::test]
async fn plain_http_needs_its_frightening_name() {
    for url in [
        "http://issuer.example/jwks",
        "http://192.168.0.1/",
        "jwks",
        "",
    ] {
        let error = Jwks::builder(url).start().unwrap_err();
        assert!(matches!(error, JwksError::Url(..)), "{url}");
        let error = Jwks::discover(url).start().unwrap_err();
        assert!(
            matches!(error, JwksError::Url(..) | JwksError::Issuer),
            "{url}"
        );
    }
    let jwks = Jwks::builder("http://issuer.example/jwks").dangerous_plain_http();
    assert!(jwks.start().is_ok());
}

#[tokio::test]
async fn limits_that_nothing_keeps_to_do_not_start() {
    let zero = Duration::ZERO;
    for (setter, builder) in [
        ("refresh", builder().refresh(zero)),
        ("cooldown", builder().cooldown(zero)),
        ("timeout", builder().timeout(zero)),
        ("wait", builder().wait(zero)),
        ("max_bytes", builder().max_bytes(0)),
        ("max_keys", builder().max_keys(0)),
    ] {
        let error = builder.start().unwrap_err();
        assert!(matches!(error, JwksError::Zero(name) if name == setter));
    }
    let stale = builder().max_stale(Duration::from_secs(1)).start();
    assert!(matches!(stale.unwrap_err(), JwksError::MaxStale));
}

#[tokio::test]
async fn algorithms_are_those_with_a_public_key() {
    for builder in [
        builder().algorithms([]),
        builder().algorithms([Algorithm::RS256, Algorithm::HS256]),
        builder().rsa_algorithm(Algorithm::ES256),
        builder().rsa_algorithm(Algorithm::HS256),
    ] {
        let error = builder.start().unwrap_err();
        assert!(matches!(error, JwksError::Algorithms(..)), "{error}");
    }
}

#[tokio::test]
async fn an_issuer_is_named_once() {
    for builder in [
        builder().issuer(""),
        Jwks::discover("https://issuer.example").issuer("https://other.example"),
    ] {
        assert!(matches!(builder.start().unwrap_err(), JwksError::Issuer));
    }
}

#[test]
fn without_a_runtime_there_is_nobody_to_fetch() {
    assert!(matches!(
        builder().start().unwrap_err(),
        JwksError::NoRuntime
    ));
}

#[tokio::test]
async fn debug_output_shows_the_issuer_the_limits_and_the_keys() {
    let builder = Jwks::builder("https://a.example/jwks?key=canary").issuer("https://a.example");
    let shown = format!("{builder:?}");
    assert!(
        shown.starts_with("JwksBuilder { issuer: Some(\"https://a.example\")"),
        "{shown}"
    );
    for part in [
        "bytes: 262144",
        "keys: 100",
        "refresh: 600s",
        "max_stale: 86400s",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    let jwks = builder.refresh(HOUR).max_stale(HOUR).start().unwrap();
    let shown = format!("{jwks:?}");
    assert!(
        shown.starts_with("Jwks { issuer: Some(\"https://a.example\"), age: None"),
        "{shown}"
    );
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
