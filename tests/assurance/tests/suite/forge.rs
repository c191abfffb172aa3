//! Makes tokens and cookies of every kind, valid and invalid.

use std::sync::Once;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};

/// The time of every clock here, in seconds since the epoch.
pub(crate) const NOW: u64 = 1_800_000_000;
/// The secret of the HS256 doors.
pub(crate) const SECRET: &[u8] =
    b"sixty-four bytes that are the secret of all HMAC keys, no fewer.";
/// The secret of session cookies.
pub(crate) const COOKIE_SECRET: &str = "keyboard cat, and a few others";
pub(crate) const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!(
            "../../../../crates/tower-ws-auth-jwt/tests/data/",
            $name
        ))
    };
}

pub(crate) const RSA: &str = pem!("rsa-2048.pem");
pub(crate) const RSA_PUBLIC: &str = pem!("rsa-2048.pub.pem");
pub(crate) const EC: &str = pem!("ec-p256.pem");
pub(crate) const EC_PUBLIC: &str = pem!("ec-p256.pub.pem");
pub(crate) const ED: &str = pem!("ed25519.pem");
pub(crate) const ED_PUBLIC: &str = pem!("ed25519.pub.pem");

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn unb64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Claims that any door would accept.
pub(crate) fn good_claims() -> Value {
    json!({ "sub": "ada", "exp": NOW + 600 })
}

pub(crate) fn good_payload() -> String {
    good_claims().to_string()
}

/// `header.payload` as it is given, and the HMAC of it.
pub(crate) fn hmac_over(alg: &str, key: &[u8], signed: &str) -> String {
    macro_rules! tag {
        ($hash:ty) => {
            Hmac::<$hash>::new_from_slice(key)
                .unwrap()
                .chain_update(signed)
                .finalize()
                .into_bytes()
                .to_vec()
        };
    }
    let tag: Vec<u8> = match alg {
        "HS384" => tag!(Sha384),
        "HS512" => tag!(Sha512),
        _ => tag!(Sha256),
    };
    format!("{signed}.{}", b64(tag))
}

/// A token with this header and this payload, and a valid HS256 signature.
pub(crate) fn hs(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    hmac_over(
        "HS256",
        SECRET,
        &format!("{}.{}", b64(header), b64(payload)),
    )
}

/// A token with these claims and a good HS256 signature.
pub(crate) fn with_claims(payload: impl AsRef<[u8]>) -> String {
    hs(HS256, payload)
}

/// A token that is good in every respect.
pub(crate) fn good() -> String {
    with_claims(good_payload())
}

/// Signs with a private key of ours.
pub(crate) fn sign(door: Door, header: &str, payload: &str) -> String {
    use_aws();
    let (key, algorithm) = match door {
        Door::Hs => return hs(header, payload),
        Door::Rs => (EncodingKey::from_rsa_pem(RSA.as_bytes()), Algorithm::RS256),
        Door::Es => (EncodingKey::from_ec_pem(EC.as_bytes()), Algorithm::ES256),
        Door::Ed => (EncodingKey::from_ed_pem(ED.as_bytes()), Algorithm::EdDSA),
    };
    let signed = format!("{}.{}", b64(header), b64(payload));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key.unwrap(), algorithm);
    format!("{signed}.{}", signature.unwrap())
}

/// With both of its backends built in, jsonwebtoken wants to be told which one to take.
pub(crate) fn use_aws() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    });
}

/// The doors that are opened by a JWT, by the one algorithm that they know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Hs,
    Rs,
    Es,
    Ed,
}

impl Door {
    pub(crate) const ALL: [Self; 4] = [Self::Hs, Self::Rs, Self::Es, Self::Ed];

    pub(crate) fn alg(self) -> &'static str {
        match self {
            Self::Hs => "HS256",
            Self::Rs => "RS256",
            Self::Es => "ES256",
            Self::Ed => "EdDSA",
        }
    }

    /// The public part of the key, which an attacker knows.
    pub(crate) fn public(self) -> Option<&'static str> {
        match self {
            Self::Hs => None,
            Self::Rs => Some(RSA_PUBLIC),
            Self::Es => Some(EC_PUBLIC),
            Self::Ed => Some(ED_PUBLIC),
        }
    }

    /// A token that this door accepts.
    pub(crate) fn good(self) -> String {
        let header = format!(r#"{{"alg":"{}","typ":"JWT"}}"#, self.alg());
        sign(self, &header, &good_payload())
    }
}

/// A session cookie's value as Express signs it, not yet percent-encoded.
pub(crate) fn express(secret: &str, id: &str) -> String {
    let tag = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .unwrap()
        .chain_update(id)
        .finalize();
    format!("s:{id}.{}", STANDARD_NO_PAD.encode(tag.into_bytes()))
}

pub(crate) fn percent_encoded(text: impl AsRef<[u8]>) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for &byte in text.as_ref() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
