//! `OpenID` Connect Back-Channel Logout 1.0: a provider on loopback publishes its keys, signs logout
//! tokens and posts them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::routing::any_service;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_ws_auth_core::revocation::{
    Recorded, Revocation, RevocationKey, RevocationStore, StoreError,
};
use tower_ws_auth_core::{BoxFuture, Clock, Grant, MemoryRevocations, Revocations};
use tower_ws_auth_jwt::{
    BackchannelLogout, BackchannelLogoutBuilder, ConfigError, Jwks, JwtEncoder, Key, LogoutToken,
    SigningKey,
};
use tower_ws_auth_ticket::{MemoryTickets, ReplayStore, TicketKey};

use super::keys::{Pair, b64, set};
use super::server::{Hands, Reply, Server, patient};

pub(super) const NOW: u64 = 1_700_000_000;
pub(super) const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A provider, the endpoint of an application, and what that one has revoked.
pub(super) struct World {
    pub(super) provider: Server,
    endpoint: SocketAddr,
    revocations: Revocations,
    pub(super) hands: Hands,
}

pub(super) fn memory() -> MemoryTickets {
    MemoryTickets::builder().max_ttl(HOUR).build().unwrap()
}

/// `sid` where there is one, and else `sub`.
fn keys(logout: &LogoutToken) -> Vec<String> {
    let LogoutToken {
        issuer,
        subject,
        session,
        email,
        ..
    } = logout;
    if let Some(email) = email {
        return vec![format!("email:{issuer}:{email}")];
    }
    match (session, subject) {
        (Some(sid), _) => vec![format!("sid:{issuer}:{sid}")],
        (None, Some(sub)) => vec![format!("sub:{issuer}:{sub}")],
        (None, None) => Vec::new(),
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(memory(), MemoryRevocations::new(HOUR, 1000), |builder| {
            builder
        })
        .await
    }

    pub(super) async fn with(
        store: impl ReplayStore + 'static,
        revocations: impl RevocationStore + 'static,
        configure: impl FnOnce(BackchannelLogoutBuilder) -> BackchannelLogoutBuilder,
    ) -> Self {
        let provider = Server::publishing(set([Pair::Rsa.jwk("a"), Pair::P256.jwk("e")])).await;
        let issuer = provider.url("");
        let configuration = json!({ "issuer": issuer, "jwks_uri": provider.url("/jwks") });
        let configuration = Reply::Text(configuration.to_string());
        provider.publish("/.well-known/openid-configuration", configuration);
        let hands = Hands::default();
        let revocations = Revocations::builder(revocations)
            .clock(hands.clock())
            .build();
        let jwks = patient(Jwks::discover(&issuer)).start().unwrap();
        let service = BackchannelLogout::builder("chat")
            .provider(issuer, jwks)
            .clock(hands.clock());
        let service = configure(service);
        let service = service.build(store, revocations.clone(), keys).unwrap();
        let app = axum::Router::new().route("/backchannel-logout", any_service(service));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            provider,
            endpoint,
            revocations,
            hands,
        }
    }

    /// The claims of a good token with this `jti`.
    pub(super) fn claims(&self, jti: &str) -> Value {
        json!({
            "iss": self.provider.url(""), "aud": "chat", "iat": NOW, "exp": NOW + 120, "jti": jti,
            "sub": "ada", "sid": "s1", "events": { EVENT: {} },
        })
    }

    async fn post(&self, token: &str) -> u16 {
        let (status, body) = self
            .send("POST", FORM, &format!("logout_token={token}"))
            .await;
        let expected = if status == 200 {
            ""
        } else {
            r#"{"error":"invalid_request"}"#
        };
        assert_eq!(body, expected);
        status
    }

    pub(super) async fn send(&self, method: &str, kind: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let request = format!(
            "{method} /backchannel-logout HTTP/1.1\r\nhost: chat\r\nconnection: close\r\n\
             content-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(self.endpoint).await.unwrap();
        // An answer may come before the end of a body that is too long.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.to_lowercase().contains("cache-control: no-store"),
            "{head}"
        );
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Whether a credential of this key that was issued now is revoked.
    pub(super) async fn is_revoked(&self, key: &str) -> bool {
        self.is_revoked_at(key, NOW).await
    }

    /// The same for a credential of then.
    pub(super) async fn is_revoked_at(&self, key: &str, issued: u64) -> bool {
        let key = key.replace("$ISS", &self.provider.url(""));
        let grant = Grant::new(())
            .issued_at(Clock::at(issued))
            .revocable_by(key);
        self.revocations.is_revoked(grant.validity()).await.unwrap()
    }
}

pub(super) const FORM: &str = "application/x-www-form-urlencoded";

pub(super) fn typed(typ: &str, claims: &Value) -> String {
    let encoder = JwtEncoder::new(Pair::Rsa.signing().with_kid("a").unwrap());
    encoder.typ(typ).encode(claims).unwrap()
}

fn signed(claims: &Value) -> String {
    typed("logout+jwt", claims)
}

#[tokio::test]
async fn a_logout_token_revokes_its_session_or_else_its_user() {
    let world = World::new().await;
    assert!(!world.is_revoked("sid:$ISS:s1").await);
    assert_eq!(world.post(&signed(&world.claims("1"))).await, 200);
    assert!(world.is_revoked("sid:$ISS:s1").await);
    assert!(!world.is_revoked("sub:$ISS:ada").await);
    let mut claims = world.claims("2");
    claims.as_object_mut().unwrap().remove("sid");
    assert_eq!(world.post(&signed(&claims)).await, 200);
    assert!(world.is_revoked("sub:$ISS:ada").await);
}

#[tokio::test]
async fn the_tokens_of_known_providers_are_read() {
    for (text, sid) in [
        (
            include_str!("../../data/logout/keycloak.json"),
            "08a5019c-17e1-4977-8f42-65a12843ea02",
        ),
        (
            include_str!("../../data/logout/keycloak-21.json"),
            "08a5019c-17e1-4977-8f42-65a12843ea02",
        ),
        (
            include_str!("../../data/logout/auth0.json"),
            "MqUMBOjdHvrFUqVXqVVYVaVgVgVbGYRI",
        ),
        (
            include_str!("../../data/logout/zitadel.json"),
            "V1_280946012345678902",
        ),
        (
            include_str!("../../data/logout/entra.json"),
            "0e1f3f9a-9a5e-4d0e-8a7a-2f0b6f8f4c11",
        ),
        (
            include_str!("../../data/logout/standard.json"),
            "08a5019c-17e1-4977-8f42-65a12843ea02",
        ),
    ] {
        let world = World::new().await;
        let text = text
            .replace("$NOW", &NOW.to_string())
            .replace("$SOON", &(NOW + 120).to_string())
            .replace("$ISS", &world.provider.url(""));
        let token: Value = serde_json::from_str(&text).unwrap();
        let token = sign_as_is(&token["header"], &token["claims"]);
        assert_eq!(world.post(&token).await, 200, "{text}");
        assert!(world.is_revoked(&format!("sid:$ISS:{sid}")).await, "{text}");
    }
}

/// With exactly this header: an encoder writes its own.
pub(super) fn sign_as_is(header: &Value, claims: &Value) -> String {
    #[cfg(feature = "aws-lc-rs")]
    use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
    #[cfg(not(feature = "aws-lc-rs"))]
    use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;

    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let pem = include_bytes!("../../data/rsa-2048.pem");
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(pem).unwrap();
    let algorithm = jsonwebtoken::Algorithm::RS256;
    let signer = (DEFAULT_PROVIDER.signer_factory)(&algorithm, &key).unwrap();
    let signature = signer.sign(message.as_bytes());
    format!("{message}.{}", b64(signature))
}

#[tokio::test]
async fn a_token_is_used_once() {
    let world = World::new().await;
    let token = signed(&world.claims("1"));
    assert_eq!(world.post(&token).await, 200);
    assert_eq!(world.post(&token).await, 400);
    // The id counts, not the text.
    let mut claims = world.claims("1");
    claims["exp"] = json!(NOW + 100);
    assert_eq!(world.post(&signed(&claims)).await, 400);
    assert_eq!(world.post(&signed(&world.claims("2"))).await, 200);
}

#[tokio::test]
async fn what_is_no_logout_token_revokes_nothing() {
    let world = World::new().await;
    let good = world.claims("1");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |names: &[&str]| {
        let mut claims = good.clone();
        for name in names {
            claims.as_object_mut().unwrap().remove(*name);
        }
        claims
    };
    let bad = [
        // An ID token: no event; and one with an event, but with a nonce.
        without(&["events"]),
        with("nonce", json!("n-0S6_WzA2Mj")),
        with("nonce", Value::Null),
        with("events", json!({})),
        with("events", json!([EVENT])),
        with("events", json!({ EVENT: true })),
        with(
            "events",
            json!({ "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {} }),
        ),
        // Neither `sid` nor `sub`.
        without(&["sid", "sub"]),
        with("sid", json!(7)),
        with("sid", json!("")),
        with("sub", json!("a".repeat(256))),
        without(&["jti"]),
        with("jti", json!("")),
        // Another issuer, another application.
        with("iss", json!("https://other.example")),
        without(&["iss"]),
        with("aud", json!("mail")),
        without(&["aud"]),
        // Too old, expired, or of the future.
        without(&["iat"]),
        with("iat", json!(NOW - 361)),
        with("exp", json!(NOW - 60)),
        with("iat", json!(NOW + 61)),
    ];
    for claims in bad {
        assert_eq!(world.post(&signed(&claims)).await, 400, "{claims}");
    }
    // Of another type.
    for typ in ["at+jwt", "secevent+jwt", "dpop+jwt"] {
        assert_eq!(world.post(&typed(typ, &good)).await, 400, "{typ}");
    }
    // Signed with another key, or with none.
    let stranger = JwtEncoder::new(Pair::P256.signing().with_kid("a").unwrap());
    assert_eq!(world.post(&stranger.encode(&good).unwrap()).await, 400);
    let unsigned = format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(good.to_string()));
    assert_eq!(world.post(&unsigned).await, 400);
    for key in ["sid:$ISS:s1", "sub:$ISS:ada"] {
        assert!(!world.is_revoked(key).await, "{key}");
    }
    // All that was missing was a good token.
    assert_eq!(world.post(&signed(&good)).await, 200);
}

#[tokio::test]
async fn a_token_is_accepted_as_long_as_it_is_fresh() {
    let world = World::new().await;
    let mut claims = world.claims("1");
    claims.as_object_mut().unwrap().remove("exp");
    // 5 minutes, and a minute between the clocks.
    world.hands.forward(361);
    assert_eq!(world.post(&signed(&claims)).await, 400);
    claims["iat"] = json!(NOW + 1);
    assert_eq!(world.post(&signed(&claims)).await, 200);
}

#[tokio::test]
async fn a_body_that_is_no_form_with_one_token_is_refused() {
    let world = World::new().await;
    let token = signed(&world.claims("1"));
    let invalid = (400, r#"{"error":"invalid_request"}"#.to_owned());
    for (kind, body) in [
        (FORM, String::new()),
        (FORM, "logout_token=".to_owned()),
        (FORM, format!("token={token}")),
        (FORM, format!("logout_token={token}&logout_token={token}")),
        (FORM, token.clone()),
        (
            "application/json",
            format!(r#"{{"logout_token":"{token}"}}"#),
        ),
        ("text/plain", format!("logout_token={token}")),
    ] {
        assert_eq!(
            world.send("POST", kind, &body).await,
            invalid,
            "{kind} {body}"
        );
    }
    let good = format!("x=1&logout_token={token}");
    assert_eq!(world.send("GET", FORM, &good).await.0, 405);
    let long = format!("{good}&pad={}", "x".repeat(16 * 1024));
    assert_eq!(world.send("POST", FORM, &long).await.0, 413);
    let kind = "Application/X-WWW-Form-URLEncoded; charset=utf-8";
    assert_eq!(world.send("POST", kind, &good).await.0, 200);
}

/// Fails as long as it is told to.
#[derive(Clone)]
pub(super) struct Failing {
    pub(super) memory: Arc<MemoryRevocations>,
    pub(super) fails: Arc<Mutex<bool>>,
}

impl RevocationStore for Failing {
    fn find(
        &self,
        keys: Vec<RevocationKey>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>> {
        self.memory.find(keys)
    }

    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Recorded, StoreError>> {
        if *self.fails.lock().unwrap() {
            return Box::pin(async { Err(StoreError::new("down")) });
        }
        self.memory.record(key, revocation)
    }
}

#[tokio::test]
async fn a_logout_that_failed_can_be_repeated_with_the_same_token() {
    let store = Failing {
        memory: Arc::new(MemoryRevocations::new(HOUR, 1000)),
        fails: Arc::new(Mutex::new(true)),
    };
    let fails = Arc::clone(&store.fails);
    let world = World::with(memory(), store, |builder| builder).await;
    let body = format!("logout_token={}", signed(&world.claims("1")));
    let unavailable = (400, r#"{"error":"temporarily_unavailable"}"#.to_owned());
    assert_eq!(world.send("POST", FORM, &body).await, unavailable);
    *fails.lock().unwrap() = false;
    assert_eq!(world.send("POST", FORM, &body).await.0, 200);
    assert!(world.is_revoked("sid:$ISS:s1").await);
    assert_eq!(world.send("POST", FORM, &body).await.0, 400);
}

/// A store of used tokens that is down.
struct Down;

impl ReplayStore for Down {
    fn claim(
        &self,
        _: TicketKey,
        _: Duration,
    ) -> tower_ws_auth_ticket::BoxFuture<Result<bool, StoreError>> {
        Box::pin(async { Err(StoreError::new("down")) })
    }

    fn is_claimed(
        &self,
        _: TicketKey,
    ) -> Option<tower_ws_auth_ticket::BoxFuture<Result<bool, StoreError>>> {
        Some(Box::pin(async { Err(StoreError::new("down")) }))
    }
}

#[tokio::test]
async fn without_the_store_of_used_tokens_nobody_is_logged_out() {
    let revocations = MemoryRevocations::new(HOUR, 1000);
    let world = World::with(Down, revocations, |builder| builder).await;
    let body = format!("logout_token={}", signed(&world.claims("1")));
    let unavailable = (400, r#"{"error":"temporarily_unavailable"}"#.to_owned());
    assert_eq!(world.send("POST", FORM, &body).await, unavailable);
    assert!(!world.is_revoked("sid:$ISS:s1").await);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let revocations = MemoryRevocations::new(HOUR, 1000);
    let impatient = |builder: BackchannelLogoutBuilder| builder.body_timeout(Duration::ZERO);
    let world = World::with(memory(), revocations, impatient).await;
    let mut stream = TcpStream::connect(world.endpoint).await.unwrap();
    let head = "POST /backchannel-logout HTTP/1.1\r\nhost: chat\r\ncontent-length: 9\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn a_configuration_that_cannot_keep_the_rules_is_an_error() {
    let revocations = || Revocations::new(MemoryRevocations::new(HOUR, 10));
    let key = || Key::hs256([7; 32]).unwrap();
    let builder = || BackchannelLogout::builder("chat");
    let build = |builder: BackchannelLogoutBuilder| builder.build(memory(), revocations(), keys);
    assert!(matches!(build(builder()), Err(ConfigError::Empty(_))));
    let one = || builder().provider("https://a.example", key());
    assert!(build(one()).is_ok());
    let twice = one().provider("https://a.example", key());
    assert!(matches!(build(twice), Err(ConfigError::Issuers(_))));
    let nameless = builder().provider("", key());
    assert!(matches!(build(nameless), Err(ConfigError::Empty(_))));
    let anybodys = BackchannelLogout::builder("").provider("https://a.example", key());
    assert!(matches!(build(anybodys), Err(ConfigError::Empty(_))));
    let lax = one().leeway(Duration::from_secs(61));
    assert!(matches!(build(lax), Err(ConfigError::Leeway)));
    // The store remembers for an hour.
    let long = one().max_age(HOUR);
    assert!(matches!(build(long), Err(ConfigError::ForgetfulStore)));
}

#[tokio::test]
async fn each_provider_logs_out_its_own_users() {
    let (ours, theirs) = ([1; 32], [2; 32]);
    let revocations = Revocations::builder(MemoryRevocations::new(HOUR, 10))
        .clock(Clock::fixed(NOW))
        .build();
    let mut service = BackchannelLogout::builder("chat")
        .provider("https://we.example", Key::hs256(ours).unwrap())
        .provider("https://they.example", Key::hs256(theirs).unwrap())
        .clock(Clock::fixed(NOW))
        .build(memory(), revocations, keys)
        .unwrap();
    let mut post = async |issuer: &str, secret: [u8; 32], jti: &str| {
        let claims = json!({
            "iss": issuer, "aud": "chat", "iat": NOW, "jti": jti, "sub": "ada", "events": { EVENT: {} },
        });
        let token = JwtEncoder::new(SigningKey::hs256(secret).unwrap());
        let body = format!("logout_token={}", token.encode(&claims).unwrap());
        let request = http::Request::post("/").header("content-type", FORM);
        let request = request.body(axum::body::Body::from(body)).unwrap();
        tower::Service::call(&mut service, request)
            .await
            .unwrap()
            .status()
    };
    assert_eq!(post("https://we.example", ours, "1").await, 200);
    // The same id of another issuer is another token.
    assert_eq!(post("https://they.example", theirs, "1").await, 200);
    assert_eq!(post("https://we.example", theirs, "2").await, 400);
    assert_eq!(post("https://they.example", ours, "2").await, 400);
}

#[test]
fn a_logout_token_shows_neither_user_nor_session() {
    // Through the application's function, the only one that gets it.
    let shown = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&shown);
    let key = Key::hs256([7; 32]).unwrap();
    let revocations = Revocations::new(MemoryRevocations::new(HOUR, 10));
    let mut service = BackchannelLogout::builder("chat")
        .provider("https://we.example", key)
        .clock(Clock::fixed(NOW))
        .build(memory(), revocations, move |logout| {
            *seen.lock().unwrap() = format!("{logout:?}");
            Vec::<String>::new()
        })
        .unwrap();
    let claims = json!({
        "iss": "https://we.example", "aud": "chat", "iat": NOW, "jti": "1", "sub": "ada@example.com",
        "sid": "session-1", "events": { EVENT: {} },
    });
    let token = JwtEncoder::new(SigningKey::hs256([7; 32]).unwrap()).encode(&claims);
    let body = format!("logout_token={}", token.unwrap());
    let request = http::Request::post("/").header("content-type", FORM);
    let request = request.body(axum::body::Body::from(body)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let called = tower::Service::call(&mut service, request);
    let response = runtime.unwrap().block_on(called).unwrap();
    assert_eq!(response.status(), 200);
    let shown = shown.lock().unwrap();
    assert!(shown.contains("https://we.example"), "{shown}");
    assert!(
        !shown.contains("ada") && !shown.contains("session-1"),
        "{shown}"
    );
}
