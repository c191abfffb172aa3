use std::time::Duration;

use serde::{Deserialize, Serialize};
use tower_ws_auth_core::revocation::{DisconnectReason, Revocation};

/// A revocation as Redis keeps it: the microseconds since the Unix epoch; the seconds of its margin
/// behind a `~`, and then the moment of a firm one behind a `!`, if it has them; and a public reason
/// or the application's close code with its reason. `revoke.lua` reads and writes the same.
pub(crate) fn write(revocation: &Revocation) -> String {
    let micros = revocation.micros();
    // No reason begins like these. A node that does not know them revokes at once, and for all.
    let micros = match (revocation.margin().as_secs(), revocation.firm()) {
        (0, _) => micros.to_string(),
        (seconds, None) => format!("{micros} ~{seconds}"),
        (seconds, Some(firm)) => format!("{micros} ~{seconds} !{firm}"),
    };
    match revocation.reason() {
        DisconnectReason::Application(own) => format!("{micros} {} {}", own.code(), own.reason()),
        other => format!("{micros} {}", other.reason()),
    }
}

pub(crate) fn read(text: &str) -> Option<Revocation> {
    let (micros, reason) = text.split_once(' ')?;
    let (margin, reason) = match reason.strip_prefix('~') {
        Some(rest) => rest.split_once(' ')?,
        None => ("0", reason),
    };
    let (firm, reason) = match reason.strip_prefix('!') {
        Some(rest) => {
            let (firm, reason) = rest.split_once(' ')?;
            (Some(firm.parse().ok()?), reason)
        }
        None => (None, reason),
    };
    let reason = match reason {
        "revoked" => DisconnectReason::Revoked,
        "forbidden" => DisconnectReason::Forbidden,
        "session_ended" => DisconnectReason::SessionEnded,
        "token_expired" => DisconnectReason::TokenExpired,
        "too_many_connections" => DisconnectReason::TooManyConnections,
        "going_away" => DisconnectReason::GoingAway,
        own => {
            let (code, reason) = own.split_once(' ')?;
            DisconnectReason::application(code.parse().ok()?, reason).ok()?
        }
    };
    let margin = Duration::from_secs(margin.parse().ok()?);
    let revocation = Revocation::at_micros(micros.parse().ok()?, reason).with_margin(margin);
    Some(match firm {
        // Without a margin it is firm itself.
        Some(firm) if !margin.is_zero() => revocation.with_firm(firm),
        _ => revocation,
    })
}

pub(crate) fn read_bytes(kept: &[u8]) -> Option<Revocation> {
    read(std::str::from_utf8(kept).ok()?)
}

/// Stands for an unreadable revocation. It is later than every credential.
pub(crate) fn unreadable() -> Revocation {
    Revocation::at_micros(u64::MAX, DisconnectReason::Revoked)
}

/// The same as it is published, with its key. JSON, so that no key or reason can be read as another
/// field.
#[derive(Serialize, Deserialize)]
struct News<T> {
    key: T,
    revocation: T,
}

pub(crate) fn announce(key: &str, revocation: &Revocation) -> Vec<u8> {
    let revocation = &*write(revocation);
    // Two texts can always be serialized.
    serde_json::to_vec(&News { key, revocation }).unwrap_or_default()
}

pub(crate) fn hear(message: &[u8]) -> Option<(String, Revocation)> {
    // As text first: serde_json does not check the UTF-8 of ignored texts.
    let news: News<String> = serde_json::from_str(str::from_utf8(message).ok()?).ok()?;
    Some((news.key, read(&news.revocation)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(reason: &str) -> DisconnectReason {
        DisconnectReason::application(4999, reason).unwrap()
    }

    #[test]
    fn reads_what_it_writes() {
        for reason in [
            DisconnectReason::Revoked,
            DisconnectReason::Forbidden,
            DisconnectReason::SessionEnded,
            DisconnectReason::TokenExpired,
            DisconnectReason::TooManyConnections,
            DisconnectReason::GoingAway,
            own("banned"),
            own(""),
            own("banned until\nmonday "),
        ] {
            let revocation = Revocation::at_micros(1_700_000_000_123_456, reason);
            assert_eq!(read(&write(&revocation)), Some(revocation.clone()));
            let kept = revocation.clone().with_margin(Duration::from_secs(9));
            assert_eq!(read(&write(&kept)), Some(kept.clone()));
            let kept = kept.with_firm(1_600_000_000_000_000);
            assert_eq!(read(&write(&kept)), Some(kept));
            let message = announce("user:ada lovelace", &revocation);
            let heard = Some(("user:ada lovelace".to_owned(), revocation));
            assert_eq!(hear(&message), heard);
        }
    }

    #[test]
    fn no_key_and_no_reason_changes_the_meaning_of_the_news() {
        let strange = [
            "",
            "\n",
            "user:ada\nuser:bob",
            "user:ada\r\n1 revoked",
            "\"}",
            r#"user:ada","revocation":"1 revoked","key":"user:bob"#,
            "\\",
            "\0",
            "1 revoked\nuser:bob",
            "\u{2028}user:bob\u{eb}",
        ];
        for key in strange {
            for reason in strange {
                let revocation = Revocation::at_micros(7, own(reason));
                let heard = hear(&announce(key, &revocation));
                assert_eq!(heard, Some((key.to_owned(), revocation)));
            }
        }
    }

    #[test]
    fn an_invalid_text_is_not_read() {
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
            "1 ~ revoked",
            "1 ~9 ! revoked",
            "1 ~9 !x revoked",
            "1 ~9 !7",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        for message in [
            "",
            "{}",
            "1 revoked\nuser:ada",
            r#"{"key":"user:ada"}"#,
            r#"{"key":"user:ada","revocation":"revoked"}"#,
            r#"{"key":7,"revocation":"1 revoked"}"#,
            "{\"key\":\"user:ada\nuser:bob\",\"revocation\":\"1 revoked\"}",
        ] {
            assert_eq!(hear(message.as_bytes()), None, "{message:?}");
        }
        let bad = b"{\"key\":\"user:ada\",\"more\":\"\xff\",\"revocation\":\"1 revoked\"}";
        assert_eq!(hear(bad), None);
    }
}
