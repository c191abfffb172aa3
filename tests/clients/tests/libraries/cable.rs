//! Action Cable, and its other client.

use client_tests::Speech;
use tower_ws_auth::ClientProtocol;

use crate::library::{Library, ended, refused};

const CABLE: Speech = Speech {
    greeting: Some(r#"{"type":"welcome","sid":"a"}"#),
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

#[tokio::test]
async fn action_cable() {
    Library {
        name: "@rails/actioncable",
        protocol: ClientProtocol::detect,
        speech: CABLE,
        by_state: false,
        namespaces: &[],
        cases: const {
            &[
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
            ]
        },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}

#[tokio::test]
async fn any_cable() {
    Library {
        name: "@anycable/core",
        protocol: ClientProtocol::detect,
        speech: CABLE,
        by_state: false,
        namespaces: &[],
        cases: const {
            &[
                refused("forbidden", &[r#"close "forbidden""#], 1),
                refused("expired", &[r#"disconnect "token_expired""#, "refresh"], 2),
                refused("busy", &[r#"disconnect "unavailable""#], 3),
                ended("revoked", &[r#"close "revoked""#], 1),
                ended(
                    "token_expired",
                    &[r#"disconnect "token_expired""#, "refresh"],
                    2,
                ),
            ]
        },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}
