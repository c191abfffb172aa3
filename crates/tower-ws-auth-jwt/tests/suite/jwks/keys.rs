//! Keys to publish, and tokens that they sign.

use serde_json::{Value, json};
use tower_ws_auth_jwt::{Algorithm, JwtEncoder, SigningKey};

const P256: &str = r#""kty":"EC","crv":"P-256","x":"EsCzPEoCeMSQDecrG2nRxEkAk6glsOof7PTrPwUOwlw","y":"A_s59-WOV0S-ZcI1Q8TmlZxyVf2Ma1woXqr9EqcUqi8""#;
const P384: &str = r#""kty":"EC","crv":"P-384","x":"Jg0UyZU0i065ZLf_AHilMGy_M8h0TXaPT_VIqkVOwzXo_k0Gv6MzoxCpeH68lfDu","y":"jL5gNMiePt02Hu4dtOQpLuBp0XL0sng0ktu8Mcj_Mv2SDjq9rZCSDQR39qtsgXuy""#;
const P521: &str = r#""kty":"EC","crv":"P-521","x":"AS6Bjq-Zo8kBloQNsIHq4V9yfhWQeCZDUN6vo9wFgEH15AsET8y6vhYhuTQ6HWRkn4gRqh2NZiXXh2cPLX8iF2FJ","y":"AMFshssY1qbCI35q5u9mFJosn1ATu4UK4mnZK4v5c_QpVDSI99A5lxZn5_c49aP6rkpmZJAyoYJ-xoZThmpJFpFi""#;
const ED: &str = r#""kty":"OKP","crv":"Ed25519","x":"RzkT2oq-ow8s38DIkR6CrCqc9mRzWd7wOFNv9jfwD4o""#;
const RSA: &str = r#""kty":"RSA","e":"AQAB","n":"r3Js1Lg_RDG6U6VJq_MdXeEY_jjVGi6UkhV6h2TrW93dIQ3dOS4Cy9eZ2IKQhxEZ1_BxJNiZ5hwwFS6-y1C9cJPBfkc-L5uDoTcwe52pOt8HvSi9KFyvTXHOu1T08GRczcwEBnytBy7W8ow__duLJka7KZTgWvTxTG3NS7DKavpKB1UGtbOpHa6l0db7mkjs9y_yLYplIjU2fQcAvtQYH-R8KX5236RBgRYyNWJY15DpD1emkB3JyAGmi0K2fiL_cL5fPVDfRVdXWbPsQpWPaEHWcY-fxw-5BBe5t0RhITxwstLvBifDuUvutvogsqnWHckb7jFTQie7C1z_lcu6Vw""#;
pub(crate) const SHORT_RSA: &str = r#""kty":"RSA","e":"AQAB","n":"qdEJHwq6TORE0hEAbL6HO1sSQwuPvwXoPuyweencRzqGiJ0Pejfkz44W9dX3HSaI_crA1cNhC0c1Tai4eN_-Ypz5k_icOQeJkMCvs-BN5m-1X8Mz9KxqUD3UiVdwwkB8RVPjqFvuWGxu3SFeAWNY7b07b2KrhidXIMGYdgfF05M""#;

/// One of the key pairs, each of another kind.
#[derive(Clone, Copy)]
pub(crate) enum Pair {
    P256,
    P384,
    P521,
    Ed,
    Rsa,
}

impl Pair {
    /// The members of its JWK that make the key.
    pub(crate) fn members(self) -> &'static str {
        match self {
            Self::P256 => P256,
            Self::P384 => P384,
            Self::P521 => P521,
            Self::Ed => ED,
            Self::Rsa => RSA,
        }
    }

    /// Its JWK under a `kid`.
    pub(crate) fn jwk(self, kid: &str) -> String {
        self.jwk_with(&format!(r#""kid":"{kid}""#))
    }

    pub(crate) fn jwk_with(self, rest: &str) -> String {
        format!("{{{},{rest}}}", self.members())
    }

    pub(crate) fn public_pem(self) -> &'static [u8] {
        match self {
            Self::P256 => include_bytes!("../../data/ec-p256.pub.pem"),
            Self::P384 => include_bytes!("../../data/ec-p384.pub.pem"),
            Self::P521 => include_bytes!("../../data/ec-p521.pub.pem"),
            Self::Ed => include_bytes!("../../data/ed25519.pub.pem"),
            Self::Rsa => include_bytes!("../../data/rsa-2048.pub.pem"),
        }
    }

    pub(crate) fn signing(self) -> SigningKey {
        let (algorithm, pem) = match self {
            Self::P256 => (
                Algorithm::ES256,
                &include_bytes!("../../data/ec-p256.pem")[..],
            ),
            Self::P384 => (
                Algorithm::ES384,
                &include_bytes!("../../data/ec-p384.pem")[..],
            ),
            Self::P521 => (
                Algorithm::ES512,
                &include_bytes!("../../data/ec-p521.pem")[..],
            ),
            Self::Ed => (
                Algorithm::EdDSA,
                &include_bytes!("../../data/ed25519.pem")[..],
            ),
            Self::Rsa => (
                Algorithm::RS256,
                &include_bytes!("../../data/rsa-2048.pem")[..],
            ),
        };
        SigningKey::from_pem(algorithm, pem).unwrap()
    }

    /// A token for a long time.
    pub(crate) fn token(self, kid: &str) -> String {
        self.signed(Some(kid), &json!({ "exp": 2_000_000_000_u64 }))
    }

    pub(crate) fn token_of(self, kid: &str, issuer: &str) -> String {
        let claims = json!({ "iss": issuer, "exp": 2_000_000_000_u64 });
        self.signed(Some(kid), &claims)
    }

    pub(crate) fn signed(self, kid: Option<&str>, claims: &Value) -> String {
        let key = self.signing();
        let key = match kid {
            Some(kid) => key.with_kid(kid).unwrap(),
            None => key,
        };
        JwtEncoder::new(key).encode(claims).unwrap()
    }
}

/// A JWK Set.
pub(crate) fn set(keys: impl IntoIterator<Item = String>) -> String {
    let keys: Vec<_> = keys.into_iter().collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

pub(crate) fn b64(text: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
