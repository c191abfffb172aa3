//! A JSON Web Token with a valid signature, so that all of it is read.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bench_suite::{SECRET, Shape};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use tower_ws_auth::Jwt;
use tower_ws_auth::jwt::Key;

use crate::{filled, numbered};

/// A longer token is refused.
const LONGEST: usize = 8 * 1024;
/// The length of JSON that makes a token of that length.
const LONGEST_JSON: usize = 6_000;

const HEADER: &str = r#"{"alg":"HS256"}"#;
const CLAIMS: &str = r#"{"exp":4102444800}"#;

pub(crate) fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (name, beginning, repeated) in [
        ("plain", "a.b.", "c"),
        ("many dots", "", "."),
        ("one long header", "", "e"),
        ("no characters of base64", "", "%"),
    ] {
        let text = move |size| filled(beginning, repeated, "", size);
        let shape = Shape::new("compact", name, move |size| verifies(text(size)));
        shapes.push(shape.refused_beyond(LONGEST));
    }
    for (name, json) in objects() {
        let claims = Shape::new("claims", name, move |size| {
            verifies(signed(HEADER, &json(r#"{"exp":4102444800"#, size)))
        });
        let header = Shape::new("header", name, move |size| {
            verifies(signed(&json(r#"{"alg":"HS256""#, size), CLAIMS))
        });
        shapes.extend([claims, header].map(|shape| shape.refused_beyond(LONGEST_JSON)));
    }
    shapes
}

/// Writes an object with this beginning, of this many bytes.
type Write = fn(&str, usize) -> String;

/// JSON objects with this beginning, of this many bytes.
pub(crate) fn objects() -> Vec<(&'static str, Write)> {
    vec![
        ("plain", |begin, size| {
            filled(&format!(r#"{begin},"a":""#), "a", "\"}", size)
        }),
        ("many members", |begin, size| {
            numbered(begin, |n| format!(r#","{n}":0"#), "}", size)
        }),
        ("many members with escapes", |begin, size| {
            numbered(begin, |n| format!(r#","\u0061{n}":0"#), "}", size)
        }),
        ("many long members", |begin, size| {
            numbered(begin, |n| format!(r#","member{n}":0"#), "}", size)
        }),
        ("many inner members", |begin, size| {
            let begin = format!(r#"{begin},"a":{{"":0"#);
            numbered(&begin, |n| format!(r#","member{n}":0"#), "}}", size)
        }),
        ("many objects", |begin, size| {
            filled(&format!(r#"{begin},"a":["#), r#"{"a":0},"#, "0]}", size)
        }),
        ("many escapes", |begin, size| {
            filled(&format!(r#"{begin},"a":""#), r"\u0061", "\"}", size)
        }),
        ("nested lists", |begin, size| {
            filled(&format!(r#"{begin},"a":"#), "[", "", size)
        }),
        ("nested objects", |begin, size| {
            filled(&format!(r#"{begin},"a":"#), r#"{"a":"#, "", size)
        }),
        ("many nested lists", |begin, size| {
            let nested = format!("{}{},", "[".repeat(20), "]".repeat(20));
            filled(&format!(r#"{begin},"a":["#), &nested, "0]}", size)
        }),
        ("many digits", |begin, size| {
            filled(&format!(r#"{begin},"a":0."#), "1", "}", size)
        }),
        ("many blanks", |begin, size| filled(begin, " ", "}", size)),
        ("many audiences", |begin, size| {
            filled(&format!(r#"{begin},"aud":["#), r#""a","#, "\"a\"]}", size)
        }),
    ]
}

fn signed(header: &str, claims: &str) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(claims.as_bytes())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = encode(&mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// The application reads nothing, because its own map might cost more.
#[derive(Deserialize)]
struct Claims {}

fn verifies(token: String) -> impl FnMut() {
    let key = Key::hs256(SECRET).unwrap();
    let jwt = Jwt::<Claims>::builder(key).build().unwrap();
    move || drop(black_box(jwt.verify_token(&token)))
}
