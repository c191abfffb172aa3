//! Socket.IO over the transport `websocket`.

use client_tests::Speech;
use tower_ws_auth::ClientProtocol;

use crate::library::{Library, ended, refused};

const SOCKET_IO: Speech = Speech {
    greeting: Some(
        r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
    ),
    binary: false,
    answers: &[("40", r#"40{"sid":"b"}"#)],
};

#[tokio::test]
async fn socket_io() {
    Library {
        name: "socket.io-client",
        protocol: ClientProtocol::detect,
        speech: SOCKET_IO,
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
                refused("busy", &["connect_error"], 5),
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
            ]
        },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}

#[tokio::test]
async fn socket_io_with_two_namespaces() {
    Library {
        name: "socket.io-client",
        protocol: ClientProtocol::socket_io,
        speech: SOCKET_IO,
        by_state: false,
        namespaces: &["/a", "/b"],
        cases: const {
            &[refused(
                "forbidden",
                &[
                    r#"/a connect_error {"message":"forbidden""#,
                    r#"/b connect_error {"message":"forbidden""#,
                ],
                1,
            )]
        },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}
