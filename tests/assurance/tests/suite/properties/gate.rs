//! The service is called for authenticated handshakes only: over generated requests on a real
//! HTTP/2 connection, with hyper and axum in front of the layers.
//!
//! The oracle parses nothing. Each generated piece knows its meaning.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::Empty;
use hyper::ext::Protocol;
use proptest::collection::vec;
use proptest::prelude::*;
use test_support::credentials::{Carrier, Presented, Value, presented};

use super::runner;
use crate::forge::{Door, b64, percent_encoded, with_claims};
use crate::stack::{PAGE, Server};
use crate::wire::Http2;

#[derive(Clone, Debug)]
struct Case {
    /// Method and `:protocol`: only CONNECT may have one, and has no path without it.
    method: (&'static str, Option<&'static str>),
    versions: Vec<&'static str>,
    origin: Option<&'static str>,
    presented: Presented,
    /// Other cookies, each in a field of its own (RFC 9113 §8.2.3).
    cookies: Vec<&'static str>,
}

impl Case {
    fn passes(&self) -> bool {
        // A cookie says nothing about who asks: the page must be known.
        let is_known = !self.presented.is_ambient() || self.origin == Some(PAGE);
        self.method == ("CONNECT", Some("websocket"))
            && self.versions == ["13"]
            && self.origin.is_none_or(|origin| origin == PAGE)
            && is_known
            && self.presented.is_good()
    }

    fn request(&self, good: &str, bad: &str) -> Request<Empty<Bytes>> {
        let mut uri = "http://localhost/HS256?room=1".to_owned();
        let mut request = Request::builder()
            .method(self.method.0)
            .version(Version::HTTP_2);
        if let Some(protocol) = self.method.1 {
            request = request.extension(Protocol::from_static(protocol));
        }
        for version in &self.versions {
            request = request.header("sec-websocket-version", *version);
        }
        if let Some(origin) = self.origin {
            request = request.header("origin", origin);
        }
        request = request.header("sec-websocket-protocol", "chat");
        for (carrier, value) in self.presented.iter() {
            let token = match value {
                Value::Good => good,
                Value::Bad => bad,
                Value::Malformed => "not a b64token",
            };
            match carrier {
                Carrier::Query => uri = format!("{uri}&token={}", percent_encoded(token)),
                Carrier::Header => {
                    request = request.header("authorization", format!("Bearer {token}"));
                }
                Carrier::Subprotocol => {
                    let entry = format!("base64url.bearer.phx.{}", b64(token));
                    request = request.header("sec-websocket-protocol", entry);
                }
                Carrier::Cookie => request = request.header("cookie", format!("jwt={token}")),
            }
        }
        for cookie in &self.cookies {
            request = request.header("cookie", *cookie);
        }
        request.uri(uri).body(Empty::new()).unwrap()
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let others: &[(&str, Option<&str>)] = &[
        ("GET", None),
        ("POST", None),
        ("CONNECT", Some("connect-udp")),
        ("CONNECT", Some("WebSocket")),
        ("CONNECT", Some("websocket/13")),
    ];
    let method = prop_oneof![
        9 => Just(("CONNECT", Some("websocket"))),
        1 => prop::sample::select(others),
    ];
    let versions = prop_oneof![
        9 => Just(vec!["13"]),
        1 => vec(prop::sample::select(&["13", "8", ""][..]), 0..3),
    ];
    let origins = &[
        None,
        Some(PAGE),
        Some(PAGE),
        Some("null"),
        Some("https://evil.example"),
    ];
    let cookies = vec(
        prop::sample::select(&["a=1", "theme=dark", "JWT=x", "xjwt=y"][..]),
        0..3,
    );
    (
        method,
        versions,
        prop::sample::select(&origins[..]),
        presented(),
        cookies,
    )
        .prop_map(|(method, versions, origin, presented, cookies)| Case {
            method,
            versions,
            origin,
            presented,
            cookies,
        })
}

#[test]
fn on_http_2_the_service_is_called_exactly_for_an_authenticated_handshake() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(Server::start());
    let connection = RefCell::new(runtime.block_on(Http2::connect(server.address)));
    let (good, bad) = (Door::Hs.good(), with_claims(r#"{"sub":"ada","exp":1}"#));
    let passed = Cell::new(0);
    let outcome = runner(3_000).run(&cases(), |case| {
        let before = server.let_in.count();
        let request = case.request(&good, &bad);
        let heard = runtime.block_on(connection.borrow_mut().talk(request));
        let called = server.let_in.count() - before;
        prop_assert_eq!(called, usize::from(case.passes()), "{:?}", heard);
        prop_assert!(
            heard.status == 200 || (400..500).contains(&heard.status),
            "{:?}",
            heard
        );
        passed.set(passed.get() + called);
        Ok(())
    });
    outcome.unwrap();
    assert!((300..2_700).contains(&passed.get()), "{passed:?}");
}
