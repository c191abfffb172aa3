//! @microsoft/signalr.

use client_tests::Speech;
use tower_ws_auth::ClientProtocol;

use crate::library::{Library, ended, refused};

#[tokio::test]
async fn signalr() {
    Library {
        name: "@microsoft/signalr",
        protocol: ClientProtocol::signalr,
        speech: Speech {
            greeting: None,
            binary: false,
            answers: &[("protocol", "{}\u{1e}")],
        },
        by_state: false,
        namespaces: &[],
        cases: const {
            &[
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
            ]
        },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}
