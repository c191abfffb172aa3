//! What `Debug` and `Display` show to an operator. What they must not show stands in `secrets`.

use http::Request;
use tower_ws_auth_core::Authenticate;
use tower_ws_auth_jwt::{Algorithm, JwtEncoder, Key, SigningKey};

use crate::support::{SECRET, builder, good, jwt};

fn shows(shown: &str, begins: &str, parts: &[&str]) {
    assert!(shown.starts_with(begins), "{shown}");
    for part in parts {
        assert!(shown.contains(part), "{shown} lacks {part}");
    }
}

#[test]
fn a_strategy_shows_its_keys_its_rules_and_its_carriers() {
    let key = "Key { algorithm: HS256, kid: None, .. }";
    let builder = builder().issuers(["https://a.example"]).typ("at+jwt");
    shows(
        &format!("{builder:?}"),
        "JwtBuilder {",
        &[key, "https://a.example", "at+jwt", "rules: Rules"],
    );
    let jwt = builder.build().unwrap();
    shows(
        &format!("{jwt:?}"),
        "Jwt { decider: Decider {",
        &[key, "https://a.example", "at+jwt", "carriers: Carriers {"],
    );
}

#[test]
fn a_decision_under_way_is_its_name() {
    let verifying = jwt().verify_token_or_wait(&good());
    assert_eq!(format!("{verifying:?}"), "VerifyFuture");
}

#[test]
fn what_signs_shows_its_algorithm_and_its_name() {
    let key = SigningKey::hs256(SECRET).unwrap();
    let shown = "SigningKey { algorithm: HS256, kid: None, .. }";
    assert_eq!(format!("{key:?}"), shown);
    shows(
        &format!("{:?}", JwtEncoder::new(key)),
        "JwtEncoder",
        &[shown],
    );
    assert_eq!(Algorithm::HS256.to_string(), "HS256");
}

#[test]
fn the_strategy_is_named_and_the_credential_knows_its_carrier() {
    let jwt = jwt();
    assert_eq!(jwt.name(), "jwt");
    let request = Request::get("/ws?token=a.b.c").body(()).unwrap();
    let mut head = request.into_parts().0;
    let credential = jwt.take(&mut head).unwrap().unwrap();
    assert_eq!(credential.carrier(), "query");
    assert!(!credential.is_ambient());
}

#[cfg(feature = "rotation")]
#[test]
fn rotating_keys_show_those_in_force() {
    use tower_ws_auth_jwt::{Keys, RotatingKeys};
    let keys = Keys::new().with_kid("a", Key::hs256(SECRET).unwrap());
    let rotating = RotatingKeys::new(keys).unwrap();
    shows(
        &format!("{rotating:?}"),
        "RotatingKeys(",
        &["kid: Some(\"a\")"],
    );
}

#[cfg(feature = "single-use")]
#[test]
fn a_single_use_strategy_shows_the_one_inside_and_is_named_so() {
    use std::sync::Arc;
    use std::time::Duration;
    use tower_ws_auth_core::credential::Carriers;
    use tower_ws_auth_ticket::MemoryTickets;

    let minute = Duration::from_secs(60);
    let store = MemoryTickets::builder()
        .max_ttl(2 * minute)
        .build()
        .unwrap();
    let carriers = Carriers::builder()
        .query("token")
        .dangerous_cookie_from_any_origin("jwt")
        .build()
        .unwrap();
    let jwt = builder()
        .max_lifetime(minute)
        .carriers(carriers)
        .build()
        .unwrap();
    let strategy = jwt.single_use(Arc::new(store)).unwrap();
    shows(
        &format!("{strategy:?}"),
        "SingleUse { jwt: Jwt {",
        &["timeout: "],
    );
    assert_eq!(strategy.name(), "jwt");
    let request = Request::get(format!("/ws?token={}", good()))
        .body(())
        .unwrap();
    let mut head = request.into_parts().0;
    let credential = strategy.take(&mut head).unwrap().unwrap();
    assert_eq!(credential.carrier(), "query");
    assert!(!credential.is_ambient());
    let cookie = Request::get("/ws").header("cookie", "jwt=a.b.c");
    let mut with_cookie = cookie.body(()).unwrap().into_parts().0;
    let ambient = strategy.take(&mut with_cookie).unwrap().unwrap();
    assert!(ambient.is_ambient());
    assert_eq!(
        format!("{:?}", strategy.verify(credential, &head)),
        "Claimed"
    );
}
