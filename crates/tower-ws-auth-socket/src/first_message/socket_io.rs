//! The CONNECT packet of Socket.IO, protocol 5, in a message of Engine.IO 4.

/// The open packet of Engine.IO, without which a client sends nothing. That of the handler, with the
/// times of its own, follows.
pub(super) const OPEN: &str =
    r#"0{"sid":"0","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

/// Its JSON, or an empty text; `None` if it is another packet.
pub(super) fn auth(message: &str) -> Option<&str> {
    let packet = message.strip_prefix("40")?;
    // A namespace stands before it, and before an acknowledgement no CONNECT has.
    if !packet.starts_with('/') {
        return Some(packet);
    }
    let auth = packet.split_once(',').map(|(_, auth)| auth);
    Some(auth.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::auth;

    #[test]
    fn the_payload_of_connect_is_found_behind_its_namespace() {
        for (message, found) in [
            ("40", Some("")),
            (r#"40{"token":"a"}"#, Some(r#"{"token":"a"}"#)),
            ("40/chat,", Some("")),
            ("40/chat", Some("")),
            (r#"40/chat?a=1,{"token":"a,b"}"#, Some(r#"{"token":"a,b"}"#)),
            ("4", None),
            ("41", None),
            ("2probe", None),
            ("3", None),
            (r#"42["40"]"#, None),
            (r#"{"token":"a"}"#, None),
        ] {
            assert_eq!(auth(message), found, "{message}");
        }
    }
}
