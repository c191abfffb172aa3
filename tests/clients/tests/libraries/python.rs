//! Libraries in Python, which make one attempt for each call of the application.

use client_tests::Speech;
use tower_ws_auth::ClientProtocol;

use crate::library::{Library, ended, refused};

#[tokio::test]
async fn python_socketio() {
    Library {
        name: "python-socketio",
        protocol: ClientProtocol::detect,
        speech: Speech {
            greeting: Some(
                r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
            ),
            answers: &[("40", r#"40{"sid":"b"}"#)],
            binary: false,
        },
        by_state: false,
        namespaces: &[],
        cases: const {
            &[
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
                ended("revoked", &[r#"auth_ended {"reason":"revoked"}"#, "disconnect"], 1),
                ended(
                    "token_expired",
                    &[r#"auth_ended {"reason":"token_expired"}"#, "refresh"],
                    2,
                ),
            ]
        },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}

#[tokio::test]
async fn gql() {
    Library {
        name: "gql",
        protocol: ClientProtocol::detect,
        speech: Speech {
            greeting: None,
            answers: &[("connection_init", r#"{"type":"connection_ack"}"#)],
            binary: false,
        },
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
                refused("busy", &[r#"closed [4503,"unavailable"]"#], 1),
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
