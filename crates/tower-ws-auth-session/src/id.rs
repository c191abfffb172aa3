use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tower_ws_auth_core::RevocationKey;

use crate::SessionError;

/// The longest accepted id, in bytes.
const LONGEST: usize = 256;

/// A session's id, with a checked signature or freshly made.
///
/// Together with a leaked secret, an id is enough to take over the session. So no `Debug` prints
/// it. A store reads it with [`as_str`](Self::as_str).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// 24 bytes from the operating system, written as Express writes them: 32 characters.
    pub(crate) fn random() -> Result<Self, SessionError> {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).map_err(|error| SessionError::Random(error.into()))?;
        Ok(Self(BASE64_URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// An id with a valid signature. The same secret may sign other cookies with values that a
    /// client chooses, so an id is checked before a store is asked.
    pub(crate) fn signed(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control);
        fits.then(|| Self(text.into()))
    }

    /// The id itself, for a store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The key that revokes everything granted to this session: `session:` and the SHA-256 of the
    /// id in hexadecimal.
    ///
    /// It is [final](RevocationKey::into_final): no session gets this id again. Logs and other
    /// nodes see the key, and they must not see the id.
    pub fn revocation_key(&self) -> RevocationKey {
        RevocationKey::written_later(self.shared(), revocation_key_of).into_final()
    }
}

fn revocation_key_of(id: &str) -> String {
    const PREFIX: &str = "session:";
    let digest = Sha256::digest(id.as_bytes());
    let mut text = [0; 64];
    for (digits, byte) in text.chunks_exact_mut(2).zip(digest) {
        digits.copy_from_slice(&[hex(byte >> 4), hex(byte & 0xf)]);
    }
    [PREFIX, str::from_utf8(&text).unwrap_or_default()].concat()
}

/// A hexadecimal digit. `write!` would cost as much as the digest.
fn hex(digit: u8) -> u8 {
    if digit < 10 {
        b'0' + digit
    } else {
        b'a' + (digit - 10)
    }
}

/// A map of sessions can be asked by the text.
impl Borrow<str> for SessionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(redacted)")
    }
}

#[cfg(test)]
mod ids {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_fresh_one_is_32_characters_and_never_the_same() {
        let ids: Vec<_> = (0..500).map(|_| SessionId::random().unwrap()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        for id in &ids {
            assert_eq!(id.as_str().len(), 32);
            assert!((id.as_str().bytes()).all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        }
        // Each character has its six bits of randomness: nearly all of the 64 are seen.
        for place in 0..32 {
            let seen: HashSet<_> = ids.iter().map(|id| id.as_str().as_bytes()[place]).collect();
            assert!(seen.len() > 50, "{place}: {}", seen.len());
        }
    }

    #[test]
    fn an_empty_long_or_unprintable_one_is_invalid_even_if_signed() {
        for text in ["", "a\0b", "a\r\nb", "\u{7f}", &"a".repeat(257)] {
            assert!(SessionId::signed(text).is_none(), "{text:?}");
        }
        assert!(SessionId::signed(&"a".repeat(256)).is_some());
    }

    #[test]
    fn the_revocation_key_hides_the_id() {
        let id = SessionId::signed("abc").unwrap();
        let key = id.revocation_key();
        assert!(key.is_final());
        assert_eq!(
            key.name(),
            "session:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(format!("{id:?}"), "SessionId(redacted)");
    }
}
