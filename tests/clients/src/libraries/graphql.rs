//! GraphQL over WebSocket, of two protocols.

use tower_ws_auth::ClientProtocol;

use super::library::{Library, ended, refused};
use super::server::Speech;

const GRAPHQL: Speech = Speech {
    greeting: &[],
    binary: false,
    answers: &[("connection_init", r#"{"type":"connection_ack"}"#)],
};

/// graphql-ws.
pub const GRAPHQL_WS: Library = Library {
    name: "graphql-ws",
    protocol: ClientProtocol::detect,
    speech: GRAPHQL,
    by_state: false,
    namespaces: &[],
    cases: &[
        refused("forbidden", &[r#"closed [4401,"forbidden"]"#], 1),
        refused(
            "expired",
            &[r#"closed [4403,"token_expired"]"#, "refresh"],
            2,
        ),
        refused("busy", &[r#"closed [4503,"unavailable"]"#], 4),
        ended("revoked", &[r#"closed [4401,"revoked"]"#], 1),
        ended(
            "token_expired",
            &[r#"closed [4403,"token_expired"]"#, "refresh"],
            2,
        ),
    ],
};

/// @apollo/client over graphql-ws.
pub const APOLLO_CLIENT: Library = Library {
    name: "@apollo/client",
    protocol: ClientProtocol::detect,
    speech: GRAPHQL,
    by_state: false,
    namespaces: &[],
    cases: &[
        refused("forbidden", &[r#"closed [4401,"forbidden"]"#], 1),
        refused(
            "expired",
            &[r#"closed [4403,"token_expired"]"#, "refresh"],
            2,
        ),
        refused("busy", &[r#"closed [4503,"unavailable"]"#], 4),
        ended("revoked", &[r#"closed [4401,"revoked"]"#], 1),
        ended(
            "token_expired",
            &[r#"closed [4403,"token_expired"]"#, "refresh"],
            2,
        ),
    ],
};

/// subscriptions-transport-ws.
pub const SUBSCRIPTIONS_TRANSPORT_WS: Library = Library {
    name: "subscriptions-transport-ws",
    protocol: ClientProtocol::detect,
    speech: GRAPHQL,
    by_state: false,
    namespaces: &[],
    cases: &[
        refused(
            "forbidden",
            &[r#"connectionCallback {"message":"forbidden"}"#],
            1,
        ),
        refused(
            "expired",
            &[
                r#"connectionCallback {"message":"token_expired"}"#,
                "refresh",
            ],
            // It may come back while its application refreshes.
            3,
        ),
        // Its delays double from 100 ms, and each is cut to a half at most: 6.4 s for eight.
        refused(
            "busy",
            &[r#"connectionCallback {"message":"unavailable"}"#],
            8,
        ),
        ended(
            "revoked",
            &[r#"connectionCallback {"message":"revoked"}"#],
            1,
        ),
        ended(
            "token_expired",
            &[
                r#"connectionCallback {"message":"token_expired"}"#,
                "refresh",
            ],
            2,
        ),
    ],
};
