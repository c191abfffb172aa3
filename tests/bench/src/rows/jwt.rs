//! Rows 1 to 6: JSON Web Tokens.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::routing::any;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use jsonwebtoken::{DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tower::{Layer, Service, service_fn};
use tower_ws_auth::credential::{Carriers, CarriersBuilder, SubprotocolFormat};
use tower_ws_auth::handshake::Handshake;
use tower_ws_auth::jwt::{Algorithm, Jwt, JwtEncoder, JwtLayer, Key, SigningKey};

use crate::{Case, now};

/// The key of each HS256 token here.
pub const SECRET: &str = "a secret of thirty-two characters";
/// The user of the tokens and sessions.
pub const SESSION_USER: &str = "user-42";
pub(crate) const ISSUER: &str = "https://issuer.example";
/// Some of the other crates require one.
pub(crate) const AUDIENCE: &str = "chat";
const LIMIT: usize = 60_000;

/// The claims of an application.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "four strings")]
pub struct FourStrings {
    pub sub: String,
    pub name: String,
    pub role: String,
    pub room: String,
}

#[derive(Serialize)]
struct All {
    #[serde(flatten)]
    claims: FourStrings,
    iss: &'static str,
    aud: &'static str,
    iat: u64,
    exp: u64,
}

/// A valid token under [`SECRET`], and one with another key's signature.
pub fn token(good: bool) -> String {
    let secret = if good {
        SECRET
    } else {
        "another, of thirty-two characters"
    };
    let key = SigningKey::hs256(secret).unwrap();
    let encoder = JwtEncoder::new(key.with_kid("2025-01").unwrap());
    encoder.encode(&claims()).unwrap()
}

fn claims() -> All {
    let claims = FourStrings {
        sub: SESSION_USER.into(),
        name: "Ada Lovelace".into(),
        role: "admin".into(),
        room: "lobby".into(),
    };
    All {
        claims,
        iss: ISSUER,
        aud: AUDIENCE,
        iat: 1_700_000_000,
        exp: 2_000_000_000,
    }
}

#[derive(Clone)]
#[allow(dead_code, reason = "for the place that it takes")]
struct Upgrade(());

/// A handshake as a browser sends it, with a bearer token if there is one.
pub fn handshake(token: Option<&str>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = "/ws?room=1".parse().unwrap();
    let headers = request.headers_mut();
    for (name, value) in [
        ("host", "example.com"),
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("origin", "https://example.com"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        ),
        ("accept-language", "en-US,en;q=0.9"),
    ] {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    }
    // As hyper inserts its own.
    request.extensions_mut().insert(Upgrade(()));
    request
}

pub(super) fn cases() -> Vec<Case> {
    let long = || {
        format!(
            "{}.{}.{}",
            "a".repeat(40),
            "b".repeat(LIMIT),
            "c".repeat(43)
        )
    };
    let mut cases = vec![
        Case::call("request", || with(token(true), drop)),
        Case::call("handshake", || || drop(handshake(None))),
        Case::call("decode/good", || decides(token(true), true)),
        Case::call("decode/bad", || decides(token(false), false)),
        Case::call("decode/long", move || decides(long(), false)),
        Case::call("jwt/good", || we_decide(token(true), true)),
        Case::call("jwt/bad", || we_decide(token(false), false)),
        Case::call("jwt/long", move || we_decide(long(), false)),
        Case::call("layer/bare", || {
            let mut bare = service_fn(answer);
            with(token(true), move |request| {
                status(&mut bare, request, StatusCode::SWITCHING_PROTOCOLS);
            })
        }),
        Case::call("layer/good", || {
            through_layer(Some(true), StatusCode::SWITCHING_PROTOCOLS)
        }),
        Case::call("layer/bad", || {
            through_layer(Some(false), StatusCode::UNAUTHORIZED)
        }),
        Case::call("layer/none", || {
            through_layer(None, StatusCode::UNAUTHORIZED)
        }),
        Case::call("carriers/default", || {
            reads(&Carriers::builder().query("token").bearer_header())
        }),
        Case::call("carriers/none", without_credential),
        Case::call("mac", || {
            let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
            let token = token(true);
            let signed = token.rsplit_once('.').unwrap().0.to_owned();
            move || {
                black_box(mac.clone().chain_update(&signed).finalize());
            }
        }),
        Case::call("hand/bare", || {
            by_hand(Some(true), any(bare_handler), StatusCode::OK)
        }),
        Case::call("hand/good", || {
            by_hand(Some(true), any(handler), StatusCode::OK)
        }),
        Case::call("hand/bad", || {
            by_hand(Some(false), any(handler), StatusCode::UNAUTHORIZED)
        }),
        Case::call("hand/none", || {
            by_hand(None, any(handler), StatusCode::UNAUTHORIZED)
        }),
    ];
    cases.extend(asymmetric());
    cases
}

fn with(token: String, mut call: impl FnMut(Request<Body>)) -> impl FnMut() {
    move || call(handshake(Some(&token)))
}

fn status<S, B>(service: &mut S, request: Request<Body>, expected: StatusCode)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let response = now(service.call(request)).unwrap_or_else(|never| match never {});
    assert_eq!(response.status(), expected);
}

/// Accepted requests are upgraded.
async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    Ok(response)
}

fn validation(algorithm: jsonwebtoken::Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation
}

fn decides(token: String, good: bool) -> impl FnMut() {
    let key = DecodingKey::from_secret(SECRET.as_bytes()).unwrap();
    let validation = validation(jsonwebtoken::Algorithm::HS256);
    move || {
        let decoded = jsonwebtoken::decode::<FourStrings>(&token, &key, &validation);
        assert_eq!(decoded.is_ok(), good);
    }
}

pub(super) fn jwt() -> Jwt<FourStrings> {
    let carriers = Carriers::builder().bearer_header().query("token");
    Jwt::builder(Key::hs256(SECRET).unwrap())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .carriers(carriers.build().unwrap())
        .build()
        .unwrap()
}

/// A server after some valid requests.
fn we_decide(refused: String, good: bool) -> impl FnMut() {
    let jwt = jwt();
    assert!(jwt.verify_token(&token(true)).is_ok());
    let token = refused;
    move || assert_eq!(jwt.verify_token(&token).is_ok(), good)
}

fn through_layer(good: Option<bool>, expected: StatusCode) -> impl FnMut() {
    let mut service = JwtLayer::new(jwt()).layer(service_fn(answer));
    let token = good.map(token);
    move || status(&mut service, handshake(token.as_deref()), expected)
}

fn reads(carriers: &CarriersBuilder) -> impl FnMut() + use<> {
    let carriers = carriers.clone().build().unwrap();
    let mut head = handshake(None).into_parts().0;
    move || assert!(matches!(carriers.take(&mut head), Ok(None)))
}

/// Every carrier, and the check of the handshake.
fn without_credential() -> impl FnMut() {
    let carriers = Carriers::builder()
        .query("token")
        .bearer_header()
        .subprotocol(SubprotocolFormat::Phoenix)
        .subprotocol(SubprotocolFormat::Kubernetes)
        .cookie("jwt");
    let carriers = carriers.build().unwrap();
    let mut head = handshake(None).into_parts().0;
    move || {
        assert!(matches!(carriers.take(&mut head), Ok(None)));
        assert!(Handshake::check(&head).is_ok());
    }
}

/// As applications do it by hand: an extractor that reads the header and decodes.
pub(super) struct User(FourStrings);

/// The key and the rules for decoding.
#[derive(Clone)]
pub(super) struct Keys {
    key: DecodingKey,
    validation: Validation,
}

pub(super) type SharedKeys = Arc<Keys>;

impl FromRequestParts<SharedKeys> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(head: &mut Parts, keys: &SharedKeys) -> Result<Self, StatusCode> {
        let token = bearer(&head.headers).or_else(|| head.uri.query()?.strip_prefix("token="));
        let token = token.ok_or(StatusCode::UNAUTHORIZED)?;
        let decoded = jsonwebtoken::decode(token, &keys.key, &keys.validation);
        let decoded = decoded.map_err(|_| StatusCode::UNAUTHORIZED)?;
        Ok(Self(decoded.claims))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

async fn handler(State(_): State<SharedKeys>, user: User) -> StatusCode {
    black_box(user.0);
    StatusCode::OK
}

async fn bare_handler(State(_): State<SharedKeys>) -> StatusCode {
    StatusCode::OK
}

pub(super) fn keys() -> Keys {
    Keys {
        key: DecodingKey::from_secret(SECRET.as_bytes()).unwrap(),
        validation: validation(jsonwebtoken::Algorithm::HS256),
    }
}

fn by_hand(
    good: Option<bool>,
    route: axum::routing::MethodRouter<SharedKeys>,
    expected: StatusCode,
) -> impl FnMut() {
    let mut router: Router = Router::new().route("/ws", route).with_state(keys().into());
    let token = good.map(token);
    move || status(&mut router, handshake(token.as_deref()), expected)
}

const RSA: &str = include_str!("../../../../crates/tower-ws-auth-jwt/tests/data/rsa-2048.pem");
const RSA_PUBLIC: &str =
    include_str!("../../../../crates/tower-ws-auth-jwt/tests/data/rsa-2048.pub.pem");
const EC: &str = include_str!("../../../../crates/tower-ws-auth-jwt/tests/data/ec-p256.pem");
const EC_PUBLIC: &str =
    include_str!("../../../../crates/tower-ws-auth-jwt/tests/data/ec-p256.pub.pem");
const ED: &str = include_str!("../../../../crates/tower-ws-auth-jwt/tests/data/ed25519.pem");
const ED_PUBLIC: &str =
    include_str!("../../../../crates/tower-ws-auth-jwt/tests/data/ed25519.pub.pem");

fn asymmetric() -> Vec<Case> {
    let mut cases = Vec::new();
    for (ours, decode, name) in [
        ("rs256/ours", "rs256/decode", "RS256"),
        ("es256/ours", "es256/decode", "ES256"),
        ("eddsa/ours", "eddsa/decode", "EdDSA"),
    ] {
        let decoding = Case::call(decode, move || {
            let (token, theirs, public) = asymmetric_keys(name);
            let (key, validation) = (decoding_key(theirs, public), validation(theirs));
            move || assert!(jsonwebtoken::decode::<FourStrings>(&token, &key, &validation).is_ok())
        });
        let verifying = Case::call(ours, move || {
            let (token, theirs, public) = asymmetric_keys(name);
            let key = Key::from_pem(ours_of(theirs), public).unwrap();
            let jwt: Jwt<FourStrings> = Jwt::builder(key)
                .issuer(ISSUER)
                .audience(AUDIENCE)
                .build()
                .unwrap();
            move || assert!(jwt.verify_token(&token).is_ok())
        });
        cases.push(decoding.by_aws_lc());
        cases.push(verifying.by_aws_lc());
    }
    cases
}

/// A token by this algorithm, and the public key as PEM.
pub(super) fn asymmetric_keys(name: &str) -> (String, jsonwebtoken::Algorithm, &'static str) {
    use jsonwebtoken::Algorithm as Theirs;

    let (theirs, private, public) = match name {
        "RS256" => (Theirs::RS256, RSA, RSA_PUBLIC),
        "ES256" => (Theirs::ES256, EC, EC_PUBLIC),
        _ => (Theirs::EdDSA, ED, ED_PUBLIC),
    };
    let key = SigningKey::from_pem(ours_of(theirs), private).unwrap();
    let encoder = JwtEncoder::new(key.with_kid("2025-01").unwrap());
    (encoder.encode(&claims()).unwrap(), theirs, public)
}

fn ours_of(theirs: jsonwebtoken::Algorithm) -> Algorithm {
    match theirs {
        jsonwebtoken::Algorithm::RS256 => Algorithm::RS256,
        jsonwebtoken::Algorithm::ES256 => Algorithm::ES256,
        _ => Algorithm::EdDSA,
    }
}

/// Both sides read the same file. jsonwebtoken reads no PEM in this build.
pub(super) fn decoding_key(algorithm: jsonwebtoken::Algorithm, pem: &str) -> DecodingKey {
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64_STANDARD.decode(text).unwrap();
    // RFC 5280 §4.1.2.7: the key is at the end.
    let tail = |bytes| &der[der.len() - bytes..];
    match algorithm {
        jsonwebtoken::Algorithm::RS256 => DecodingKey::from_rsa_der(&der[24..]),
        jsonwebtoken::Algorithm::ES256 => DecodingKey::from_ec_der(tail(65)),
        _ => DecodingKey::from_ed_der(tail(32)),
    }
}
