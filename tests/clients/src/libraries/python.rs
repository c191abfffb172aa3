//! Libraries in Python, which make one attempt for each call of the application.

use tower_ws_auth::ClientProtocol;

use super::library::{Library, ended, refused};
use super::server::Speech;

/// python-socketio.
pub const PYTHON_SOCKETIO: Library = Library {
    name: "python-socketio",
    protocol: ClientProtocol::detect,
    speech: Speech {
        greeting: &[
            r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
        ],
        answers: &[("40", r#"40{"sid":"b"}"#)],
        binary: false,
    },
    by_state: false,
    namespaces: &[],
    cases: &[
        refused(
            "forbidden",
            &[r#"connect_error {"message":"forbidden","data":{"reason":"forbidden"}}"#],
            1,
        ),
        refused(
            "expired",
            &[r#"connect_error {"message":"token_expired""#, "refresh"],
            2,
        ),
        refused("busy", &["connect_error"], 1),
        ended(
            "revoked",
            &[r#"auth_ended {"reason":"revoked"}"#, "disconnect"],
            1,
        ),
        ended(
            "token_expired",
            &[r#"auth_ended {"reason":"token_expired"}"#, "refresh"],
            2,
        ),
    ],
};

/// gql.
pub const GQL: Library = Library {
    name: "gql",
    protocol: ClientProtocol::detect,
    speech: Speech {
        greeting: &[],
        answers: &[("connection_init", r#"{"type":"connection_ack"}"#)],
        binary: false,
    },
    by_state: false,
    namespaces: &[],
    cases: &[
        refused("forbidden", &[r#"closed [4401,"forbidden"]"#], 1),
        refused(
            "expired",
            &[r#"closed [4403,"token_expired"]"#, "refresh"],
            2,
        ),
        refused("busy", &[r#"closed [4503,"unavailable"]"#], 1),
        ended("revoked", &[r#"closed [4401,"revoked"]"#], 1),
        ended(
            "token_expired",
            &[r#"closed [4403,"token_expired"]"#, "refresh"],
            2,
        ),
    ],
};
