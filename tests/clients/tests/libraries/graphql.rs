//! GraphQL over WebSocket, of two protocols.

use client_tests::Speech;
use tower_ws_auth::ClientProtocol;

use crate::library::{Library, ended, refused};

const GRAPHQL: Speech = Speech {
    greeting: None,
    binary: false,
    answers: &[("connection_init", r#"{"type":"connection_ack"}"#)],
};

#[tokio::test]
async fn graphql_ws() {
    Library {
        name: "graphql-ws",
        protocol: ClientProtocol::detect,
        speech: GRAPHQL,
        by_state: false,
        namespaces: &[],
        cases: const {
            &[
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
            ]
        },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}

#[tokio::test]
async fn apollo_client() {
    Library {
        name: "@apollo/client",
        protocol: ClientProtocol::detect,
        speech: GRAPHQL,
        by_state: false,
        namespaces: &[],
        cases: const {
            &[
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
            ]
        },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}

#[tokio::test]
async fn subscriptions_transport_ws() {
    Library {
        name: "subscriptions-transport-ws",
        protocol: ClientProtocol::detect,
        speech: GRAPHQL,
        by_state: false,
        namespaces: &[],
        cases: const {
            &[
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
                refused(
                    "busy",
                    &[r#"connectionCallback {"message":"unavailable"}"#],
                    7,
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
            ]
        },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}
