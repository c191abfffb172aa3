//! The gate, over generated requests: the inner service is called exactly for an authenticated
//! request with a valid handshake.
//!
//! The oracle never parses anything. Each generated piece knows its meaning.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Builder;
use http::{HeaderValue, Request, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use test_support::credentials::{Carrier, Presented, Value, presented};
use tower_ws_auth_core::AuthLayer;

use crate::support::{Inner, Token, User, rejection, send};

/// Text of the request, and whether it is what the handshake asks for.
type Piece = (String, bool);

fn piece(&(text, good): &(&str, bool)) -> Piece {
    (text.to_owned(), good)
}

fn one_of(pieces: &'static [(&'static str, bool)]) -> impl Strategy<Value = Piece> {
    prop::sample::select(pieces).prop_map(|chosen| piece(&chosen))
}

#[derive(Clone, Debug)]
struct Case {
    method: &'static str,
    version: Version,
    /// `:protocol`, of which only HTTP/2 knows.
    protocol: Option<&'static str>,
    hosts: usize,
    /// Lines of elements.
    connection: Vec<Vec<Piece>>,
    upgrade: Vec<Vec<Piece>>,
    keys: Vec<Piece>,
    versions: Vec<Piece>,
    /// Names and values of fields that may declare a body.
    body: Vec<(&'static str, &'static str, bool)>,
    presented: Presented,
}

mod oracle {
    use super::*;

    pub(super) fn passes(case: &Case) -> bool {
        let handshake = match case.version {
            Version::HTTP_11 => http1(case),
            Version::HTTP_2 => cfg!(feature = "http2") && http2(case),
            _ => false,
        };
        handshake && case.presented.is_good()
    }

    fn http1(case: &Case) -> bool {
        case.method == "GET"
            && case.hosts == 1
            && names(&case.connection)
            && names(&case.upgrade)
            && sole(&case.keys)
            && sole(&case.versions)
            && !case.body.iter().any(|&(_, _, declares)| declares)
    }

    fn http2(case: &Case) -> bool {
        case.method == "CONNECT"
            && case.protocol == Some("websocket")
            && sole(&case.versions)
            && !case.body.iter().any(|&(_, _, declares)| declares)
    }

    fn names(lines: &[Vec<Piece>]) -> bool {
        lines.iter().flatten().any(|&(_, good)| good)
    }

    fn sole(lines: &[Piece]) -> bool {
        matches!(lines, [(_, true)])
    }
}

impl Case {
    fn request(&self) -> Builder {
        let mut request = Request::builder()
            .method(self.method)
            .version(self.version)
            .uri(self.uri());
        for _ in 0..self.hosts {
            request = request.header("host", "example.com");
        }
        for (name, lines) in [("connection", &self.connection), ("upgrade", &self.upgrade)] {
            for line in lines {
                let elements: Vec<_> = line.iter().map(|(text, _)| text.as_str()).collect();
                request = request.header(name, elements.join(","));
            }
        }
        for (name, lines) in [
            ("sec-websocket-key", &self.keys),
            ("sec-websocket-version", &self.versions),
        ] {
            for (text, _) in lines {
                request = request.header(name, text);
            }
        }
        for (name, value, _) in &self.body {
            request = request.header(*name, *value);
        }
        for (name, value) in self.fields() {
            request = request.header(name, value);
        }
        with_protocol(request, self.protocol)
    }

    fn uri(&self) -> String {
        let mut uri = "/ws?room=1".to_owned();
        for value in self.presented.by(Carrier::Query) {
            uri.push_str(match value {
                Value::Good => "&token=good",
                Value::Bad => "&token=wrong",
                Value::Malformed => "&token=w%00rong",
            });
        }
        uri
    }

    /// The credentials that travel in header fields.
    fn fields(&self) -> Vec<(&'static str, HeaderValue)> {
        let mut fields = vec![("sec-websocket-protocol", "chat")];
        fields.extend(self.presented.by(Carrier::Header).map(|value| match value {
            Value::Good => ("authorization", "Bearer good"),
            Value::Bad => ("authorization", "bearer wrong"),
            Value::Malformed => ("authorization", "Bearer w rong"),
        }));
        fields.extend(
            self.presented
                .by(Carrier::Subprotocol)
                .map(|value| match value {
                    Value::Good => ("sec-websocket-protocol", "base64url.bearer.phx.Z29vZA"),
                    Value::Bad => ("sec-websocket-protocol", "base64url.bearer.phx.d3Jvbmc"),
                    Value::Malformed => ("sec-websocket-protocol", "base64url.bearer.phx.d3Jvbmc="),
                }),
        );
        fields.extend(self.presented.by(Carrier::Cookie).map(|value| match value {
            Value::Good => ("cookie", "a=1; jwt=good"),
            Value::Bad => ("cookie", "jwt=wrong"),
            Value::Malformed => ("cookie", "jwt=w rong; b=2"),
        }));
        let fields = fields.into_iter();
        fields
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }
}

#[cfg(feature = "http2")]
fn with_protocol(request: Builder, protocol: Option<&'static str>) -> Builder {
    match protocol {
        Some(protocol) => request.extension(hyper::ext::Protocol::from_static(protocol)),
        None => request,
    }
}

#[cfg(not(feature = "http2"))]
fn with_protocol(request: Builder, _protocol: Option<&'static str>) -> Builder {
    request
}

fn cases() -> impl Strategy<Value = Case> {
    let any_method = prop::sample::select(&["GET", "CONNECT", "POST", "HEAD", "get", "GETT"][..]);
    let any_version = prop::sample::select(
        &[
            Version::HTTP_09,
            Version::HTTP_10,
            Version::HTTP_11,
            Version::HTTP_2,
            Version::HTTP_3,
        ][..],
    );
    let head = (
        prop_oneof![
            6 => Just(("GET", Version::HTTP_11)),
            3 => Just(("CONNECT", Version::HTTP_2)),
            2 => (any_method, any_version),
        ],
        prop_oneof![
            8 => Just(Some("websocket")),
            1 => prop::sample::select(&[None, Some("connect-udp"), Some("WebSocket")][..]),
        ],
        prop_oneof![9 => Just(1_usize), 1 => 0_usize..3],
    );
    let fields = (
        list(&[
            ("upgrade", true),
            ("Upgrade", true),
            (" UPGRADE\t", true),
            ("keep-alive", false),
            ("notupgrade", false),
            ("upgrade-insecure-requests", false),
            ("upgrade/1", false),
            ("up grade", false),
            ("\"upgrade\"", false),
            ("websocket", false),
            ("", false),
        ]),
        list(&[
            ("websocket", true),
            ("WebSocket", true),
            ("\twebSOCKET ", true),
            ("h2c", false),
            ("websocket/13", false),
            ("notwebsocket", false),
            ("web socket", false),
            ("upgrade", false),
            ("", false),
        ]),
        prop_oneof![12 => vec(key(), 1), 1 => vec(key(), 0..3)],
        prop_oneof![12 => vec(version(), 1), 1 => vec(version(), 0..3)],
        prop_oneof![
            8 => Just(Vec::new()),
            2 => vec(
                prop::sample::select(&[
                    ("content-length", "0", false),
                    ("content-length", "5", true),
                    ("transfer-encoding", "chunked", true),
                    ("transfer-encoding", "identity", true),
                    ("content-type", "text/plain", false),
                ][..]),
                1..3,
            ),
        ],
    );
    (head, fields, presented()).prop_map(
        |(
            ((method, version), protocol, hosts),
            (connection, upgrade, keys, versions, body),
            presented,
        )| Case {
            method,
            version,
            protocol,
            hosts,
            connection,
            upgrade,
            keys,
            versions,
            body,
            presented,
        },
    )
}

fn list(pieces: &'static [(&'static str, bool)]) -> impl Strategy<Value = Vec<Vec<Piece>>> {
    let plain = vec![vec![piece(&pieces[0])]];
    prop_oneof![9 => Just(plain), 4 => vec(vec(one_of(pieces), 0..4), 0..3)]
}

fn key() -> impl Strategy<Value = Piece> {
    let canonical = any::<[u8; 16]>().prop_map(|bytes| (STANDARD.encode(bytes), true));
    let other_length =
        vec(any::<u8>(), 0..24).prop_map(|bytes| (STANDARD.encode(&bytes), bytes.len() == 16));
    // The last character carries two bits of the last byte, and four that must be zero.
    let not_canonical = any::<[u8; 16]>().prop_map(|bytes| {
        let text = STANDARD.encode(bytes).replace("A==", "B==");
        let text = text
            .replace("Q==", "R==")
            .replace("g==", "h==")
            .replace("w==", "x==");
        (text, false)
    });
    let not_padded = any::<[u8; 16]>().prop_map(|bytes| {
        (
            STANDARD.encode(bytes).trim_end_matches('=').to_owned(),
            false,
        )
    });
    let url_safe = Just((STANDARD.encode([0xff; 16]).replace('/', "_"), false));
    prop_oneof![20 => canonical, 1 => other_length, 1 => not_canonical, 1 => not_padded, 1 => url_safe]
}

fn version() -> impl Strategy<Value = Piece> {
    prop_oneof![
        12 => Just(("13".to_owned(), true)),
        1 => one_of(&[("8", false), ("", false), ("013", false), ("13, 8", false), ("14", false)]),
    ]
}

#[test]
fn the_service_is_called_exactly_for_an_authenticated_valid_handshake() {
    let config = Config {
        cases: 4_000,
        failure_persistence: None,
        ..Config::default()
    };
    let passed = Cell::new(0_u32);
    let outcome = TestRunner::new(config).run(&cases(), |case| {
        let inner = Inner::new();
        let layer = AuthLayer::new(Token::new());
        let response = tokio_test::block_on(send(&layer, &inner, case.request()));
        if oracle::passes(&case) {
            passed.set(passed.get() + 1);
            prop_assert_eq!(inner.calls(), 1);
            prop_assert_eq!(inner.user(), User("ada"));
            no_credential_is_left(&inner.head())?;
        } else {
            prop_assert_eq!(inner.calls(), 0);
            prop_assert!(response.status().is_client_error());
            no_credential_is_left(&rejection(&response).take_head().unwrap())?;
        }
        Ok(())
    });
    outcome.unwrap();
    // A generator that makes only one sort of request would prove nothing.
    assert!((300..3_700).contains(&passed.get()), "{}", passed.get());
}

fn no_credential_is_left(head: &http::request::Parts) -> Result<(), TestCaseError> {
    let mut text = head.uri.to_string();
    for value in head.headers.values() {
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(value.as_bytes()));
    }
    for trace in ["good", "rong", "Z29vZA", "d3Jvbmc", "jwt=", "token="] {
        prop_assert!(!text.contains(trace), "{}", text);
    }
    Ok(())
}
