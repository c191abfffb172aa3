use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::polling::PollingError;

/// Binds a `sid` to the identity that opened it.
#[derive(Clone)]
pub(crate) struct Binding(Hmac<Sha256>);

/// Between the server's `sid` and its tag.
const SEPARATOR: char = '.';
/// 128 bits.
const TAG: usize = 16;
/// The shortest secret, in bytes.
const SECRET: usize = 32;

impl Binding {
    pub(crate) fn new(secret: &[u8]) -> Result<Self, PollingError> {
        if secret.len() < SECRET {
            return Err(PollingError(secret.len()));
        }
        let mac = Hmac::new_from_slice(secret);
        mac.map(Self).map_err(|_| PollingError(secret.len()))
    }

    /// The `sid` for the client.
    pub(crate) fn bind(&self, sid: &str, identity: &str) -> String {
        let tag = self.mac(sid, identity).finalize().into_bytes();
        let tag = URL_SAFE_NO_PAD.encode(&tag[..TAG]);
        format!("{sid}{SEPARATOR}{tag}")
    }

    /// The server's `sid`, if this identity opened it.
    pub(crate) fn open<'a>(&self, bound: &'a str, identity: &str) -> Option<&'a str> {
        let (sid, tag) = bound.rsplit_once(SEPARATOR)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        // A shorter one would be easier to guess.
        if tag.len() != TAG {
            return None;
        }
        let mac = self.mac(sid, identity);
        mac.verify_truncated_left(&tag).is_ok().then_some(sid)
    }

    /// The length says where one ends and the other begins.
    fn mac(&self, sid: &str, identity: &str) -> Hmac<Sha256> {
        let mac = self
            .0
            .clone()
            .chain_update((sid.len() as u64).to_be_bytes());
        mac.chain_update(sid).chain_update(identity)
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Binding")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Binding {
        Binding::new(b"0123456789abcdef0123456789abcdef").unwrap()
    }

    #[test]
    fn a_sid_is_good_for_its_own_identity_alone() {
        let bound = binding().bind("abc-_1", "ada");
        assert_eq!(binding().open(&bound, "ada"), Some("abc-_1"));
        assert_eq!(binding().open(&bound, "eve"), None);
        assert_eq!(binding().open(&bound, ""), None);
        let other = Binding::new(b"another secret of thirty-two byte").unwrap();
        assert_eq!(other.open(&bound, "ada"), None);
    }

    #[test]
    fn no_other_text_is_a_sid() {
        let bound = binding().bind("abc", "ada");
        let (sid, tag) = bound.split_once('.').unwrap();
        for text in [
            sid.to_owned(),
            format!("{sid}."),
            format!("{sid}.{}", &tag[..20]),
            format!("{sid}.{tag}AA"),
            format!("{sid}.{tag}="),
            format!("abd.{tag}"),
            format!(".{tag}"),
            tag.to_owned(),
            String::new(),
        ] {
            assert_eq!(binding().open(&text, "ada"), None, "{text}");
        }
    }

    #[test]
    fn a_part_of_the_sid_is_no_part_of_the_identity() {
        let bound = binding().bind("ab", "cd");
        let (_, tag) = bound.split_once('.').unwrap();
        assert_eq!(binding().open(&format!("abc.{tag}"), "d"), None);
        assert_eq!(binding().open(&format!("a.{tag}"), "bcd"), None);
    }

    #[test]
    fn a_short_secret_is_an_error() {
        let error = Binding::new(&[7; 31]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the secret has 31 bytes: use at least 32"
        );
        assert_eq!(format!("{:?}", binding()), "Binding");
    }
}
