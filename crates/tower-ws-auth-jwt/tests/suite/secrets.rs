use crate::support::*;
use tower_ws_auth_jwt::{Algorithm, Jwt, JwtEncoder, Key, KeyError, Keys, SigningKey};

const CANARY: &str = "canary-canary-canary-canary-canary";

fn hidden(text: &str) {
    assert!(!text.contains("canary"), "{text}");
    // As a list of bytes.
    assert!(!text.contains("99, 97, 110"), "{text}");
}

#[test]
fn keys_show_their_algorithm_and_name_alone() {
    let key = Key::hs256(CANARY).unwrap();
    assert_eq!(
        format!("{key:?}"),
        "Key { algorithm: HS256, kid: None, .. }"
    );
    let keys = Keys::new().with_kid("a", key.clone()).with(key);
    hidden(&format!("{keys:#?}"));
    assert!(format!("{keys:?}").contains(r#"kid: Some("a")"#));
    hidden(&format!("{:?}", Jwt::<()>::builder(keys.clone())));
    hidden(&format!("{:?}", Jwt::<()>::builder(keys).build().unwrap()));
    let signing = SigningKey::hs256(CANARY).unwrap();
    hidden(&format!("{signing:?}"));
    hidden(&format!("{:?}", JwtEncoder::new(signing)));
}

#[test]
fn errors_of_keys_do_not_show_them() {
    let jwk = format!(r#"{{"kty":"oct","alg":"HS512","k":"{}"}}"#, b64(CANARY));
    for error in [
        Key::hmac(Algorithm::HS512, CANARY).unwrap_err(),
        Key::from_pem(Algorithm::RS256, CANARY).unwrap_err(),
        Key::from_der(Algorithm::RS256, CANARY).unwrap_err(),
        Key::from_jwk(CANARY).unwrap_err(),
        Key::from_jwk(&jwk).unwrap_err(),
        KeyError::SecretIsPem,
    ] {
        hidden(&format!("{error} {error:?}"));
        assert!(!format!("{error:?}").contains(&b64(CANARY)));
    }
}

#[test]
fn rejections_do_not_show_the_token() {
    for token in [
        claims(r#"{"exp":1,"canary":"canary"}"#),
        claims(r#"{"canary":{"canary":1,"canary":1}}"#),
        token(r#"{"alg":"canary","kid":"canary"}"#, "{}"),
        CANARY.to_owned(),
    ] {
        let rejection = jwt().verify_token(&token).unwrap_err();
        let text = format!("{rejection} {rejection:?}");
        hidden(&text);
        assert!(!text.contains(&token[..10]));
    }
}
