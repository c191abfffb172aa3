//! News of a revocation as Redis publishes them. A published revocation is received unchanged, and
//! it is about the key that the message names. The first line of the input is a key, the second the
//! reason of a close frame.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use tower_ws_auth_core::revocation::{DisconnectReason, Revocation};

// The file itself, because the stores would add a client for Redis.
#[path = "../../../crates/tower-ws-auth-redis/src/wire_format.rs"]
mod news;

fuzz_target!(|input: &[u8]| {
    if let Some((key, revocation)) = news::hear(input) {
        // Raw, because a member that nobody reads may be a number that no value can hold.
        let message: HashMap<String, &RawValue> =
            serde_json::from_slice(input).expect("an object was accepted");
        let text = |name: &str| -> String {
            serde_json::from_str(message[name].get()).expect("a text was accepted")
        };
        assert_eq!(text("key"), key);
        let text = text("revocation");
        let (micros, reason) = text.split_once(' ').expect("two parts were accepted");
        assert_eq!(micros.parse(), Ok(revocation.micros()));
        // A margin and a firm moment.
        let reason = ['~', '!'].iter().fold(reason, |rest, mark| {
            let marked = rest.strip_prefix(*mark);
            marked.map_or(rest, |marked| {
                marked.split_once(' ').map_or("", |(_, rest)| rest)
            })
        });
        let said = match revocation.reason() {
            DisconnectReason::Application(own) => {
                let (code, reason) = reason.split_once(' ').expect("two parts were accepted");
                assert_eq!(code.parse(), Ok(own.code()));
                assert_eq!(reason, own.reason());
                own.reason()
            }
            other => other.reason(),
        };
        assert!(reason.ends_with(said));
        assert_heard(&key, &revocation);
    }
    if let Ok(text) = str::from_utf8(input) {
        if let Some(revocation) = news::read(text) {
            assert_eq!(news::read(&news::write(&revocation)), Some(revocation));
        }
        let (key, reason) = text.split_once('\n').unwrap_or((text, ""));
        let micros = input
            .iter()
            .fold(0, |all: u64, byte| all << 7 ^ u64::from(*byte));
        let own = DisconnectReason::application(4000 + (micros % 1000) as u16, reason);
        for reason in [DisconnectReason::Revoked, DisconnectReason::SessionEnded]
            .into_iter()
            .chain(own)
        {
            assert_heard(key, &Revocation::at_micros(micros, reason));
        }
    }
});

fn assert_heard(key: &str, revocation: &Revocation) {
    let heard = news::hear(&news::announce(key, revocation));
    assert_eq!(heard, Some((key.to_owned(), revocation.clone())));
}
