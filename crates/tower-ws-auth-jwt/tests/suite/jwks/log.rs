//! What the log says about fetches, and what it does not.

use test_support::Log;
use tower_ws_auth_jwt::Jwks;

use super::keys::{Pair, set};
use super::server::{Reply, Server, jwt, patient, verdict};

// One thread, so that the subscriber sees the task as well.
#[tokio::test(flavor = "current_thread")]
async fn left_out_keys_and_failures_are_logged_without_queries_and_keys() {
    let log = Log::capture();
    let secret = "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2E";
    let oct = format!(r#"{{"kty":"oct","kid":"known\ncanvas","alg":"HS256","k":"{secret}"}}"#);
    let server = Server::publishing(set([oct, Pair::P256.jwk("a")])).await;
    let jwks = patient(Jwks::builder(server.url("/jwks?key=canary")));
    let jwks = jwks.start().unwrap();
    assert_eq!(
        verdict(&jwt(jwks.clone()), &Pair::P256.token("a")).await,
        "accepted"
    );
    server.publish("/broken", Reply::Status(500));
    let broken = patient(Jwks::builder(server.url("/broken?key=canary")));
    let broken = broken.start().unwrap();
    let _ = verdict(&jwt(broken.clone()), &Pair::P256.token("a")).await;
    let closed = patient(Jwks::builder("http://127.0.0.1:9/closed?key=canary"));
    let _ = verdict(&jwt(closed.start().unwrap()), &Pair::P256.token("a")).await;
    server.publish("/moved", Reply::Redirect(server.url("/jwks")));
    let moved = patient(Jwks::builder(server.url("/moved")));
    let _ = verdict(&jwt(moved.start().unwrap()), &Pair::P256.token("a")).await;
    let gone = patient(Jwks::discover("http://127.0.0.1:9"));
    let _ = verdict(&jwt(gone.start().unwrap()), &Pair::P256.token("a")).await;

    let text = log.text();
    let ours: Vec<_> = text
        .lines()
        .filter(|line| line.contains("tower_ws_auth"))
        .collect();
    let said = |level: &str, words: &str| {
        ours.iter()
            .any(|line| line.contains(level) && line.contains(words))
    };
    assert!(said("INFO", "a shared secret is no public key"), "{text}");
    assert!(said("INFO", r#"kid=Some("known\ncanvas")"#), "{text}");
    assert!(said("INFO", "/jwks"), "{text}");
    assert!(said("WARN", "/broken"), "{text}");
    assert!(said("WARN", "/closed"), "{text}");
    assert!(said("INFO", "keys=1"), "{text}");
    assert!(said("WARN", "the answer is 500"), "{text}");
    assert!(said("WARN", "the answer is a redirect"), "{text}");
    assert!(said("WARN", "/.well-known/openid-configuration"), "{text}");
    // Nor do the lines of the HTTP client show more.
    assert!(text.lines().count() > ours.len());
    assert!(!text.contains("canary") && !text.contains(secret), "{text}");
    for shown in [format!("{jwks:?}"), format!("{broken:?}")] {
        assert!(
            !shown.contains("canary") && !shown.contains("EsCzPEoC"),
            "{shown}"
        );
    }
}
