use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroize as _;

/// The 256 bits of a ticket.
pub(crate) struct Secret([u8; 32]);

/// 32 bytes in base64url without padding.
const LENGTH: usize = 43;

impl Secret {
    /// Generates a new one from the operating system's randomness.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut secret = Self([0; 32]);
        getrandom::fill(&mut secret.0)?;
        Ok(secret)
    }

    /// Parses a ticket: 32 bytes in canonical base64url.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut secret = Self([0; 32]);
        let canonical =
            text.len() == LENGTH && URL_SAFE_NO_PAD.decode_slice(text, &mut secret.0) == Ok(32);
        canonical.then_some(secret)
    }

    pub(crate) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_text_of_43_characters() {
        let secret = Secret::generate().unwrap();
        let text = secret.to_text();
        assert_eq!(text.len(), LENGTH);
        assert_eq!(Secret::parse(&text).unwrap().as_bytes(), secret.as_bytes());
    }

    #[test]
    fn refuses_every_other_length_and_alphabet() {
        let good = "A".repeat(LENGTH);
        assert!(Secret::parse(&good).is_some());
        for bad in [
            "",
            "A",
            &good[1..],
            &format!("{good}A"),
            &format!("{good}="),
            // Bits after the last byte: another text for the same 32 bytes.
            &format!("{}B", &good[1..]),
            &format!("{}+", &good[1..]),
            &format!("{}/A", &good[2..]),
            &format!("{}é", &good[2..]),
        ] {
            assert!(Secret::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn does_not_print() {
        let secret = Secret::generate().unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
    }
}
