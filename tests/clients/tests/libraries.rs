//! Client libraries that people use, at pinned versions: each sees the reason through its own API,
//! and comes back as often as it should.
#![cfg(feature = "clients")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use client_tests::{LibraryServer, Speech};
use serde_json::json;
use test_support::{of_tier, packages};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;
use tower_ws_auth::ClientProtocol;

const PATIENCE: Duration = Duration::from_secs(120);

/// How long a client may try again.
fn window() -> Duration {
    Duration::from_millis(of_tier(4000, 10_000))
}

struct Library {
    name: &'static str,
    protocol: fn() -> ClientProtocol,
    speech: Speech,
    /// Its token is not in the handshake.
    by_state: bool,
    /// Of Socket.IO; the default one if there is none here.
    namespaces: &'static [&'static str],
    /// What is refused or ended, what the application sees, and at most how many attempts there are
    /// in ten seconds, with the hold on and off.
    cases: &'static [Case],
}

struct Case {
    token: &'static str,
    end: Option<&'static str>,
    sees: &'static [&'static str],
    attempts: usize,
}

const fn refused(token: &'static str, sees: &'static [&'static str], attempts: usize) -> Case {
    Case {
        token,
        end: None,
        sees,
        attempts,
    }
}

const fn ended(end: &'static str, sees: &'static [&'static str], attempts: usize) -> Case {
    Case {
        token: "good",
        end: Some(end),
        sees,
        attempts,
    }
}

impl Library {
    async fn sees_every_reason_and_comes_back_as_it_should(&self) {
        for _ in 0..of_tier(1, 5) {
            self.sees_every_reason_once().await;
        }
    }

    async fn sees_every_reason_once(&self) {
        let cases = self.cases.iter().flat_map(|case| {
            let holds = [Duration::from_millis(300), Duration::ZERO];
            holds.map(|hold| self.run(case, hold))
        });
        let mut failures = Vec::new();
        for failure in futures_util::future::join_all(cases).await {
            failures.extend(failure);
        }
        assert!(
            failures.is_empty(),
            "{}:\n{}",
            self.name,
            failures.join("\n")
        );
    }

    /// What went wrong, if something did.
    async fn run(&self, case: &Case, hold: Duration) -> Option<String> {
        let protocol = (self.protocol)();
        let server = LibraryServer::start(protocol, self.speech, hold, self.by_state)
            .await
            .unwrap();
        let lines = self.lines(case, &server).await;
        let seen = case
            .sees
            .iter()
            .all(|part| lines.iter().any(|line| line.contains(part)));
        let comes_back = case.sees.contains(&"refresh");
        let came_back = lines.iter().any(|line| line == "connected \"fresh\"");
        let attempts = server.attempts();
        let is_good = seen && attempts <= case.attempts && comes_back == came_back;
        let what = case.end.unwrap_or(case.token);
        let report = format!("{what}, hold {hold:?}: {attempts} attempts, {lines:?}");
        println!("{} {report}", self.name);
        (!is_good).then_some(report)
    }

    async fn lines(&self, case: &Case, server: &LibraryServer) -> Vec<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/libraries.cjs");
        // One that comes back ends the script when it is there.
        let comes_back = case.sees.contains(&"refresh");
        let window = if comes_back { PATIENCE / 4 } else { window() };
        let job = json!({
            "library": self.name,
            "port": server.port(),
            "token": case.token,
            "namespaces": self.namespaces,
            "end": case.end,
            "window": u64::try_from(window.as_millis()).unwrap(),
        });
        let mut process = Command::new("node")
            .arg(script)
            .env("NODE_PATH", packages("node/node_modules", self.name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node; `cargo xtask setup` installs it");
        let mut input = process.stdin.take().unwrap();
        input.write_all(job.to_string().as_bytes()).await.unwrap();
        drop(input);
        let output = timeout(PATIENCE, process.wait_with_output()).await;
        let output = output.expect("the client does not end").unwrap();
        serde_json::from_slice(&output.stdout).expect("lines of the script")
    }
}

const SOCKET_IO: Speech = Speech {
    greeting: Some(
        r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
    ),
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

const PHOENIX: Speech = Speech {
    greeting: None,
    answers: &[(
        "phx_join",
        r#"[$join,$ref,"room:lobby","phx_reply",{"status":"ok","response":{}}]"#,
    )],
};

const PHOENIX_CLOSED: &[Case] = &[
    refused("forbidden", &[r#"onClose [1000,"forbidden"]"#], 1),
    refused(
        "expired",
        &[r#"onClose [1000,"token_expired"]"#, "refresh"],
        2,
    ),
    refused("busy", &[], 12),
    ended("revoked", &[r#"onClose [1000,"revoked"]"#], 1),
    ended(
        "token_expired",
        &[r#"onClose [1000,"token_expired"]"#, "refresh"],
        2,
    ),
];

#[tokio::test]
async fn phoenix_1_7() {
    Library {
        name: "phoenix-1-7",
        protocol: ClientProtocol::detect,
        speech: PHOENIX,
        by_state: false,
        namespaces: &[],
        cases: PHOENIX_CLOSED,
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}

#[tokio::test]
async fn phoenix_1_8_15() {
    Library {
        name: "phoenix-1-8-15",
        protocol: ClientProtocol::detect,
        speech: PHOENIX,
        by_state: false,
        namespaces: &[],
        cases: PHOENIX_CLOSED,
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}

#[tokio::test]
async fn phoenix_1_8_16() {
    Library {
        name: "phoenix",
        protocol: ClientProtocol::phoenix_held,
        speech: PHOENIX,
        by_state: false,
        namespaces: &[],
        cases: const {
            &[
                refused("forbidden", &[r#"join error {"reason":"forbidden"}"#], 1),
                refused(
                    "expired",
                    &[r#"join error {"reason":"token_expired"}"#, "refresh"],
                    2,
                ),
                refused("busy", &[], 12),
                ended("revoked", &[r#"onClose [4403,"revoked"]"#], 2),
                ended(
                    "token_expired",
                    &[r#"onClose [4401,"token_expired"]"#, "refresh"],
                    3,
                ),
            ]
        },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}

const GRAPHQL: Speech = Speech {
    greeting: None,
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
                    2,
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

const CABLE: Speech = Speech {
    greeting: Some(r#"{"type":"welcome","sid":"a"}"#),
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

#[tokio::test]
async fn signalr() {
    Library {
        name: "@microsoft/signalr",
        protocol: ClientProtocol::signalr,
        speech: Speech {
            greeting: None,
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

#[tokio::test]
async fn centrifugo() {
    Library {
        name: "centrifuge",
        protocol: ClientProtocol::centrifugo,
        speech: Speech {
            greeting: None,
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
        cases: const {
            &[
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
                refused("busy", &["error"], 7),
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
            ]
        },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}

#[tokio::test]
async fn pusher() {
    Library {
        name: "pusher-js",
        protocol: ClientProtocol::detect,
        speech: Speech {
            greeting: Some(
                r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\",\"activity_timeout\":120}"}"#,
            ),
            answers: &[],
        },
        by_state: false,
        namespaces: &[],
        cases: const { &[
            refused("forbidden", &[r#"error {"code":4009,"message":"forbidden"}"#], 1),
            refused(
                "expired",
                &[r#"error {"code":4009,"message":"token_expired"}"#, "refresh"],
                2,
            ),
            refused("busy", &[], 1),
            ended("revoked", &[r#"error {"code":4009,"message":"revoked"}"#], 1),
            ended(
                "token_expired",
                &[r#"error {"code":4009,"message":"token_expired"}"#, "refresh"],
                2,
            ),
        ] },
    }
    .sees_every_reason_and_comes_back_as_it_should()
    .await;
}
