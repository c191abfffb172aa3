//! One rule more never lets one more in.

use std::cell::Cell;
use std::time::Duration;

use http::Request;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower_ws_auth::origin::OriginCheck;
use tower_ws_auth::{Jwt, Origins};

use super::runner;
use crate::forge::{Door, NOW, hs};
use crate::stack::jwt_builder;

const RULES: u32 = 8;
const LIFETIME: u32 = 1 << 4;
const EXPIRY: u32 = 1 << 7;

/// The rules of these bits. A `dangerous_` setting is the absence of a rule.
fn verifier(rules: u32) -> Jwt<Value> {
    let has = |rule: u32| rules & 1 << rule != 0;
    let mut builder = jwt_builder(Door::Hs);
    if has(0) {
        builder = builder.issuer("https://a.example");
    }
    if has(1) {
        builder = builder.subject("ada");
    }
    if has(2) {
        builder = builder.typ("at+jwt");
    }
    if has(3) {
        builder = builder.require_claim("jti");
    }
    if has(4) {
        builder = builder.max_lifetime(Duration::from_secs(3_600));
    }
    builder = if has(5) {
        builder.audience("chat")
    } else {
        builder.dangerous_ignore_audience()
    };
    if !has(6) {
        builder = builder.leeway(Duration::from_secs(60));
    }
    if !has(7) {
        builder = builder.dangerous_allow_missing_exp();
    }
    builder.build().unwrap()
}

/// A lifetime is measured up to the expiry: it does not go without one.
fn closed(rules: u32) -> u32 {
    match rules & LIFETIME {
        0 => rules,
        _ => rules | EXPIRY,
    }
}

/// Mostly what a strict verifier wants.
fn tokens() -> impl Strategy<Value = String> {
    let likely = |good: Value, others: Vec<Value>| {
        prop_oneof![
            5 => Just(Some(good)),
            2 => prop::sample::select(others).prop_map(Some),
            1 => Just(None),
        ]
    };
    let claims = (
        likely(
            json!("https://a.example"),
            vec![json!("https://b.example"), json!(["https://a.example"])],
        ),
        likely(json!("ada"), vec![json!("eve"), json!(1)]),
        likely(json!("1"), vec![Value::Null, json!(7)]),
        likely(
            json!("chat"),
            vec![json!(["mail", "chat"]), json!("mail"), json!([]), json!(0)],
        ),
        likely(
            json!(NOW + 600),
            vec![
                json!(NOW),
                json!(NOW - 30),
                json!(NOW - 61),
                json!(NOW + 100_000),
                json!(1e30),
            ],
        ),
        likely(
            json!(NOW - 10),
            vec![
                json!(NOW + 30),
                json!(NOW + 90),
                json!(NOW - 100_000),
                json!("x"),
            ],
        ),
        likely(json!(0), vec![json!(NOW + 30), json!(NOW + 90)]),
    );
    let typ =
        prop_oneof![4 => Just(r#","typ":"at+jwt""#), 1 => Just(r#","typ":"JWT""#), 1 => Just("")];
    (claims, typ).prop_map(|((iss, sub, jti, aud, exp, iat, nbf), typ)| {
        let claims = [
            ("iss", iss),
            ("sub", sub),
            ("jti", jti),
            ("aud", aud),
            ("exp", exp),
            ("iat", iat),
            ("nbf", nbf),
        ];
        let claims: serde_json::Map<_, _> = claims
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect();
        hs(
            format!(r#"{{"alg":"HS256"{typ}}}"#),
            Value::from(claims).to_string(),
        )
    })
}

#[test]
fn of_the_rules_for_tokens() {
    let verifiers: Vec<_> = (0..1 << RULES)
        .map(|rules| verifier(closed(rules)))
        .collect();
    let accepts = |rules: u32, token: &str| {
        let verifier = &verifiers[usize::try_from(rules).unwrap()];
        verifier.verify_token(token).is_ok()
    };
    let (accepted, differ) = (Cell::new(0), Cell::new(0));
    let cases = (tokens(), 0_u32..1 << RULES, 0_u32..1 << RULES);
    let outcome = runner(20_000).run(&cases, |(token, rules, mask)| {
        let (strict, lenient) = (accepts(rules, &token), accepts(rules & mask, &token));
        prop_assert!(
            lenient || !strict,
            "{:b} accepts and {:b} does not",
            rules,
            rules & mask
        );
        accepted.set(accepted.get() + u32::from(strict));
        differ.set(differ.get() + u32::from(lenient != strict));
        Ok(())
    });
    outcome.unwrap();
    assert!(accepted.get() >= 500, "{accepted:?}");
    assert!(differ.get() >= 500, "{differ:?}");
}

#[test]
fn of_the_list_of_origins() {
    const ORIGINS: [&str; 5] = [
        "https://a.example",
        "http://a.example",
        "https://a.example:8443",
        "https://b.example",
        "https://*.b.example",
    ];
    const ASKING: [&str; 10] = [
        "https://a.example",
        "http://a.example",
        "https://a.example:8443",
        "https://a.example:443",
        "https://b.example",
        "https://x.b.example",
        "https://xb.example",
        "https://b.example.evil.example",
        "null",
        "",
    ];
    let list = |chosen: &[usize]| Origins::new(chosen.iter().map(|at| ORIGINS[*at])).unwrap();
    let allowed = Cell::new(0);
    let cases = (
        vec(0..ORIGINS.len(), 1..4),
        vec(0..ORIGINS.len(), 0..3),
        prop::sample::select(&ASKING[..]),
    );
    let outcome = runner(2_000).run(&cases, |(strict, more, origin)| {
        let lenient: Vec<_> = strict.iter().chain(&more).copied().collect();
        let (head, ()) = Request::get("/")
            .header("origin", origin)
            .body(())
            .unwrap()
            .into_parts();
        let allows =
            |chosen: &[usize]| matches!(list(chosen).allows(&head), OriginCheck::Allowed(_));
        prop_assert!(
            allows(&lenient) || !allows(&strict),
            "{} {:?} {:?}",
            origin,
            strict,
            lenient
        );
        allowed.set(allowed.get() + u32::from(allows(&strict)));
        Ok(())
    });
    outcome.unwrap();
    assert!(allowed.get() >= 100, "{allowed:?}");
}
