use crate::support::*;
use serde_json::json;
use tower_ws_auth_jwt::{Algorithm, EncodeError, JwtEncoder, Key, KeyError, Keys, SigningKey};

fn encoder() -> JwtEncoder {
    JwtEncoder::new(SigningKey::hs256(SECRET).unwrap())
}

#[test]
fn the_token_is_the_one_that_others_make() {
    let token = encoder().encode(&json!({"exp": NOW + 60})).unwrap();
    assert_eq!(token, good());
}

#[test]
fn the_header_names_algorithm_type_and_key() {
    let key = SigningKey::hmac(Algorithm::HS512, [1; 64]).unwrap();
    let encoder = JwtEncoder::new(key.with_kid("a\"b").unwrap()).typ("at+jwt");
    let token = encoder.encode(&json!({})).unwrap();
    let header = b64(r#"{"alg":"HS512","kid":"a\"b","typ":"at+jwt"}"#);
    assert_eq!(token.split('.').next(), Some(header.as_str()));
    let key = Key::hmac(Algorithm::HS512, [1; 64]).unwrap();
    assert!(Keys::new().with_kid("a\"b", key).open(&token).is_ok());
}

#[test]
fn claims_are_an_object_that_fits_into_a_token() {
    for bad in [json!(null), json!([1]), json!("a"), json!(7)] {
        let error = encoder().encode(&bad).unwrap_err();
        assert!(matches!(error, EncodeError::NotAnObject));
    }
    let long = json!({"a": "x".repeat(8 * 1024)});
    assert!(matches!(encoder().encode(&long), Err(EncodeError::TooLong)));
    let unwritable = std::collections::HashMap::from([((1, 2), 3)]);
    assert!(matches!(
        encoder().encode(&unwritable),
        Err(EncodeError::Json(_))
    ));
}

#[test]
fn a_kid_has_at_most_256_bytes() {
    let key = SigningKey::hs256(SECRET).unwrap();
    assert!(key.clone().with_kid("k".repeat(256)).is_ok());
    assert_eq!(
        key.with_kid("k".repeat(257)).unwrap_err(),
        KeyError::LongKid
    );
}
