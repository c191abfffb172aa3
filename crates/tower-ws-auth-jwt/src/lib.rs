//! A WebSocket is admitted by its JSON Web Token, before the upgrade: the strategy of
//! [tower-ws-auth](https://docs.rs/tower-ws-auth) for tokens that anyone with a key can verify.
//!
//! # Rules
//!
//! A token passes if all of these hold, asked in this order:
//!
//! 1. It has at most 8 KiB and three parts in base64url, without padding and stray bits
//!    (RFC 7515 §7.1).
//! 2. Its header is a JSON object with unique names. It has no `crit`, `b64`, `zip` or `enc`; a
//!    key that it brings along is ignored; its `typ` is the configured one, if one is configured.
//! 3. Its signature is good for one of the [`Keys`], and `alg` names **that key's** algorithm
//!    (RFC 8725 §3.1). Only now the payload is decoded.
//! 4. The payload is a JSON object with unique names; `exp`, `nbf` and `iat` are numbers. An `aud`,
//!    `nbf` or `iat` that is `null` is absent, and so is an `aud` that is an empty list.
//! 5. `iss` is as configured.
//! 6. `exp` has not passed: it has as soon as `now - leeway >= exp`. `nbf` has: `now + leeway >=
//!    nbf`. A fraction of a second counts; what is below 0 is 0; what is too large is for ever.
//! 7. `aud`, `sub`, the claim of [`JwtBuilder::user_claim`] and required claims are as configured.
//!    A token with an `aud` is refused where no audience is configured (RFC 7519 §4.1.3). It has an
//!    `exp`, no further ahead than [`JwtBuilder::max_exp_ahead`], and lives no longer than
//!    [`JwtBuilder::max_lifetime`].
//! 8. The claims deserialise into the application's type.
//!
//! Rule 6 refuses with `token_expired` or `token_not_yet_valid`, which a client can do something
//! about, the others with `token_invalid`. The grant ends at `exp` plus the leeway.
//!
//! # Caveats
//!
//! - A token is good until it expires, for everybody who has it. Make it short-lived, the more so in a
//!   query string, which proxies log.
//! - Only the configured keys count. Nothing that a token names is fetched, and no certificate is
//!   checked.
//! - An HMAC secret shared with many services lets each of them issue tokens.
//!
//! # Example
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use serde::{Deserialize, Serialize};
//! use tower::{Layer, Service, ServiceExt};
//! use tower_ws_auth_core::{Authenticated, Rejection};
//! use tower_ws_auth_jwt::{Jwt, JwtEncoder, JwtLayer, Key, SigningKey};
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Claims {
//!     user: String,
//!     exp: u64,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = [7; 32]; // Yours is random.
//! let layer = JwtLayer::new(Jwt::<Claims>::builder(Key::hs256(secret)?).build()?);
//! let mut service = layer.layer(tower::service_fn(async |request: Request<()>| {
//!     let claims: &Authenticated<Claims> = request.extensions().get().unwrap();
//!     assert_eq!(request.uri(), "/ws"); // The token is gone.
//!     Ok::<_, std::io::Error>(Response::new(claims.user.clone()))
//! }));
//! # let handshake = |uri: &str| Request::get(uri)
//! #     .header("host", "localhost").header("connection", "upgrade").header("upgrade", "websocket")
//! #     .header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
//! #     .body(()).unwrap();
//!
//! let issuer = JwtEncoder::new(SigningKey::hs256(secret)?);
//! let good = issuer.encode(&Claims { user: "ada".into(), exp: 2_000_000_000 })?;
//! let accepted = service.ready().await?.call(handshake(&format!("/ws?token={good}"))).await?;
//! assert_eq!(accepted.status(), StatusCode::OK);
//!
//! let stranger = JwtEncoder::new(SigningKey::hs256([8; 32])?);
//! let forged = stranger.encode(&Claims { user: "ada".into(), exp: 2_000_000_000 })?;
//! let refused = service.ready().await?.call(handshake(&format!("/ws?token={forged}"))).await?;
//! assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(refused.extensions().get::<Rejection>().unwrap().reason(), "token_invalid");
//! # Ok(())
//! # }
//! ```
//!
//! # Keys that an issuer publishes
//!
//! With the feature `jwks`, a `Jwks` fetches the keys of an identity provider, by the URL of its
//! set or by discovery, and follows their rotation; its documentation has the rules. `fetch` takes
//! any HTTP client as a function. With `jwks-reqwest` there is one, and the call is not needed.
//! `with_local_keys` adds a secret of your own, and [`Issuers`] is for several providers.
//!
#![cfg_attr(
    all(feature = "jwks", any(feature = "aws-lc-rs", feature = "rust-crypto")),
    doc = "```"
)]
#![cfg_attr(
    not(all(feature = "jwks", any(feature = "aws-lc-rs", feature = "rust-crypto"))),
    doc = "```ignore"
)]
//! use serde_json::{Value, json};
//! use tower_ws_auth_jwt::{Algorithm, Document, FetchError, Jwks, Jwt, JwtEncoder, SigningKey};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // From memory here: a key pair of RFC 8037, appendix A.
//! let jwks = Jwks::builder("https://issuer.example/jwks")
//!     .issuer("https://issuer.example")
//!     .fetch(async |_url| {
//!         let set = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2025",
//!             "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
//!         Ok::<_, FetchError>(Document::new(set))
//!     })
//!     .start()?;
//! let jwt = Jwt::<Value>::builder(jwks).build()?;
//! # let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----";
//! # let key = || SigningKey::from_pem(Algorithm::EdDSA, pem);
//! let issuer = JwtEncoder::new(key()?.with_kid("2025")?);
//! let another = JwtEncoder::new(key()?.with_kid("2019")?); // It publishes no such key.
//!
//! let claims = json!({ "iss": "https://issuer.example", "user": "ada", "exp": 2_000_000_000_u64 });
//! let accepted = jwt.verify_token_or_wait(&issuer.encode(&claims)?).await?;
//! assert_eq!(accepted.identity()["user"], "ada");
//! // The issuer may have published this key a moment ago: until the next fetch nobody knows.
//! let refused = jwt.verify_token_or_wait(&another.encode(&claims)?).await;
//! assert_eq!(refused.unwrap_err().reason(), "unavailable");
//!
//! // An attacker between could put in keys of their own.
//! assert!(Jwks::builder("http://issuer.example/jwks").start().is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `aws-lc-rs` (default): RSA, EC and `EdDSA` by aws-lc-rs.
//! - `rust-crypto`: the same in pure Rust, slower, without a C compiler, RSA up to 4096 bits.
//! - `backchannel-logout`: `BackchannelLogout`, the endpoint at which an identity provider logs users
//!   out.
//! - `single-use`: `Jwt::single_use`, which accepts each token once by its `jti`.
//! - `rotation`: `RotatingKeys`, which are replaced while the server runs.
//! - `jwks`: `Jwks`, fetched by an HTTP client of the application's choice, on tokio.
//! - `jwks-reqwest`: its own client, reqwest over rustls with aws-lc-rs.
//! - `tracing`: one event for each fetched set, each key that is left out and each fetch that
//!   fails, target `tower_ws_auth`, with the field `url` (without its query).
//!
//! With both backends, aws-lc-rs computes. With neither, only HMAC is there, and the constructors of other
//! keys say so.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod algorithm;
#[cfg(feature = "backchannel-logout")]
mod backchannel;
mod backend;
mod builder;
mod compact;
mod decider;
mod deciding;
mod encoder;
mod error;
mod header;
mod issuers;
mod json;
#[cfg(feature = "jwks")]
mod jwks;
mod jwt;
mod key;
mod keys;
#[cfg(feature = "rotation")]
mod rotating;
mod rules;
mod seen;
mod signing_key;
#[cfg(feature = "single-use")]
mod single_use;
mod source;
#[cfg(feature = "jwks")]
mod trace;
mod user_claim;

pub use self::algorithm::Algorithm;
#[cfg(feature = "backchannel-logout")]
pub use self::backchannel::{
    BackchannelLogout, BackchannelLogoutBuilder, LogoutFuture, LogoutToken,
};
pub use self::builder::JwtBuilder;
pub use self::deciding::VerifyFuture;
pub use self::encoder::{EncodeError, JwtEncoder};
pub use self::error::{ConfigError, KeyError};
pub use self::issuers::Issuers;
#[cfg(feature = "jwks-reqwest")]
pub use self::jwks::Reqwest;
#[cfg(feature = "jwks")]
pub use self::jwks::{Document, Fetch, FetchError, FetchFuture, Jwks, JwksBuilder, JwksError};
pub use self::jwt::{Jwt, JwtLayer};
pub use self::key::Key;
pub use self::keys::Keys;
#[cfg(feature = "rotation")]
pub use self::rotating::RotatingKeys;
pub use self::signing_key::SigningKey;
#[cfg(feature = "single-use")]
pub use self::single_use::{Claimed, SingleUse};
pub use self::source::KeySource;
pub use self::user_claim::UserClaim;

use tower_ws_auth_core::{Rejection, RejectionKind};

fn invalid(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::TokenInvalid, detail)
}
