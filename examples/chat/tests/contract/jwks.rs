//! `--jwks-url`: keys by their `kid`, beside the secret.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::{Value, json};
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, SigningKey};

use crate::peer::{connect, next, now, refusal, start, token_of};

struct Issuer {
    address: SocketAddr,
    set: Arc<Mutex<Vec<Value>>>,
}

impl Issuer {
    async fn start() -> Self {
        let set = Arc::new(Mutex::new(Vec::new()));
        let served = Arc::clone(&set);
        let app = Router::new().route(
            "/jwks",
            get(async move || axum::Json(json!({ "keys": *served.lock().unwrap() }))),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, set }
    }

    /// A new key, published or not.
    fn key(&self, kid: &str, published: bool) -> JwtEncoder {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let point = &pair.der_bytes()[1..];
        let [x, y] = [&point[..32], &point[32..]].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        if published {
            let key = json!({ "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256",
                              "use": "sig", "x": x, "y": y });
            self.set.lock().unwrap().push(key);
        }
        let key = SigningKey::from_pem(Algorithm::ES256, pair.serialize_pem()).unwrap();
        JwtEncoder::new(key.with_kid(kid).unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }
}

fn token(key: &JwtEncoder) -> String {
    key.encode(&json!({ "sub": "ada", "exp": now() + 60 }))
        .unwrap()
}

#[tokio::test]
async fn published_keys_and_the_secret_open_a_socket_and_no_other_key_does() {
    let issuer = Issuer::start().await;
    let (one, other) = (issuer.key("one", true), issuer.key("other", true));
    let hidden = issuer.key("hidden", false);
    let forged = issuer.key("one", false);
    let address = start(&["--jwks-url", &issuer.url()]).await;
    for token in [token(&one), token(&other), token_of("ada")] {
        let mut socket = connect(address, &format!("jwt?token={token}"), &[])
            .await
            .unwrap();
        assert_eq!(next(&mut socket).await["user"], "ada");
    }
    // A `kid` that nobody knows may have been published a moment ago.
    for (token, refused) in [
        (token(&hidden), (503, "unavailable".to_owned())),
        (token(&forged), (401, "token_invalid".to_owned())),
    ] {
        let opened = connect(address, &format!("jwt?token={token}"), &[]).await;
        assert_eq!(refusal(opened).await, refused);
    }
}

#[tokio::test]
async fn without_the_set_its_tokens_are_unavailable_and_those_of_the_secret_are_good() {
    let issuer = Issuer::start().await;
    let key = issuer.key("one", true);
    let nobody = "http://127.0.0.1:9/jwks";
    let address = start(&["--jwks-url", nobody]).await;
    let refused = connect(address, &format!("jwt?token={}", token(&key)), &[]).await;
    assert_eq!(refusal(refused).await, (503, "unavailable".to_owned()));
    connect(address, &format!("jwt?token={}", token_of("ada")), &[])
        .await
        .unwrap();
}
