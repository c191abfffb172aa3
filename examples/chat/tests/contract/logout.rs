//! `/backchannel-logout`: a logout at the provider of `--oidc-issuer`.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::{Value, json};
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, SigningKey};

use crate::peer::{Socket, close_of, connect, next, now, post, refusal, say, start};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A provider that publishes its key, and signs.
struct Provider {
    issuer: String,
    encoder: JwtEncoder,
}

impl Provider {
    async fn start() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let point = &pair.der_bytes()[1..];
        let [x, y] = [&point[..32], &point[32..]].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        let set = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256",
                                     "use": "sig", "x": x, "y": y }] });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let found = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks") });
        let app = Router::new()
            .route("/jwks", get(async move || axum::Json(set)))
            .route(
                "/.well-known/openid-configuration",
                get(async move || axum::Json(found)),
            );
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let key = SigningKey::from_pem(Algorithm::ES256, pair.serialize_pem()).unwrap();
        Self {
            issuer,
            encoder: JwtEncoder::new(key.with_kid("1").unwrap()),
        }
    }

    /// A chat that trusts it.
    async fn chat(&self) -> SocketAddr {
        start(&["--oidc-issuer", &self.issuer, "--jwt-audience", "chat"]).await
    }

    fn token(&self, user: &str, sid: &str) -> String {
        let now = now();
        let claims = json!({ "iss": self.issuer, "aud": "chat", "sub": user, "sid": sid,
                             "iat": now - 1, "exp": now + 600 });
        self.encoder.encode(&claims).unwrap()
    }

    async fn open(&self, chat: SocketAddr, user: &str, sid: &str) -> Socket {
        let query = format!("jwt?token={}", self.token(user, sid));
        let mut socket = connect(chat, &query, &[]).await.unwrap();
        assert_eq!(next(&mut socket).await["user"], user);
        socket
    }

    async fn log_out(&self, chat: SocketAddr, jti: &str, of: &Value) -> u16 {
        let now = now();
        let mut claims = json!({ "iss": self.issuer, "aud": "chat", "iat": now, "exp": now + 120,
                                 "jti": jti, "events": { EVENT: {} } });
        for (name, value) in of.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let token = self.encoder.encode(&claims).unwrap();
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let body = format!("logout_token={token}");
        post(chat, "/backchannel-logout", &form, &body).await.status
    }
}

async fn is_open(socket: &mut Socket) {
    say(socket, &json!({ "type": "join", "channel": "lobby" })).await;
    assert_eq!(next(socket).await["type"], "joined");
}

#[tokio::test]
async fn a_logout_at_the_provider_ends_its_session_and_no_other() {
    let provider = Provider::start().await;
    let chat = provider.chat().await;
    let one = provider.open(chat, "ada", "s1").await;
    let mut other = provider.open(chat, "ada", "s2").await;
    let of = json!({ "sub": "ada", "sid": "s1" });
    assert_eq!(provider.log_out(chat, "1", &of).await, 200);
    assert_eq!(close_of(one).await, (4401, "session_ended".to_owned()));
    is_open(&mut other).await;
    // Its token opens nothing any more.
    let query = format!("jwt?token={}", provider.token("ada", "s1"));
    let refused = refusal(connect(chat, &query, &[]).await).await;
    assert_eq!(refused, (401, "token_invalid".to_owned()));
    // The same token again, and a forged one.
    assert_eq!(provider.log_out(chat, "1", &of).await, 400);
    let nonce = json!({ "sub": "ada", "sid": "s2", "nonce": "n" });
    assert_eq!(provider.log_out(chat, "2", &nonce).await, 400);
    is_open(&mut other).await;
}

#[tokio::test]
async fn without_a_session_all_of_the_user_end() {
    let provider = Provider::start().await;
    let chat = provider.chat().await;
    let sockets = [
        provider.open(chat, "ada", "s1").await,
        provider.open(chat, "ada", "s2").await,
    ];
    let mut eve = provider.open(chat, "eve", "s3").await;
    let of = json!({ "sub": "ada" });
    assert_eq!(provider.log_out(chat, "1", &of).await, 200);
    for socket in sockets {
        assert_eq!(close_of(socket).await, (4401, "session_ended".to_owned()));
    }
    is_open(&mut eve).await;
}

#[tokio::test]
async fn without_a_provider_there_is_no_such_path() {
    let chat = start(&[]).await;
    assert_eq!(post(chat, "/backchannel-logout", &[], "").await.status, 404);
}
