//! What a token inherits from the grant that it was minted for.

use serde_json::{Value, json};
use tower_ws_auth_core::{Clock, RevocationKey, Validity};
use tower_ws_auth_jwt::{Jwt, JwtEncoder, Key, SigningKey};

use crate::support::*;

fn jwt() -> Jwt<Value> {
    Jwt::builder(Key::hs256(SECRET).unwrap())
        .clock(Clock::fixed(NOW))
        .dangerous_allow_missing_exp()
        .build()
        .unwrap()
}

fn encoder() -> JwtEncoder {
    JwtEncoder::new(SigningKey::hs256(SECRET).unwrap())
}

/// The claims of a token that was minted with these, within this validity.
fn minted(claims: &Value, validity: &Validity) -> Value {
    let token = encoder().encode_inheriting(claims, validity).unwrap();
    jwt().verify_token(&token).unwrap().identity().clone()
}

fn since(issued_at: u64) -> Validity {
    Validity::since(Clock::at(issued_at))
}

#[test]
fn it_ends_no_later() {
    let validity = since(NOW).until(Clock::at(NOW + 100));
    for (exp, inherited) in [
        (json!({}), json!(NOW + 100)),
        (json!({"exp": NOW + 50}), json!(NOW + 50)),
        (json!({"exp": NOW + 100}), json!(NOW + 100)),
        (json!({"exp": NOW + 101}), json!(NOW + 100)),
        (json!({"exp": 1e18}), json!(NOW + 100)),
        (json!({"exp": "never"}), json!(NOW + 100)),
    ] {
        assert_eq!(minted(&exp, &validity)["exp"], inherited, "{exp}");
    }
    let endless = minted(&json!({"exp": NOW + 7}), &since(NOW));
    assert_eq!(endless["exp"], NOW + 7);
    assert_eq!(minted(&json!({}), &since(NOW)).get("exp"), None);
}

#[test]
fn its_end_is_never_rounded_up() {
    let half = std::time::Duration::from_millis(500);
    let validity = since(NOW).until(Clock::at(NOW + 10) + half);
    assert_eq!(minted(&json!({}), &validity)["exp"], NOW + 10);
}

#[test]
fn it_is_as_old_as_the_grant() {
    for (iat, issued) in [
        (json!({}), NOW - 5),
        (json!({"iat": NOW}), NOW - 5),
        (json!({"iat": NOW - 9}), NOW - 9),
        (json!({"iat": null}), NOW - 5),
    ] {
        let token = encoder().encode_inheriting(&iat, &since(NOW - 5)).unwrap();
        let grant = jwt().verify_token(&token).unwrap();
        assert_eq!(
            grant.validity().issued_at(),
            Some(Clock::at(issued)),
            "{iat}"
        );
    }
    let fraction = std::time::Duration::from_micros(123_456);
    let validity = Validity::since(Clock::at(NOW - 5) + fraction);
    let token = encoder().encode_inheriting(&json!({}), &validity).unwrap();
    let issued_at = jwt()
        .verify_token(&token)
        .unwrap()
        .validity()
        .issued_at()
        .unwrap();
    let after = issued_at.duration_since(Clock::at(NOW - 5)).unwrap();
    assert_eq!(after.as_millis(), 123);
}

#[test]
fn an_unknown_age_is_handed_on() {
    let claims = json!({"iat": NOW});
    let token = encoder().encode_inheriting(&claims, &Validity::of_unknown_age());
    let grant = jwt().verify_token(&token.unwrap()).unwrap();
    assert_eq!(grant.validity().issued_at(), None);
}

#[test]
fn it_is_revoked_by_the_same_keys_and_knows_what_the_grant_knew() {
    let known = RevocationKey::from("user:ada").issued_after(Clock::at(NOW - 70));
    let session = RevocationKey::from("session:1").into_final();
    let validity = since(NOW)
        .revocable_by(known.clone())
        .revocable_by(session.clone());
    let claims = json!({"sub": "ada", "wsauth_keys": ["since 9999999999999999:user:ada"]});
    let token = encoder().encode_inheriting(&claims, &validity).unwrap();
    let jwt = jwt()
        .revocable_by(|claims: &Value| format!("user:{}", claims["sub"].as_str().unwrap()))
        .revocable_by(|_| "everybody".to_owned());
    let grant = jwt.verify_token(&token).unwrap();
    let keys = grant.validity().revocation_keys();
    assert_eq!(keys, [known, RevocationKey::from("everybody"), session]);
    // What inherits none has none that its claims name.
    let token = encoder().encode_inheriting(&claims, &since(NOW)).unwrap();
    let grant = jwt.verify_token(&token).unwrap();
    assert_eq!(
        grant.validity().revocation_keys()[0].known_revocation(),
        None
    );
}

#[test]
fn keys_that_cannot_be_read_are_refused() {
    for bad in [
        json!(7),
        json!(["user:ada"]),
        json!("user:ada"),
        json!([["final:a"]]),
        json!({"a": 1}),
        json!(["final:a", 7]),
        json!(null),
    ] {
        let token = encoder().encode(&json!({"wsauth_keys": bad})).unwrap();
        assert_eq!(
            jwt().verify_token(&token).unwrap_err().reason(),
            "token_invalid"
        );
    }
    let one = encoder()
        .encode(&json!({"wsauth_keys": "final:a"}))
        .unwrap();
    let grant = jwt().verify_token(&one).unwrap();
    assert!(grant.validity().revocation_keys()[0].is_final());
}

#[test]
fn claims_are_an_object_here_too() {
    let refused = encoder().encode_inheriting(&json!([1]), &since(NOW));
    assert!(refused.is_err());
}
