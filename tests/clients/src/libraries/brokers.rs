//! Clients of message brokers. Their protocols are recipes on the public builder.

use super::library::{Library, ended, refused};
use super::server::Speech;
use crate::recipes;

/// @stomp/stompjs.
pub const STOMP: Library = Library {
    name: "@stomp/stompjs",
    protocol: || recipes::stomp().unwrap(),
    speech: Speech {
        greeting: &[],
        answers: &[("CONNECT", "CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0")],
        binary: false,
    },
    by_state: false,
    namespaces: &[],
    cases: &[
        refused(
            "forbidden",
            &[
                r#"onStompError "forbidden""#,
                r#"onWebSocketClose [4403,"forbidden"]"#,
            ],
            1,
        ),
        refused(
            "expired",
            &[r#"onStompError "token_expired""#, "refresh"],
            2,
        ),
        refused("busy", &[r#"onStompError "unavailable""#], 2),
        ended("revoked", &[r#"onStompError "revoked""#], 1),
        ended(
            "token_expired",
            &[r#"onStompError "token_expired""#, "refresh"],
            2,
        ),
    ],
};

/// MQTT.js with 3.1.1.
pub const MQTT_3: Library = Library {
    name: "mqtt",
    protocol: || recipes::mqtt().unwrap(),
    speech: Speech {
        greeting: &[],
        answers: &[("MQTT", " \u{2}\0\0")],
        binary: true,
    },
    by_state: false,
    namespaces: &[],
    cases: &[
        refused("forbidden", &[r#""code":5}"#], 1),
        refused("expired", &[r#""code":5}"#, "refresh"], 2),
        refused("busy", &[r#""code":3}"#], 1),
        // It comes back, and is refused.
        ended("revoked", &[r#""code":5}"#], 2),
        ended("token_expired", &[r#""code":5}"#, "refresh"], 3),
    ],
};

/// MQTT.js with 5.
pub const MQTT_5: Library = Library {
    name: "mqtt-5",
    protocol: || recipes::mqtt5().unwrap(),
    speech: Speech {
        greeting: &[],
        answers: &[("MQTT", " \u{3}\0\0\0")],
        binary: true,
    },
    by_state: false,
    namespaces: &[],
    cases: &[
        refused(
            "forbidden",
            &[r#""code":135}"#, r#"connack "forbidden""#],
            1,
        ),
        refused(
            "expired",
            &[r#""code":135}"#, r#"connack "token_expired""#, "refresh"],
            2,
        ),
        refused("busy", &[r#""code":136}"#, r#"connack "unavailable""#], 1),
        ended("revoked", &[r#"disconnect [135,"forbidden"]"#], 2),
        ended(
            "token_expired",
            &[r#"disconnect [135,"token_expired"]"#, "refresh"],
            3,
        ),
    ],
};

/// @nats-io/nats-core.
pub const NATS: Library = Library {
    name: "@nats-io/nats-core",
    protocol: || recipes::nats().unwrap(),
    speech: Speech {
        greeting: &[
            "INFO {\"server_id\":\"N\",\"server_name\":\"n\",\"version\":\"2.10.0\",\
                 \"proto\":1,\"go\":\"go\",\"host\":\"127.0.0.1\",\"port\":4222,\
                 \"headers\":true,\"max_payload\":1048576}\r\n",
        ],
        answers: &[("PING", "PONG\r\n")],
        binary: true,
    },
    by_state: false,
    namespaces: &[],
    cases: &[
        refused(
            "forbidden",
            &[
                r#"rejected {"type":"AuthorizationError","message":"Authorization Violation: forbidden"#,
            ],
            1,
        ),
        refused(
            "expired",
            &[
                r#"rejected {"type":"UserAuthenticationExpiredError""#,
                "token_expired",
                "refresh",
            ],
            2,
        ),
        refused("busy", &["rejected"], 1),
        ended(
            "revoked",
            &[r#"closed {"type":"AuthorizationError""#, "revoked"],
            1,
        ),
        ended(
            "token_expired",
            &[
                r#"closed {"type":"UserAuthenticationExpiredError""#,
                "refresh",
            ],
            2,
        ),
    ],
};
