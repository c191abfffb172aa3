use crate::support::*;
use serde_json::{Value, json};
use tower_ws_auth_jwt::{ConfigError, Issuers, Jwt, Key, UserClaim};

fn user(claims: &Value, places: &[&str]) -> Option<String> {
    UserClaim::new(places).unwrap().of(claims)
}

#[test]
fn is_a_text_or_an_integer() {
    for (value, name) in [
        (json!("ada"), Some("ada")),
        (json!(7), Some("7")),
        (json!(-7), Some("-7")),
        (json!(u64::MAX), Some("18446744073709551615")),
        (json!(""), None),
        (json!(null), None),
        (json!(7.0), None),
        (json!(1e30), None),
        (json!(true), None),
        (json!(["ada"]), None),
        (json!({ "0": "ada" }), None),
    ] {
        let claims = json!({ "uid": value });
        assert_eq!(user(&claims, &["/uid"]).as_deref(), name, "{claims}");
    }
}

#[test]
fn is_found_inside_of_objects_and_in_no_array() {
    let claims = json!({ "realm": { "user": "ada", "a/b~": "eve" }, "list": ["mallory"] });
    assert_eq!(user(&claims, &["/realm/user"]).as_deref(), Some("ada"));
    assert_eq!(user(&claims, &["/realm/a~1b~0"]).as_deref(), Some("eve"));
    for nowhere in [
        "/list/0",
        "/list/-",
        "/realm",
        "/realm/user/0",
        "/Realm/user",
    ] {
        assert_eq!(user(&claims, &[nowhere]), None, "{nowhere}");
    }
}

#[test]
fn the_first_place_that_is_there_decides() {
    let places = ["/sub", "/user"];
    for (claims, name) in [
        (json!({ "sub": "ada", "user": "eve" }), Some("ada")),
        (json!({ "sub": null, "user": "eve" }), Some("eve")),
        (json!({ "sub": "", "user": "eve" }), None),
        (json!({ "sub": {}, "user": "eve" }), None),
    ] {
        assert_eq!(user(&claims, &places).as_deref(), name, "{claims}");
    }
}

#[test]
fn a_place_that_names_no_user_is_an_error_of_the_constructor() {
    for bad in [
        "", "sub", "/", "/a/", "/a//b", "/a~", "/a~2", "/exp", "/iss", "/aud",
    ] {
        let error = UserClaim::new([bad]).unwrap_err();
        assert!(matches!(&error, ConfigError::UserClaim(_)), "{bad}");
    }
    let none: [&str; 0] = [];
    assert!(UserClaim::new(none).is_err());
}

#[test]
fn a_token_without_it_is_refused_and_the_log_names_the_place_and_no_value() {
    let claim = UserClaim::new(["/sub", "/user_id"]).unwrap();
    let jwt = builder().user_claim(claim).build().unwrap();
    let token = |user: &str| claims(format!(r#"{{"exp":1700000060,"user_id":{user}}}"#));
    assert_eq!(verdict(&jwt, &token("7")), "accepted");
    let refused = jwt.verify_token(&token(r#"["canary"]"#)).unwrap_err();
    assert_eq!(refused.reason(), "token_invalid");
    assert!(refused.detail().contains("the claim that names the user"));
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert_eq!(source, "no text and no integer at `/sub` or `/user_id`");
}

#[test]
fn others_decide_about_the_tokens_of_nobody_in_particular() {
    let theirs = Jwt::<Value>::builder(Key::hs256([7; 32]).unwrap());
    let theirs = theirs.issuer("https://they.example").build().unwrap();
    let issuers = Issuers::new([theirs]).unwrap().others(jwt());
    let token = |iss: &str| claims(format!(r#"{{"exp":1700000060{iss}}}"#));
    for (iss, good) in [
        ("", true),
        (r#","iss":"https://we.example""#, true),
        (r#","iss":"https://they.example""#, false),
    ] {
        assert_eq!(issuers.verify_token(&token(iss)).is_ok(), good, "{iss}");
    }
    assert!(Issuers::from(jwt()).verify_token(&good()).is_ok());
}
