use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::{Value, json};
use test_support::now;
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, SigningKey};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// An OpenID provider that publishes its key, and signs for the client `chat`.
#[derive(Debug)]
pub struct Provider {
    /// The name of the issuer.
    pub issuer: String,
    encoder: JwtEncoder,
}

impl Provider {
    /// Starts one on loopback.
    ///
    /// # Panics
    ///
    /// There is no free port.
    #[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    pub async fn start() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let point = &pair.der_bytes()[1..];
        let [x, y] = [&point[..32], &point[32..]].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        let set = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256",
                                     "use": "sig", "x": x, "y": y }] });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let found = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks") });
        let app = Router::new()
            .route("/jwks", get(async move || set.to_string()))
            .route(
                "/.well-known/openid-configuration",
                get(async move || found.to_string()),
            );
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let key = SigningKey::from_pem(Algorithm::ES256, pair.serialize_pem()).unwrap();
        Self {
            issuer,
            encoder: JwtEncoder::new(key.with_kid("1").unwrap()),
        }
    }

    /// A token of ten minutes.
    pub fn token(&self, user: &str, sid: &str) -> String {
        let now = now();
        let claims = json!({ "iss": self.issuer, "aud": "chat", "sub": user, "sid": sid,
                             "iat": now - 1, "exp": now + 600 });
        self.encoder.encode(&claims).unwrap_or_default()
    }

    /// The body of a logout request. `of` has the claims that say whose logout it is.
    pub fn logout(&self, jti: &str, of: &Value) -> String {
        let now = now();
        let mut claims = json!({ "iss": self.issuer, "aud": "chat", "iat": now, "exp": now + 120,
                                 "jti": jti, "events": { EVENT: {} } });
        for (name, value) in of.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let token = self.encoder.encode(&claims).unwrap_or_default();
        format!("logout_token={token}")
    }

    /// The body of a `session-revoked` event of the Shared Signals Framework.
    pub fn event(&self, jti: &str, subject: &Value) -> String {
        let revoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
        let claims = json!({ "iss": self.issuer, "aud": "chat", "iat": now(), "jti": jti,
                             "sub_id": subject, "events": { revoked: {} } });
        let encoder = self.encoder.clone().typ("secevent+jwt");
        encoder.encode(&claims).unwrap_or_default()
    }
}
