use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ctutils::CtEq as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// HMAC-SHA256 in padded base64. Express drops the one `=`.
const SIGNATURE: usize = 44;
/// The bytes of a `cookie::Key` that form the signing key.
const JAR_KEY: usize = 32;

/// The secrets that sign session cookies, and the format of the signature.
///
/// The first one signs, and all of them verify. To rotate, put a new one in front. Remove the old
/// one when the last of its cookies has expired.
///
/// The secrets themselves are not kept. The state of HMAC-SHA256 after its key is kept, and anyone
/// can sign with it. It is erased on drop, and so is the copy for each signature. What moving a value
/// leaves behind on a stack is not.
#[derive(Clone)]
pub struct Secrets {
    format: Format,
    /// HMAC that has processed its key but no message, so that the key is not hashed for each
    /// cookie.
    keys: Vec<Hmac<Sha256>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `s:<id>.<signature>`
    Express,
    /// `<signature><id>`
    SignedJar,
}

impl Secrets {
    /// The format of Express (`cookie-signature`): `s:<id>.<signature>`.
    ///
    /// # Errors
    ///
    /// No secret at all, or one of less than 16 bytes.
    pub fn express<S: AsRef<[u8]>>(
        secrets: impl IntoIterator<Item = S>,
    ) -> Result<Self, SecretError> {
        Self::collect(Format::Express, secrets, |secret| {
            at_least(16, secret, "dangerous_short_express")?;
            new_key(secret)
        })
    }

    /// Like [`express`](Self::express), but with secrets that may be short, such as `keyboard cat`.
    /// Anyone with one cookie can guess them offline.
    ///
    /// # Errors
    ///
    /// No secret at all, or an empty one.
    pub fn dangerous_short_express<S: AsRef<[u8]>>(
        secrets: impl IntoIterator<Item = S>,
    ) -> Result<Self, SecretError> {
        Self::collect(Format::Express, secrets, new_key)
    }

    /// The format of the crate `cookie` 0.18, and so of axum-extra's `SignedCookieJar`:
    /// `<signature><id>`.
    ///
    /// Each key is the argument of `cookie::Key::from`: at least 64 bytes. The first 32 of them
    /// sign. The others are for encryption and are ignored.
    ///
    /// # Errors
    ///
    /// No key at all, or one of less than 64 bytes.
    pub fn signed_jar<S: AsRef<[u8]>>(
        keys: impl IntoIterator<Item = S>,
    ) -> Result<Self, SecretError> {
        Self::collect(Format::SignedJar, keys, |key| {
            at_least(64, key, "derived_signed_jar")?;
            new_key(&key[..JAR_KEY])
        })
    }

    /// Like [`signed_jar`](Self::signed_jar), with the argument of `cookie::Key::derive_from`: at
    /// least 32 bytes, from which the key is derived.
    ///
    /// # Errors
    ///
    /// No key at all, or one of less than 32 bytes.
    pub fn derived_signed_jar<S: AsRef<[u8]>>(
        masters: impl IntoIterator<Item = S>,
    ) -> Result<Self, SecretError> {
        // HKDF-Expand (RFC 5869 §2.3): its first block is the signing key.
        const INFO: &[u8] = b"COOKIE;SIGNED:HMAC-SHA256;PRIVATE:AEAD-AES-256-GCM\x01";
        Self::collect(Format::SignedJar, masters, |master| {
            at_least(32, master, "signed_jar")?;
            let block = new_key(master)?.chain_update(INFO).finalize();
            let key: Zeroizing<[u8; JAR_KEY]> = Zeroizing::new(block.into_bytes().into());
            new_key(&*key)
        })
    }

    fn collect<S: AsRef<[u8]>>(
        format: Format,
        secrets: impl IntoIterator<Item = S>,
        key: impl Fn(&[u8]) -> Result<Hmac<Sha256>, SecretError>,
    ) -> Result<Self, SecretError> {
        let keys = secrets
            .into_iter()
            .map(|secret| key(secret.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(SecretError::None);
        }
        Ok(Self { format, keys })
    }

    /// The signed value for this id.
    pub(crate) fn sign(&self, id: &str) -> String {
        // `collect` has ensured that there is a first one.
        let signature = self.keys.first().map(|key| signature(key, id));
        let signature = signature.as_ref().map(text).unwrap_or_default();
        match self.format {
            Format::Express => format!("s:{id}.{}", signature.trim_end_matches('=')),
            Format::SignedJar => format!("{signature}{id}"),
        }
    }

    /// The id in a decoded value, if one of the secrets signed it. Nothing is allocated.
    pub(crate) fn verify<'a>(&self, value: &'a str) -> Option<&'a str> {
        let (id, presented) = match self.format {
            Format::Express => value.strip_prefix("s:")?.rsplit_once('.')?,
            Format::SignedJar => {
                let (signature, id) = value.split_at_checked(SIGNATURE)?;
                (id, signature)
            }
        };
        let length = match self.format {
            Format::Express => SIGNATURE - 1,
            Format::SignedJar => SIGNATURE,
        };
        // Compares the text, not its decoded bytes, so that a signature has one valid form.
        self.keys
            .iter()
            .any(|key| {
                signature(key, id)[..length]
                    .ct_eq(presented.as_bytes())
                    .to_bool()
            })
            .then_some(id)
    }
}

fn signature(key: &Hmac<Sha256>, id: &str) -> [u8; SIGNATURE] {
    let mac = key.clone().chain_update(id).finalize().into_bytes();
    let mut text = [0; SIGNATURE];
    // 32 bytes are 44 characters, so it fits. If it did not, the zeros would match no text.
    let _ = BASE64_STANDARD.encode_slice(mac, &mut text);
    text
}

fn text(signature: &[u8; SIGNATURE]) -> &str {
    str::from_utf8(signature).unwrap_or_default()
}

fn new_key(secret: &[u8]) -> Result<Hmac<Sha256>, SecretError> {
    if secret.is_empty() {
        return Err(SecretError::Empty);
    }
    // HMAC takes a key of any length.
    Hmac::new_from_slice(secret).map_err(|_| SecretError::Empty)
}

fn at_least(least: usize, secret: &[u8], instead: &'static str) -> Result<(), SecretError> {
    match secret.len() {
        0 => Err(SecretError::Empty),
        length if length < least => Err(SecretError::Short {
            length,
            least,
            instead,
        }),
        _ => Ok(()),
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("format", &self.format)
            .field("keys", &format_args!("{} redacted", self.keys.len()))
            .finish()
    }
}

/// Why secrets are invalid. It never shows one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is no secret at all.
    #[error("no secret to sign session cookies: give at least one")]
    None,
    /// A secret without a byte.
    #[error("a session secret is empty: check the variable that it comes from")]
    Empty,
    /// A secret that is easy to guess, or too short for this format.
    #[error(
        "a session secret has {length} bytes and needs at least {least}: take random ones of \
         that length, or see `Secrets::{instead}`"
    )]
    Short {
        /// The secret's length in bytes.
        length: usize,
        /// The required length in bytes.
        least: usize,
        /// The constructor that accepts it.
        instead: &'static str,
    },
}
