//! The decision is the same for every order of a request's fields.

use std::cell::Cell;

use http::{HeaderValue, Request};
use proptest::collection::vec;
use proptest::prelude::*;
use tower::ServiceExt;

use super::runner;
use crate::forge::{Door, b64, with_claims};
use crate::stack::{Answer, LetIn, PAGE, jwt, service};

type Field = (&'static str, String);

/// Fields that decide, fields that do not, and in about half of the requests all that is needed.
fn fields() -> impl Strategy<Value = (String, Vec<Field>)> {
    let good = Door::Hs.good();
    let expired = with_claims(r#"{"sub":"ada","exp":1}"#);
    let token = prop::sample::select(vec![good, expired, "x.y.z".to_owned(), "a b".to_owned()]);
    let handshake: [Field; 5] = [
        ("host", "localhost".to_owned()),
        ("upgrade", "websocket".to_owned()),
        ("connection", "keep-alive, Upgrade".to_owned()),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
        ("sec-websocket-version", "13".to_owned()),
    ];
    let carrier = (0_usize..5, token).prop_map(|(carrier, token)| -> Field {
        match carrier {
            0 => ("authorization", format!("Bearer {token}")),
            1 => ("authorization", format!("Basic {token}")),
            2 => (
                "sec-websocket-protocol",
                format!("base64url.bearer.phx.{}", b64(token)),
            ),
            3 => ("cookie", format!("jwt={token}")),
            _ => ("x-token", token),
        }
    });
    let noise = prop::sample::select(
        &[
            ("origin", PAGE),
            ("origin", PAGE),
            ("origin", "https://evil.example"),
            ("sec-websocket-protocol", "chat"),
            ("sec-websocket-protocol", "chat"),
            ("cookie", "theme=dark"),
            ("connection", "close"),
            ("upgrade", "h2c"),
            ("content-length", "0"),
            ("content-length", "5"),
            ("sec-websocket-version", "8"),
            ("user-agent", "x"),
            ("accept", "*/*"),
        ][..],
    );
    let noise = noise.prop_map(|(name, value)| (name, value.to_owned()));
    let lost = prop_oneof![6 => Just(None), 1 => (0_usize..5).prop_map(Some)];
    let query =
        prop_oneof![4 => Just(String::new()), 1 => Just(format!("?token={}", Door::Hs.good()))];
    (query, vec(carrier, 0..3), vec(noise, 0..5), lost).prop_map(
        move |(query, carriers, noise, lost)| {
            let mut fields = handshake.to_vec();
            if let Some(lost) = lost {
                fields.remove(lost);
            }
            fields.extend(carriers);
            fields.extend(noise);
            (format!("/ws{query}"), fields)
        },
    )
}

/// The fields by the order of their keys. Lines of one name keep theirs: it means something
/// (RFC 9110 §5.3).
fn shuffled(fields: &[Field], keys: &[u32]) -> Vec<Field> {
    let mut order: Vec<_> = fields.iter().map(|(name, _)| *name).zip(keys).collect();
    order.sort_by_key(|(_, key)| **key);
    let mut left = fields.to_vec();
    let mut first = |name| {
        let at = left.iter().position(|(other, _)| *other == name).unwrap();
        left.remove(at)
    };
    order.into_iter().map(|(name, _)| first(name)).collect()
}

#[test]
fn the_decision_does_not_depend_on_the_order_of_the_fields() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let let_in = LetIn::default();
    let door = service(jwt(Door::Hs), &let_in);
    let ask = |uri: &str, fields: &[Field]| {
        let mut request = Request::get(uri);
        for (name, value) in fields {
            request = request.header(*name, HeaderValue::from_str(value).unwrap());
        }
        let request = request.body(()).unwrap();
        runtime.block_on(door.clone().oneshot(request)).unwrap()
    };
    let (accepted, tried) = (Cell::new(0), Cell::new(0));
    let cases = (fields(), vec(any::<u32>(), 20));
    let outcome = runner(3_000).run(&cases, |((uri, fields), keys)| {
        let answer = ask(&uri, &fields);
        let shuffled = shuffled(&fields, &keys);
        prop_assert_eq!(answer, ask(&uri, &shuffled), "{:?}", shuffled);
        tried.set(tried.get() + 1);
        accepted.set(accepted.get() + u32::from(answer == Answer::IN));
        Ok(())
    });
    outcome.unwrap();
    assert!(
        (60..tried.get() - 600).contains(&accepted.get()),
        "{accepted:?} of {tried:?}"
    );
}
