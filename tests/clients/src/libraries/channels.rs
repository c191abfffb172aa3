//! Servers of channels: Centrifugo and Pusher.

use tower_ws_auth::ClientProtocol;

use super::library::{Library, ended, refused};
use super::server::Speech;

/// centrifuge-js.
pub const CENTRIFUGO: Library = Library {
    name: "centrifuge",
    protocol: ClientProtocol::centrifugo,
    speech: Speech {
        greeting: &[],
        binary: false,
        answers: &[
            (
                r#""token":"good""#,
                r#"{"id":1,"connect":{"client":"a","version":"b"}}"#,
            ),
            (
                r#""token":"fresh","name":"js"},"id":1}"#,
                r#"{"id":1,"connect":{"client":"a","version":"b"}}"#,
            ),
            (
                r#""token":"fresh","name":"js"},"id":2}"#,
                r#"{"id":2,"connect":{"client":"a","version":"b"}}"#,
            ),
        ],
    },
    by_state: true,
    namespaces: &[],
    cases: &[
        refused(
            "forbidden",
            &[r#"disconnected {"code":3507,"reason":"forbidden"}"#],
            1,
        ),
        refused(
            "expired",
            &[r#"error {"code":109,"message":"token_expired""#, "refresh"],
            2,
        ),
        // Half a second, and at random up to that doubled each time: six on average, and more than
        // ten once in a million.
        refused("busy", &["error"], 10),
        ended(
            "revoked",
            &[r#"disconnected {"code":3503,"reason":"revoked"}"#],
            1,
        ),
        ended(
            "token_expired",
            &[
                r#"connecting {"code":3014,"reason":"token_expired"}"#,
                "refresh",
            ],
            2,
        ),
    ],
};

/// pusher-js.
pub const PUSHER: Library = Library {
    name: "pusher-js",
    protocol: ClientProtocol::detect,
    speech: Speech {
        greeting: &[
            r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\",\"activity_timeout\":120}"}"#,
        ],
        binary: false,
        answers: &[],
    },
    by_state: false,
    namespaces: &[],
    cases: &[
        refused(
            "forbidden",
            &[r#"error {"code":4009,"message":"forbidden"}"#],
            1,
        ),
        refused(
            "expired",
            &[
                r#"error {"code":4009,"message":"token_expired"}"#,
                "refresh",
            ],
            2,
        ),
        refused("busy", &[], 1),
        ended(
            "revoked",
            &[r#"error {"code":4009,"message":"revoked"}"#],
            1,
        ),
        ended(
            "token_expired",
            &[
                r#"error {"code":4009,"message":"token_expired"}"#,
                "refresh",
            ],
            2,
        ),
    ],
};
