use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The name of an open connection, 128 bits, by which its client renews it.
///
/// A client chooses it at random, or is given it by the server. It is no credential: only the user
/// of the connection can use it. It is still not logged, because it links the requests of a client.
///
/// ```
/// use tower_ws_auth_socket::lease::ConnectionId;
///
/// // As `crypto.randomUUID()` writes it, in hexadecimal digits, and as `encode` writes it.
/// let id = ConnectionId::decode("9f1c2d3e-4b5a-4c6d-8e7f-001122334455").unwrap();
/// assert_eq!(ConnectionId::decode("9f1c2d3e4b5a4c6d8e7f001122334455"), Some(id));
/// assert_eq!(ConnectionId::decode(&id.encode()), Some(id));
/// assert_eq!(ConnectionId::decode("guess"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId([u8; 16]);

impl ConnectionId {
    /// A random one.
    ///
    /// # Errors
    ///
    /// The system has no entropy.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads 22 characters of base64url, 32 hexadecimal digits, or a UUID with its four hyphens.
    pub fn decode(text: &str) -> Option<Self> {
        match text.len() {
            22 => {
                let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
                bytes.try_into().ok().map(Self)
            }
            32 => hex(text.bytes()),
            36 => {
                let is_uuid = [8, 13, 18, 23].map(|at| text.as_bytes()[at]) == [b'-'; 4];
                is_uuid
                    .then(|| hex(text.bytes().filter(|byte| *byte != b'-')))
                    .flatten()
            }
            _ => None,
        }
    }

    /// 22 characters of base64url.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

fn hex(digits: impl Iterator<Item = u8>) -> Option<ConnectionId> {
    let mut value = 0_u128;
    let mut count = 0;
    for digit in digits {
        value = value << 4 | u128::from(char::from(digit).to_digit(16)?);
        count += 1;
    }
    (count == 32).then(|| ConnectionId(value.to_be_bytes()))
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionId(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_each_of_its_forms_and_in_no_other() {
        let id = ConnectionId([0xab; 16]);
        for text in [
            "q6urq6urq6urq6urq6urqw",
            "abababababababababababababababab",
            "ABABABABABABABABABABABABABABABAB",
            "abababab-abab-abab-abab-abababababab",
        ] {
            assert_eq!(ConnectionId::decode(text), Some(id), "{text}");
        }
        for text in [
            "",
            "q6urq6urq6urq6urq6urq",
            // Stray bits: two texts would name one connection.
            "q6urq6urq6urq6urq6urqx",
            "q6urq6urq6urq6urq6ur+w",
            "ababababababababababababababab-a",
            "abababababababababababababababa\u{e4}",
            "abababab-ababab-ab-abab-abababababab",
            "----------------abababababababababab",
            "+bababababababababababababababab",
        ] {
            assert_eq!(ConnectionId::decode(text), None, "{text}");
        }
    }

    #[test]
    fn two_random_ids_differ_and_none_is_shown() {
        let (one, other) = (
            ConnectionId::random().unwrap(),
            ConnectionId::random().unwrap(),
        );
        assert_ne!(one, other);
        assert!(!format!("{one:?}").contains(&one.encode()));
    }
}
