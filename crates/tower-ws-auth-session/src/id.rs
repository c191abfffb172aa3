use std::borrow::Borrow;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tower_ws_auth_core::RevocationKey;

use crate::SessionError;

/// The longest id that is read, in bytes.
const LONGEST: usize = 256;

/// A session's id, whose signature has been checked or which was just made.
///
/// With a secret that has leaked it is all that is needed to be that user, so no `Debug` prints
/// it. A store needs it in plain: [`as_str`](Self::as_str).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// 24 bytes from the operating system, written as Express writes them: 32 characters.
    pub(crate) fn random() -> Result<Self, SessionError> {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).map_err(|error| SessionError::Random(error.into()))?;
        Ok(Self(BASE64_URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// An id that came under a good signature. The same secret may sign other cookies, whose
    /// values somebody else chooses, so that a store is not asked for just anything.
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

    /// The key under which everything that this session was granted can be revoked:
    /// `session:` and the SHA-256 of the id in hexadecimal.
    ///
    /// It is [final](RevocationKey::into_final): no session gets this id again. It goes to logs and
    /// to the other nodes, where the id itself must not be seen.
    pub fn revocation_key(&self) -> RevocationKey {
        const PREFIX: &str = "session:";
        let digest = Sha256::digest(self.0.as_bytes());
        let mut key = String::with_capacity(PREFIX.len() + 2 * digest.len());
        key.push_str(PREFIX);
        for byte in digest {
            // Writing to a `String` does not fail.
            let _ = write!(key, "{byte:02x}");
        }
        RevocationKey::from(key).into_final()
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
    fn an_empty_a_long_and_a_strange_one_are_none_even_if_signed() {
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
