use std::fmt::{self, Write};

use crate::Denial;

/// The packet by which a client of Socket.IO 4 asks for a namespace: `40`, `40{"token":"t"}`,
/// `40/admin,{"token":"t"}`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConnectPacket<'a> {
    namespace: &'a str,
    auth: Option<&'a str>,
}

/// Engine.IO's message, and Socket.IO's CONNECT and `CONNECT_ERROR`.
const CONNECT: &str = "40";
const CONNECT_ERROR: &str = "44";
const DEFAULT: &str = "/";

impl<'a> ConnectPacket<'a> {
    /// The longest name of a namespace, in bytes. It is repeated in the answer.
    pub const MAX_NAMESPACE: usize = 256;
    /// The longest `auth`, in bytes.
    pub const MAX_AUTH: usize = 16 * 1024;

    /// Reads one of Engine.IO's text messages. `None` if it is another packet, or an invalid one: a
    /// namespace that is too long or has a control character, an `auth` that is no object or is too
    /// long. The JSON itself is not checked.
    pub fn read(message: &'a str) -> Option<Self> {
        let rest = message.strip_prefix(CONNECT)?;
        let (namespace, auth) = match rest.strip_prefix('/') {
            None => (DEFAULT, rest),
            Some(_) => rest.split_once(',').unwrap_or((rest, "")),
        };
        let is_name =
            namespace.len() <= Self::MAX_NAMESPACE && !namespace.chars().any(char::is_control);
        let is_auth = auth.len() <= Self::MAX_AUTH
            && (auth.is_empty() || auth.starts_with('{') && auth.ends_with('}'));
        (is_name && is_auth).then_some(Self {
            namespace,
            auth: Some(auth).filter(|auth| !auth.is_empty()),
        })
    }

    /// The namespace, `/` by default.
    pub fn namespace(&self) -> &'a str {
        self.namespace
    }

    /// The JSON of the client's `auth`: a credential, as a rule.
    pub fn auth(&self) -> Option<&'a str> {
        self.auth
    }

    pub(crate) fn accepted(&self, sid: &str) -> String {
        let mut packet = self.begin(CONNECT);
        packet.push_str(r#"{"sid":""#);
        let needs_no_escape = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
        packet.extend(sid.chars().filter(needs_no_escape));
        packet.push_str(r#""}"#);
        packet
    }

    pub(crate) fn refused(&self, denial: &Denial) -> String {
        let mut packet = self.begin(CONNECT_ERROR);
        // From a fixed set: nothing in it needs an escape.
        let reason = denial.reason();
        let written = match denial.rejection().retry_after() {
            None => write!(
                packet,
                r#"{{"message":"{reason}","data":{{"reason":"{reason}"}}}}"#
            ),
            Some(seconds) => write!(
                packet,
                r#"{{"message":"{reason}","data":{{"reason":"{reason}","retry_after":{seconds}}}}}"#
            ),
        };
        // A `String` takes everything.
        debug_assert!(written.is_ok());
        packet
    }

    fn begin(&self, kind: &str) -> String {
        if self.namespace == DEFAULT {
            return kind.to_owned();
        }
        format!("{kind}{},", self.namespace)
    }
}

impl fmt::Debug for ConnectPacket<'_> {
    // Without `auth`, which is a credential as a rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectPacket")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_and_an_auth_are_read() {
        for (message, namespace, auth) in [
            ("40", "/", None),
            (r#"40{"token":"/a,"}"#, "/", Some(r#"{"token":"/a,"}"#)),
            ("40/admin,", "/admin", None),
            ("40/admin", "/admin", None),
            (r#"40/admin,{"a":","}"#, "/admin", Some(r#"{"a":","}"#)),
            ("40/,", "/", None),
            ("40/admin?token=a,", "/admin?token=a", None),
        ] {
            let packet = ConnectPacket::read(message).unwrap();
            assert_eq!((packet.namespace(), packet.auth()), (namespace, auth));
        }
    }

    #[test]
    fn no_other_message_is_read() {
        for message in [
            "",
            "4",
            "41",
            "42[\"a\"]",
            "2",
            "4x",
            "40[1]",
            "40x",
            "40/a,x",
            "40/a\nb,",
        ] {
            assert_eq!(ConnectPacket::read(message), None, "{message}");
        }
        let name = |length: usize| format!("40/{},", "x".repeat(length - 1));
        assert!(ConnectPacket::read(&name(ConnectPacket::MAX_NAMESPACE)).is_some());
        assert!(ConnectPacket::read(&name(ConnectPacket::MAX_NAMESPACE + 1)).is_none());
        let auth = |length: usize| format!("40{{{}}}", " ".repeat(length - 2));
        assert!(ConnectPacket::read(&auth(ConnectPacket::MAX_AUTH)).is_some());
        assert!(ConnectPacket::read(&auth(ConnectPacket::MAX_AUTH + 1)).is_none());
    }

    #[test]
    fn an_auth_is_not_printed() {
        let packet = ConnectPacket::read(r#"40/a,{"token":"secret"}"#);
        assert!(!format!("{packet:?}").contains("secret"));
    }

    #[test]
    fn a_sid_stays_inside_of_its_json() {
        let packet = ConnectPacket::read("40").unwrap();
        assert_eq!(packet.accepted("a\"\\\n-b"), r#"40{"sid":"a-b"}"#);
    }
}
