//! A valid credential with one flipped bit is refused.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::json;
use tower_ws_auth::Tickets;
use tower_ws_auth::ticket::{MemoryTickets, Purpose, TicketRequest};

use super::{config, runner};
use crate::corpora::is_same_escape;
use crate::forge::{COOKIE_SECRET, Door, NOW, b64, express, percent_encoded, sign, unb64};
use crate::stack::{jwt, sessions};

/// A bit somewhere in so many bytes.
fn bit(bytes: usize, anywhere: prop::sample::Index) -> (usize, u32) {
    let number = anywhere.index(bytes * 8);
    (number / 8, u32::try_from(number % 8).unwrap())
}

fn flip(bytes: &[u8], (at, bit): (usize, u32)) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[at] ^= 1 << bit;
    flipped
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn of_a_token(
        door in prop::sample::select(&Door::ALL[..]),
        subject in "\\PC{0,20}",
        lasts in 1_u64..100_000,
        anywhere in any::<prop::sample::Index>(),
    ) {
        let header = format!(r#"{{"alg":"{}"}}"#, door.alg());
        let claims = json!({ "sub": subject, "exp": NOW + lasts });
        let token = sign(door, &header, &claims.to_string());
        let jwt = jwt(door);
        prop_assert!(jwt.verify_token(&token).is_ok());
        // As it is written …
        if let Ok(flipped) = String::from_utf8(flip(token.as_bytes(), bit(token.len(), anywhere))) {
            prop_assert!(jwt.verify_token(&flipped).is_err(), "{}", flipped);
        }
        // … at the end of each part, where bits are to spare …
        let ends = token.match_indices('.').map(|(dot, _)| dot).chain([token.len()]);
        for end in ends {
            let place = (end - 1, u32::try_from(anywhere.index(7)).unwrap());
            let flipped = String::from_utf8(flip(token.as_bytes(), place)).unwrap();
            prop_assert!(jwt.verify_token(&flipped).is_err(), "{}", flipped);
        }
        // … and in the bytes that are meant.
        let mut parts: Vec<_> = token.split('.').map(unb64).collect();
        let part = anywhere.index(3);
        parts[part] = flip(&parts[part], bit(parts[part].len(), anywhere));
        let flipped = parts.iter().map(b64).collect::<Vec<_>>().join(".");
        prop_assert!(jwt.verify_token(&flipped).is_err(), "{}", flipped);
    }

    #[test]
    fn of_a_session_cookie(id in "\\PC{1,40}", anywhere in any::<prop::sample::Index>()) {
        let sessions = sessions();
        let read = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            let line = [b"connect.sid=", value].concat();
            // No client can send such a field.
            headers.insert("cookie", HeaderValue::from_bytes(&line).ok()?);
            sessions.signed_id(&headers)
        };
        let value = express(COOKIE_SECRET, &id);
        let written = percent_encoded(&value).into_bytes();
        prop_assert!(read(&written).is_some());
        let place = bit(written.len(), anywhere);
        prop_assume!(!is_same_escape(&written, place.0, place.1));
        prop_assert!(read(&flip(&written, place)).is_none());
        // The last character has bits to spare.
        let last = (value.len() - 1, u32::try_from(anywhere.index(7)).unwrap());
        for place in [bit(value.len(), anywhere), last] {
            let flipped = flip(value.as_bytes(), place);
            prop_assert!(read(percent_encoded(flipped).as_bytes()).is_none());
        }
    }
}

#[test]
fn of_a_ticket_which_stays_valid() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let tickets: Tickets<String> = Tickets::builder(Arc::new(MemoryTickets::new()))
        .build()
        .unwrap();
    let places = any::<prop::sample::Index>();
    let outcome = runner(2_000).run(&places, |anywhere| {
        runtime.block_on(async {
            let order = TicketRequest::new("ada".to_owned(), Purpose::channel("lobby"));
            let issued = tickets.issue(order).await.unwrap();
            let ticket = issued.ticket();
            // The last character has bits to spare.
            let last = (ticket.len() - 1, u32::try_from(anywhere.index(7)).unwrap());
            for place in [bit(ticket.len(), anywhere), last] {
                if let Ok(flipped) = String::from_utf8(flip(ticket.as_bytes(), place)) {
                    prop_assert!(tickets.take_for_channel(&flipped, "lobby").await.is_err());
                }
            }
            prop_assert!(tickets.take_for_channel(ticket, "lobby").await.is_ok());
            prop_assert!(tickets.take_for_channel(ticket, "lobby").await.is_err());
            Ok(())
        })
    });
    outcome.unwrap();
}
