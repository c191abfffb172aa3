//! Action Cable, and its other client.

use tower_ws_auth::ClientProtocol;

use super::library::{Library, ended, refused};
use super::server::Speech;

const CABLE: Speech = Speech {
    greeting: &[r#"{"type":"welcome","sid":"a"}"#],
    binary: false,
    answers: &[
        (
            r#"\"Room\""#,
            r#"{"identifier":"{\"channel\":\"Room\"}","type":"confirm_subscription"}"#,
        ),
        (
            "$pubsub",
            r#"{"identifier":"{\"channel\":\"$pubsub\",\"stream_name\":\"room\"}","type":"confirm_subscription"}"#,
        ),
    ],
};

/// @rails/actioncable.
pub const ACTION_CABLE: Library = Library {
    name: "@rails/actioncable",
    protocol: ClientProtocol::detect,
    speech: CABLE,
    by_state: false,
    namespaces: &[],
    cases: &[
        refused(
            "forbidden",
            &[
                "Reason: forbidden",
                r#"disconnected {"willAttemptReconnect":false}"#,
            ],
            1,
        ),
        refused("expired", &["Reason: token_expired", "refresh"], 2),
        refused("busy", &["Reason: unavailable"], 2),
        ended(
            "revoked",
            &[
                "Reason: revoked",
                r#"disconnected {"willAttemptReconnect":false}"#,
            ],
            1,
        ),
        ended("token_expired", &["Reason: token_expired", "refresh"], 2),
    ],
};

/// @anycable/core, and @anycable/web in a page.
pub const ANY_CABLE: Library = Library {
    name: "@anycable/core",
    protocol: ClientProtocol::detect,
    speech: CABLE,
    by_state: false,
    namespaces: &[],
    cases: &[
        refused("forbidden", &[r#"close "forbidden""#], 1),
        refused("expired", &[r#"disconnect "token_expired""#, "refresh"], 2),
        refused("busy", &[r#"disconnect "unavailable""#], 3),
        ended("revoked", &[r#"close "revoked""#], 1),
        ended(
            "token_expired",
            &[r#"disconnect "token_expired""#, "refresh"],
            2,
        ),
    ],
};
