//! The costs that decide the capacity of a server, beside the goals.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, aws_lc, rust_crypto};
use serde::Serialize;
use tower_ws_auth::jwt::{JwtEncoder, SigningKey};

use super::jwt::{asymmetric_keys, decoding_key, jwt, token};
use super::{close, whole};
use crate::{Case, SECRET};

/// Whole handshakes on a socket, then tokens by their length, then signatures by their backend.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = whole::on_sockets();
    cases.extend(close::on_sockets());
    for (id, length) in TOKENS {
        cases.push(Case::call(id, move || {
            let (jwt, token) = (jwt(), padded(length));
            move || assert!(jwt.verify_token(&token).is_ok())
        }));
    }
    for [by_aws_lc, by_rust] in BACKENDS {
        cases.push(Case::call(by_aws_lc, move || {
            verifies(by_aws_lc, &aws_lc::DEFAULT_PROVIDER)
        }));
        cases.push(Case::call(by_rust, move || {
            verifies(by_rust, &rust_crypto::DEFAULT_PROVIDER)
        }));
    }
    cases
}

/// The lengths of tokens, in bytes.
pub(crate) const TOKENS: [(&str, usize); 4] = [
    ("token/500", 500),
    ("token/1000", 1000),
    ("token/4000", 4000),
    ("token/8000", 8000),
];

/// A signature by each.
pub(crate) const BACKENDS: [[&str; 2]; 4] = [
    ["HS256 by aws-lc-rs", "HS256 by rust-crypto"],
    ["RS256 by aws-lc-rs", "RS256 by rust-crypto"],
    ["ES256 by aws-lc-rs", "ES256 by rust-crypto"],
    ["EdDSA by aws-lc-rs", "EdDSA by rust-crypto"],
];

/// A token of about that length, whose claims are a list of roles.
fn padded(length: usize) -> String {
    #[derive(Serialize)]
    struct Claims<'c> {
        sub: &'c str,
        name: &'c str,
        role: &'c str,
        room: &'c str,
        iss: &'c str,
        aud: &'c str,
        exp: u64,
        roles: Vec<String>,
    }
    // Base64 makes four bytes of three. Header, signature and the other claims have 300.
    let roles = (length - 300) * 3 / 4 / 17;
    let key = SigningKey::hs256(SECRET).unwrap();
    let encoder = JwtEncoder::new(key.with_kid("2025-01").unwrap());
    let claims = Claims {
        sub: "user-42",
        name: "Ada Lovelace",
        role: "admin",
        room: "lobby",
        iss: "https://issuer.example",
        aud: "chat",
        exp: 2_000_000_000,
        roles: (0..roles).map(|n| format!("project:{n:06}")).collect(),
    };
    encoder.encode(&claims).unwrap()
}

/// The signature alone, without parsing. With HS256 the key is hashed each time, too.
fn verifies(name: &'static str, provider: &'static CryptoProvider) -> impl FnMut() {
    let name = &name[..5];
    let (token, algorithm, key) = if name == "HS256" {
        let key = jsonwebtoken::DecodingKey::from_secret(SECRET.as_bytes()).unwrap();
        (token(true), jsonwebtoken::Algorithm::HS256, key)
    } else {
        let (token, theirs, public) = asymmetric_keys(name);
        (token, theirs, decoding_key(theirs, public))
    };
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let signed = signed.to_owned();
    move || {
        let verifier = (provider.verifier_factory)(&algorithm, &key).unwrap();
        assert!(verifier.verify(signed.as_bytes(), &signature).is_ok());
    }
}
