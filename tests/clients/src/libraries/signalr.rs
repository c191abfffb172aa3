//! @microsoft/signalr.

use tower_ws_auth::ClientProtocol;

use super::library::{Library, ended, refused};
use super::server::Speech;

/// @microsoft/signalr.
pub const SIGNALR: Library = Library {
    name: "@microsoft/signalr",
    protocol: ClientProtocol::signalr,
    speech: Speech {
        greeting: &[],
        binary: false,
        answers: &[("protocol", "{}\u{1e}")],
    },
    by_state: false,
    namespaces: &[],
    cases: &[
        refused(
            "forbidden",
            &[r#"start rejected "Server returned handshake error: forbidden""#],
            1,
        ),
        refused("expired", &["handshake error: token_expired", "refresh"], 2),
        refused("busy", &["handshake error: unavailable"], 1),
        ended(
            "revoked",
            &[r#"onclose "Server returned an error on close: revoked""#],
            1,
        ),
        ended(
            "token_expired",
            &[
                r#"onreconnecting "Server returned an error on close: token_expired""#,
                "refresh",
            ],
            3,
        ),
    ],
};
