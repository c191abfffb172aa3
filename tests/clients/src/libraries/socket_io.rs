//! Socket.IO over the transport `websocket`.

use tower_ws_auth::ClientProtocol;

use super::library::{Case, Library, ended, refused};
use super::server::Speech;
use crate::recipes;

const SPEECH: Speech = Speech {
    greeting: &[
        r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
    ],
    binary: false,
    answers: &[("40", r#"40{"sid":"b"}"#)],
};

/// socket.io-client.
pub const SOCKET_IO: Library = Library {
    name: "socket.io-client",
    protocol: ClientProtocol::detect,
    speech: SPEECH,
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
    ],
};

/// The same with two namespaces over one connection.
pub const SOCKET_IO_WITH_TWO_NAMESPACES: Library = Library {
    name: "socket.io-client",
    protocol: ClientProtocol::socket_io,
    speech: SPEECH,
    by_state: false,
    namespaces: &["/a", "/b"],
    cases: &[refused(
        "forbidden",
        &[
            r#"/a connect_error {"message":"forbidden""#,
            r#"/b connect_error {"message":"forbidden""#,
        ],
        1,
    )],
};

/// socket.io-client 2, whose protocol is a recipe on the public builder.
pub const SOCKET_IO_2: Library = Library {
    name: "socket.io-client-2",
    protocol: || recipes::socket_io_2(&[]).unwrap(),
    speech: Speech {
        greeting: &[
            r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":5000}"#,
            "40",
        ],
        binary: false,
        answers: &[],
    },
    by_state: false,
    namespaces: &[],
    cases: SOCKET_IO_2_CASES,
};

/// The same with two namespaces over one connection.
pub const SOCKET_IO_2_WITH_TWO_NAMESPACES: Library = Library {
    protocol: || recipes::socket_io_2(&["/a", "/b"]).unwrap(),
    namespaces: &["/a", "/b"],
    cases: &[refused(
        "forbidden",
        &[
            r#"/a error {"message":"forbidden""#,
            r#"/b error {"message":"forbidden""#,
        ],
        1,
    )],
    ..SOCKET_IO_2
};

/// In a page, without a protocol of its own: it sees nothing for 20 s, and does not come back in
/// that time.
pub const SOCKET_IO_2_UNTOLD: Library = Library {
    protocol: ClientProtocol::detect,
    cases: &[refused("forbidden", &["connect_error \"timeout\""], 3)],
    ..SOCKET_IO_2
};

const SOCKET_IO_2_CASES: &[Case] = &[
    refused(
        "forbidden",
        &[r#"error {"message":"forbidden","data":{"reason":"forbidden"}}"#],
        1,
    ),
    refused(
        "expired",
        &[r#"error {"message":"token_expired""#, "refresh"],
        2,
    ),
    refused("busy", &[r#"connect_error "websocket error""#], 5),
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
];
