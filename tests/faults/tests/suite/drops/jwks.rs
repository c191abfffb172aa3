//! Handshakes that wait for keys to be fetched.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};
use test_support::settle;
use tokio::runtime::Handle;
use tower::{Layer, Service};
use tower_ws_auth::AuthLayer;
use tower_ws_auth::jwt::{Algorithm, Document, FetchError, Jwks, Jwt, JwtEncoder, SigningKey};

use super::inner::{Inner, SERVICE_WAITS, handshake, refused_as};
use super::steps::{everywhere, polled};

const ISSUER: &str = "https://issuer.example";

/// A key as its issuer publishes it, and a token of its.
fn issuer() -> (String, String) {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key_raw());
    let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x }] });
    let key = SigningKey::from_der(Algorithm::EdDSA, pair.serialize_der()).unwrap();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let claims = json!({ "sub": "ada", "iss": ISSUER, "exp": since.as_secs() + 3600 });
    let token = JwtEncoder::new(key.with_kid("1").unwrap()).encode(&claims);
    (set.to_string(), token.unwrap())
}

const FETCH: Duration = Duration::from_secs(1);

/// Keys that come after a second.
fn jwks(set: &str, fetches: &Arc<AtomicUsize>) -> Jwks {
    let (set, fetches) = (set.to_owned(), Arc::clone(fetches));
    Jwks::builder("https://issuer.example/jwks")
        .issuer(ISSUER)
        .fetch(move |_| {
            fetches.fetch_add(1, Ordering::SeqCst);
            let set = set.clone();
            async move {
                tokio::time::sleep(FETCH).await;
                Ok::<_, FetchError>(Document::new(set))
            }
        })
        .start()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_dropped_takes_no_fetch_with_it() {
    let (set, token) = issuer();
    let uri = format!("/ws?token={token}");
    let places = everywhere(async |polls| {
        let fetches = Arc::default();
        let jwks = jwks(&set, &fetches);
        let jwt = Jwt::<Value>::builder(jwks).build().unwrap();
        let inner = Inner::default();
        let mut service = AuthLayer::new(jwt).layer(inner.service());
        let first = polled(service.call(handshake(&uri)), polls).await;
        let called = inner.calls();
        assert_eq!(called, usize::from(polls > 1));
        let second = service.call(handshake(&uri)).await.unwrap();
        assert_eq!((refused_as(&second), inner.calls()), (None, called + 1));
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
        first.is_some()
    })
    .await;
    assert_eq!(places, 1 + SERVICE_WAITS);
}

#[tokio::test(start_paused = true)]
async fn clients_that_leave_give_their_places_in_the_queue_back() {
    let (set, token) = issuer();
    let uri = format!("/ws?token={token}");
    let jwt = Jwt::<Value>::builder(jwks(&set, &Arc::default())).build();
    let inner = Inner::default();
    let mut service = AuthLayer::new(jwt.unwrap()).layer(inner.service());
    // More than may wait.
    for _ in 0..5000 {
        let waiting = service.call(handshake(&uri));
        assert!(polled(waiting, 0).await.is_none());
    }
    let last = service.call(handshake(&uri)).await.unwrap();
    assert_eq!((refused_as(&last), inner.calls()), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn with_the_last_handle_the_fetch_is_dropped_too() {
    let (set, token) = issuer();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for polls in 0..3 {
        let fetches = Arc::default();
        let jwt = Jwt::<Value>::builder(jwks(&set, &fetches)).build().unwrap();
        settle().await;
        assert_eq!((fetches.load(Ordering::SeqCst), tasks()), (1, before + 2));
        let mut service = AuthLayer::new(jwt).layer(Inner::default().service());
        let waiting = service.call(handshake(&format!("/ws?token={token}")));
        drop(polled(waiting, polls).await);
        drop(service);
        settle().await;
        assert_eq!(tasks(), before);
    }
}
