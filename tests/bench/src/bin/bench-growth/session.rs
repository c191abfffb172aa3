//! A session: its cookie, with its escapes and its signature, and its record.

use std::hint::black_box;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bench_suite::{SECRET, Shape, now};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::runtime::Builder;
use tower_ws_auth::Sessions;
use tower_ws_auth::session::{MemorySessions, Secrets, SessionStore};

use crate::filled;
use crate::token::objects;

/// A longer value is not read.
const LONGEST: usize = 1024;

/// The application reads nothing, because its own map might cost more.
#[derive(Clone, Serialize, Deserialize)]
struct User {}

fn sessions(store: MemorySessions) -> Sessions<User> {
    let secrets = Secrets::express([SECRET]).unwrap();
    Sessions::builder(secrets, store).build().unwrap()
}

fn cookie(value: &str) -> HeaderMap {
    let value = HeaderValue::try_from(format!("connect.sid={value}")).unwrap();
    HeaderMap::from_iter([(COOKIE, value)])
}

fn signed(id: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(id.as_bytes());
    let signature = STANDARD_NO_PAD.encode(mac.finalize().into_bytes());
    format!("s:{id}.{signature}")
}

pub(crate) fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (name, beginning, repeated) in [
        ("plain", "s:", "a"),
        ("many dots", "s:", "."),
        ("many %25", "s:", "%25"),
        ("escapes of escapes", "s:%", "25"),
        ("half an escape", "s:", "%2"),
        ("many prefixes", "", "s:"),
        ("many %61", "s%3A", "%61"),
    ] {
        let shape = Shape::new("session cookie", name, move |size| {
            let headers = cookie(&filled(beginning, repeated, ".AAAA", size));
            let sessions = sessions(MemorySessions::new(1));
            move || drop(black_box(sessions.signed_id(&headers)))
        });
        shapes.push(shape.refused_beyond(LONGEST));
    }
    for (name, json) in objects() {
        shapes.push(Shape::new("session record", name, move |size| {
            let store = MemorySessions::new(2);
            let record = json(r#"{"cookie":{}"#, size);
            let sessions = sessions(store.clone());
            let headers = cookie(&signed("an-id"));
            let id = sessions.signed_id(&headers).unwrap();
            now(store.create(&id, &record, Duration::from_secs(3600))).unwrap();
            let runtime = Builder::new_current_thread().enable_time().build().unwrap();
            move || drop(black_box(runtime.block_on(sessions.load(&headers))))
        }));
    }
    shapes
}
