//! Parsers that are private to their crates, as files: frames, news of revocations, and the
//! gateway's paths and forwarding fields.

use std::hint::black_box;

use bench_suite::Shape;
use http::{HeaderMap, HeaderName, HeaderValue};

use self::scan::Scanner;
use crate::filled;
use crate::token::objects;

#[allow(dead_code, reason = "the gateway uses all of it")]
#[path = "../../../../../examples/gateway/src/forwarded.rs"]
mod forwarded;
#[allow(dead_code, reason = "the stores use all of it")]
#[path = "../../../../../crates/tower-ws-auth-redis/src/wire_format.rs"]
mod news;
#[allow(dead_code, reason = "the gateway uses all of it")]
#[path = "../../../../../examples/gateway/src/path.rs"]
mod path;
#[allow(dead_code, reason = "the guard uses all of it")]
#[path = "../../../../../crates/tower-ws-auth-socket/src/frame/scanner.rs"]
mod scan;

/// The bytes of one read of a connection.
const READ: usize = 4096;

pub(crate) fn shapes() -> Vec<Shape> {
    let mut shapes = of_frames();
    shapes.extend(of_news());
    shapes.extend(of_the_gateway());
    shapes
}

fn of_frames() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (name, frame) in [
        ("plain", b"\x82\x8e\0\0\0\0fourteen bytes".as_slice()),
        ("empty frames", b"\x82\x80\0\0\0\0"),
        ("frames without a mask", b"\x82\x00"),
        ("pings", b"\x89\x80\0\0\0\0"),
        ("long lengths", b"\x82\xff\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("one long frame", b"\xff"),
    ] {
        let bytes = move |size: usize| frame.repeat(size / frame.len());
        shapes.push(Shape::new("frames", name, move |size| {
            let bytes = bytes(size);
            move || {
                let mut scanner = Scanner::default();
                for read in bytes.chunks(READ) {
                    black_box(scanner.within(read));
                    scanner.pass(read);
                }
                black_box(scanner.closed());
            }
        }));
        shapes.push(Shape::new("frames byte by byte", name, move |size| {
            let bytes = bytes(size);
            move || {
                let mut scanner = Scanner::default();
                for byte in bytes.chunks(1) {
                    black_box(scanner.within(byte));
                    scanner.pass(byte);
                }
                black_box(scanner.closed());
            }
        }));
        shapes.push(Shape::new("control frames", name, move |size| {
            let bytes = bytes(size);
            move || {
                let mut scanner = Scanner::default();
                for read in bytes.chunks(READ) {
                    let passed = scanner.pass_control(read);
                    scanner.pass(&read[passed..]);
                }
                black_box(scanner.closed());
            }
        }));
    }
    shapes
}

fn of_news() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (name, json) in objects() {
        shapes.push(Shape::new("news", name, move |size| {
            let message = json(r#"{"key":"user:ada","revocation":"1 revoked""#, size);
            move || drop(black_box(news::hear(message.as_bytes())))
        }));
    }
    for (name, beginning, repeated) in [
        ("a long key", r#"{"revocation":"1 revoked","key":""#, "a"),
        ("a long reason", r#"{"key":"a","revocation":"1 4999 "#, "a"),
        ("many blanks", r#"{"key":"a","revocation":""#, " "),
        ("a long time", r#"{"key":"a","revocation":""#, "1"),
    ] {
        shapes.push(Shape::new("news", name, move |size| {
            let message = filled(beginning, repeated, "\"}", size);
            move || drop(black_box(news::hear(message.as_bytes())))
        }));
    }
    shapes
}

fn of_the_gateway() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (name, beginning, repeated) in [
        ("plain", "/", "a/"),
        ("many slashes", "", "/"),
        ("many %25", "/", "%25"),
        ("escapes of escapes", "/%", "25"),
        ("half an escape", "/", "%"),
        ("many semicolons", "/", ";"),
        ("dots", "/", "."),
        ("one-sided escapes", "/", "%2"),
    ] {
        shapes.push(Shape::new("gateway's path", name, move |size| {
            let path = filled(beginning, repeated, "", size);
            move || {
                black_box(path::leads_upwards(&path));
                black_box(path::segments(&path).count());
            }
        }));
    }
    for (name, line, lines) in [
        ("plain", "10.0.0.1, ", false),
        ("many commas", ",", false),
        ("many pairs", "for=a;", false),
        ("many quotes", "for=\"a\", ", false),
        ("one open quote", "\"", false),
        ("many lines", "10.0.0.1, ", true),
    ] {
        for (parser, field) in [
            ("gateway's Forwarded", "forwarded"),
            ("gateway's X-Forwarded-For", "x-forwarded-for"),
        ] {
            shapes.push(Shape::new(parser, name, move |size| {
                let headers = forwarding(field, line, lines, size);
                move || {
                    let peer = "[::1]:80".parse().unwrap();
                    let host = HeaderValue::from_static("app.example");
                    let mut headers = headers.clone();
                    forwarded::say_for_whom(peer, host, &mut headers);
                    black_box(headers.len());
                }
            }));
        }
    }
    for (name, repeated) in [("plain", "a"), ("many colons", ":")] {
        shapes.push(Shape::new("gateway's host", name, move |size| {
            let host = HeaderValue::try_from(filled("a", repeated, "", size)).unwrap();
            move || {
                let peer = "[::1]:80".parse().unwrap();
                let mut headers = HeaderMap::new();
                forwarded::say_for_whom(peer, host.clone(), &mut headers);
                black_box(headers.len());
            }
        }));
    }
    shapes
}

/// All of it in one of the two lists.
fn forwarding(field: &'static str, element: &'static str, lines: bool, size: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let line = if lines { 64 } else { size };
    for _ in 0..(size / line.max(1)).max(1) {
        let value = filled("", element, "a", line);
        let value = HeaderValue::try_from(value).unwrap();
        headers.append(HeaderName::from_static(field), value);
    }
    headers
}
