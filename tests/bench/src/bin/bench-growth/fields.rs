//! Header fields: the handshake's, subprotocols, `Authorization`, `Cookie`, `Origin`.

use std::hint::black_box;

use bench_suite::Shape;
use http::header::{AUTHORIZATION, CONNECTION, COOKIE, HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Uri};
use tower_ws_auth::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth::handshake::{Handshake, subprotocols};
use tower_ws_auth::origin::Origins;
use tower_ws_auth::private::cookie;

use crate::filled;

/// `http::HeaderMap` holds fewer than 32,768 fields: lines of this length make 1 MB of them.
const LINE: usize = 64;

fn head(name: &HeaderName, lines: impl IntoIterator<Item = String>) -> Parts {
    let mut head = Request::new(()).into_parts().0;
    head.uri = Uri::from_static("/ws");
    for (name, value) in [
        ("host", "example.com"),
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ] {
        let value = HeaderValue::from_static(value);
        head.headers.insert(name, value);
    }
    head.headers.remove(name);
    for line in lines {
        head.headers.append(name, line.parse().unwrap());
    }
    head
}

/// One long line, or many, each with a part of it.
fn lines(repeated: &'static str, beginning: &'static str, size: usize, many: bool) -> Vec<String> {
    if many {
        vec![filled(beginning, repeated, "", LINE); size / LINE]
    } else {
        vec![filled(beginning, repeated, "", size)]
    }
}

/// Each text in one line and in many.
fn of_field(
    parser: &'static str,
    name: &HeaderName,
    texts: &[(&'static str, &'static str, &'static str)],
    read: impl Fn(&Parts) + Copy + 'static,
) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for &(text, beginning, repeated) in texts {
        let of = name.clone();
        shapes.push(Shape::new(parser, text, move |size| {
            let head = head(&of, lines(repeated, beginning, size, false));
            move || read(&head)
        }));
        let (of, text) = (name.clone(), format!("{text}, in many lines").leak());
        shapes.push(Shape::new(parser, text, move |size| {
            let head = head(&of, lines(repeated, beginning, size, true));
            move || read(&head)
        }));
    }
    shapes
}

fn takes(head: &Parts) {
    let carriers = Carriers::builder()
        .bearer_header()
        .subprotocol(SubprotocolFormat::Phoenix)
        .subprotocol(SubprotocolFormat::Kubernetes)
        .cookie("jwt");
    let carriers = carriers.build().unwrap();
    let mut head = head.clone();
    let _ = black_box(carriers.take(&mut head));
}

pub(crate) fn shapes() -> Vec<Shape> {
    let mut shapes = of_field(
        "handshake",
        &CONNECTION,
        &[
            ("plain", "upgrade", ", keep-alive"),
            ("many commas", "", ","),
            ("many blanks", "", " ,"),
            ("blanks alone", "a,", " "),
            ("many almost", "", "upgradf,"),
        ],
        |head| drop(black_box(Handshake::check(head))),
    );
    shapes.extend(of_field(
        "handshake's host",
        &HOST,
        &[("plain", "a", "a"), ("many colons", "a", ":")],
        |head| drop(black_box(Handshake::check(head))),
    ));
    let lists: [(&str, &str, &str); 5] = [
        ("plain", "chat, ", "v1.chat, "),
        ("many commas", "", ","),
        ("many blanks", "", " ,"),
        ("many credentials", "chat", ", base64url.bearer.phx.YQ"),
        ("one long credential", "chat, base64url.bearer.phx.", "Y"),
    ];
    shapes.extend(of_field(
        "subprotocols",
        &SEC_WEBSOCKET_PROTOCOL,
        &lists,
        |head| {
            black_box(subprotocols(&head.headers).count());
        },
    ));
    let taken = of_field(
        "subprotocol credential",
        &SEC_WEBSOCKET_PROTOCOL,
        &lists,
        takes,
    );
    shapes.extend(taken);
    shapes.extend(of_field(
        "authorization",
        &AUTHORIZATION,
        &[
            ("plain", "Bearer ", "a"),
            ("many blanks", "Bearer", " "),
            ("many paddings", "Bearer a", "="),
            ("many schemes", "", "Bearer "),
            ("another scheme", "Basic ", "YQ"),
        ],
        takes,
    ));
    let cookies = [
        ("plain", "jwt=abc; theme=", "x"),
        ("many cookies", "jwt=abc", "; a=b"),
        ("many semicolons", "jwt=abc", ";"),
        ("many of one name", "", "jwt=a; "),
        ("many almost", "", "jwt; "),
        ("many blanks", "jwt", " "),
        ("many quotes", "jwt=", "\""),
        ("one long credential", "jwt=", "a"),
    ];
    shapes.extend(of_field("cookie", &COOKIE, &cookies, |head| {
        drop(black_box(cookie::take(&mut head.headers.clone(), "jwt")));
    }));
    shapes.extend(of_field("cookie credential", &COOKIE, &cookies, takes));
    shapes.extend(of_field(
        "origin",
        &ORIGIN,
        &[
            ("plain", "https://", "a"),
            ("many labels", "https://a", ".a"),
            ("many colons", "https://a", ":1"),
            ("many slashes", "", "/"),
            ("many %25", "https://", "%25"),
        ],
        |head| {
            let allowed = ["https://app.example", "https://*.app.example"];
            let origins = Origins::new(allowed).unwrap();
            let _ = black_box(origins.allows(head));
        },
    ));
    shapes
}
