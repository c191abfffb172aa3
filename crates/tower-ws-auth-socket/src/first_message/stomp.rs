//! The header of a STOMP frame that opens a connection.

/// What such a frame holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No header of this name.
    Nothing,
    Text(String),
    /// No `CONNECT` or `STOMP` frame, or the header stands in it twice.
    Invalid,
}

/// Finds a header of a `CONNECT` or `STOMP` frame (STOMP 1.2, "Connecting"), whose headers have no
/// escapes.
pub(super) fn header(frame: &str, name: &str) -> Found {
    let frame = frame.trim_start_matches(['\r', '\n']);
    let Some((frame, _)) = frame.split_once('\0') else {
        return Found::Invalid;
    };
    let mut lines = frame
        .split_terminator('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    if !matches!(lines.next(), Some("CONNECT" | "STOMP")) {
        return Found::Invalid;
    }
    let mut found = Found::Nothing;
    for line in lines.by_ref() {
        if line.is_empty() {
            return found;
        }
        match line.split_once(':') {
            Some((key, value)) if key == name => {
                if found != Found::Nothing {
                    return Found::Invalid;
                }
                found = Found::Text(value.to_owned());
            }
            Some(_) => {}
            None => return Found::Invalid,
        }
    }
    // The headers have no end.
    Found::Invalid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_the_connect_frame_is_found() {
        let text = |text: &str| Found::Text(text.to_owned());
        for (frame, found) in [
            (
                "CONNECT\naccept-version:1.2\npasscode:abc\n\n\0",
                text("abc"),
            ),
            ("\n\nSTOMP\r\npasscode:a:b\r\n\r\n\0\n", text("a:b")),
            ("CONNECT\nlogin:ada\n\n\0", Found::Nothing),
            ("CONNECT\n\npasscode:abc\n\0", Found::Nothing),
            ("CONNECT\npasscode:a\npasscode:b\n\n\0", Found::Invalid),
            ("SEND\npasscode:a\n\n\0", Found::Invalid),
            ("CONNECT\npasscode\n\n\0", Found::Invalid),
            ("CONNECT\npasscode:a\n\0", Found::Invalid),
            ("CONNECT\npasscode:a\n\n", Found::Invalid),
            ("", Found::Invalid),
        ] {
            assert_eq!(header(frame, "passcode"), found, "{frame:?}");
        }
    }
}
