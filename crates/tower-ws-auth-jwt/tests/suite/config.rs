use std::time::Duration;

use crate::support::*;
use tower_ws_auth_jwt::{ConfigError, Jwt, Key, KeyError, Keys};

fn text(error: &impl std::error::Error) -> String {
    error.to_string()
}

#[test]
fn keys_that_cannot_be_used_do_not_build() {
    let key = || Key::hs256(SECRET).unwrap();
    let error = |keys: Keys| Jwt::<()>::builder(keys).build().unwrap_err();
    assert!(matches!(
        error(Keys::new()),
        ConfigError::Keys(KeyError::NoKey)
    ));
    assert!(matches!(
        error((0..5).fold(Keys::new(), |keys, _| keys.with_kid("a", key()))),
        ConfigError::Keys(KeyError::DuplicateKid(kid)) if kid == "a"
    ));
    assert!(matches!(
        error(Keys::new().with_kid("k".repeat(257), key())),
        ConfigError::Keys(KeyError::LongKid)
    ));
    let nine = (0..9).fold(Keys::new(), |keys, _| keys.with(key()));
    assert!(text(&error(nine)).contains("Keys::with_kid"));
    let eight = (0..8).fold(Keys::new(), |keys, _| keys.with(key()));
    assert!(Jwt::<()>::builder(eight).build().is_ok());
}

#[test]
fn empty_lists_and_texts_do_not_build() {
    let none: [String; 0] = [];
    for (name, builder) in [
        ("issuer", builder().issuer("")),
        ("issuer", builder().issuers(none.clone())),
        ("issuer", builder().issuers(["a", ""])),
        ("audience", builder().audience("")),
        ("audience", builder().audiences(none)),
        ("subject", builder().subject("")),
        ("typ", builder().typ("")),
        ("require_claim", builder().require_claim("")),
    ] {
        let error = builder.build().unwrap_err();
        assert!(
            matches!(error, ConfigError::Empty(setter) if setter == name),
            "{name}"
        );
    }
}

#[test]
fn a_leeway_beyond_a_minute_needs_its_frightening_name() {
    let minute = Duration::from_secs(60);
    let longer = minute + Duration::from_nanos(1);
    assert!(builder().leeway(minute).build().is_ok());
    let error = builder().leeway(longer).build().unwrap_err();
    assert!(text(&error).contains("dangerous_long_leeway"));
    assert!(builder().dangerous_long_leeway(longer).build().is_ok());
    let error = builder()
        .dangerous_long_leeway(longer)
        .leeway(longer)
        .build();
    assert!(error.is_err());
}

#[test]
fn rules_that_contradict_each_other_do_not_build() {
    let day = Duration::from_secs(86_400);
    for builder in [
        builder().audience("a").dangerous_ignore_audience(),
        builder().max_lifetime(day).dangerous_allow_missing_exp(),
        builder().require_claim("exp").dangerous_allow_missing_exp(),
    ] {
        assert!(matches!(builder.build(), Err(ConfigError::Conflict(_, _))));
    }
    assert!(matches!(
        builder().max_lifetime(Duration::ZERO).build(),
        Err(ConfigError::MaxLifetime)
    ));
}
