use tower_ws_auth_core::revocation::{Ending, Revocation};

/// A revocation as it is kept: the microseconds since the Unix epoch, and what the client is
/// told: a public token, or a close code of the application's and its reason.
pub(crate) fn write(revocation: &Revocation) -> String {
    let micros = revocation.micros();
    match revocation.ending() {
        Ending::Application(own) => format!("{micros} {} {}", own.code(), own.reason()),
        other => format!("{micros} {}", other.token()),
    }
}

pub(crate) fn read(text: &str) -> Option<Revocation> {
    let (micros, ending) = text.split_once(' ')?;
    let ending = match ending {
        "revoked" => Ending::Revoked,
        "session_ended" => Ending::SessionEnded,
        "token_expired" => Ending::TokenExpired,
        "too_many_connections" => Ending::TooManyConnections,
        "going_away" => Ending::GoingAway,
        own => {
            let (code, reason) = own.split_once(' ')?;
            Ending::application(code.parse().ok()?, reason).ok()?
        }
    };
    Some(Revocation::at_micros(micros.parse().ok()?, ending))
}

/// The same as it is published, with its key.
pub(crate) fn announce(key: &str, revocation: &Revocation) -> String {
    format!("{}\n{key}", write(revocation))
}

pub(crate) fn hear(message: &str) -> Option<(&str, Revocation)> {
    // A reason of the application may have lines of its own; what is first cannot.
    let (text, key) = message.rsplit_once('\n')?;
    Some((key, read(text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let own = |reason: &str| Ending::application(4999, reason).unwrap();
        for ending in [
            Ending::Revoked,
            Ending::SessionEnded,
            Ending::TokenExpired,
            Ending::TooManyConnections,
            Ending::GoingAway,
            own("banned"),
            own(""),
            own("banned until\nmonday "),
        ] {
            let revocation = Revocation::at_micros(1_700_000_000_123_456, ending);
            assert_eq!(read(&write(&revocation)), Some(revocation.clone()));
            let message = announce("user:ada lovelace", &revocation);
            assert_eq!(hear(&message), Some(("user:ada lovelace", revocation)));
        }
    }

    #[test]
    fn what_is_none_is_not_read() {
        for text in [
            "",
            "1",
            "1 ",
            "1 4999",
            "1 unknown",
            "1 1000 x",
            "x revoked",
            "-1 revoked",
            "1  revoked",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        for message in ["", "1 revoked", "revoked\nuser:ada", "\n"] {
            assert_eq!(hear(message), None, "{message:?}");
        }
    }
}
