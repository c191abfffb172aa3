//! Security events of the Shared Signals Framework (CAEP), which a provider on loopback signs and
//! pushes as RFC 8935 says.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tower_ws_auth_core::MemoryRevocations;
use tower_ws_auth_jwt::{BackchannelLogoutBuilder, JwtEncoder};

use super::keys::{Pair, b64};
use super::logout::{EVENT, FORM, Failing, HOUR, NOW, World, memory, sign_as_is, typed};

const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const KIND: &str = "application/secevent+jwt";

async fn world() -> World {
    let revocations = MemoryRevocations::new(HOUR, 1000);
    World::with(
        memory(),
        revocations,
        BackchannelLogoutBuilder::security_events,
    )
    .await
}

fn event(world: &World, jti: &str, subject: &Value) -> Value {
    json!({
        "iss": world.provider.url(""), "aud": "chat", "iat": NOW, "jti": jti, "sub_id": subject,
        "events": { REVOKED: { "event_timestamp": NOW } },
    })
}

fn of_user(world: &World, user: &str) -> Value {
    json!({ "format": "iss_sub", "iss": world.provider.url(""), "sub": user })
}

fn signed(claims: &Value) -> String {
    typed("secevent+jwt", claims)
}

async fn push(world: &World, token: &str) -> (u16, String) {
    let (status, body) = world.send("POST", KIND, token).await;
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    (status, body["err"].as_str().unwrap_or_default().to_owned())
}

fn refused(error: &str) -> (u16, String) {
    (400, error.to_owned())
}

fn accepted() -> (u16, String) {
    (202, String::new())
}

#[tokio::test]
async fn of_known_providers_end_what_they_name() {
    for (text, key) in [
        (
            include_str!("../../data/events/caep.json"),
            "sid:$ISS:dMTlD|1600802906337.16|16008.16",
        ),
        (
            include_str!("../../data/events/caep-user.json"),
            "sub:$ISS:dMTlD16008",
        ),
        (
            include_str!("../../data/events/interoperability.json"),
            "email:$ISS:foo@example.com",
        ),
        (
            include_str!("../../data/events/okta.json"),
            "sub:$ISS:00u2fmn7j9CpqJ5Fb0g4",
        ),
    ] {
        let world = world().await;
        let text = text
            .replace("$NOW", &NOW.to_string())
            .replace("$ISS", &world.provider.url(""));
        let token: Value = serde_json::from_str(&text).unwrap();
        let token = sign_as_is(&token["header"], &token["claims"]);
        assert!(!world.is_revoked(key).await);
        // A line break at its end is no part of it.
        assert_eq!(
            push(&world, &format!("{token}\n")).await,
            accepted(),
            "{text}"
        );
        assert!(world.is_revoked(key).await, "{text}");
    }
}

#[tokio::test]
async fn that_come_again_are_acknowledged_and_do_nothing() {
    let world = world().await;
    let token = signed(&event(&world, "1", &of_user(&world, "ada")));
    assert_eq!(push(&world, &token).await, accepted());
    assert!(world.is_revoked("sub:$ISS:ada").await);
    // A login after it stays when the event comes once more.
    world.hands.forward(300);
    let key = "sub:$ISS:ada";
    assert!(!world.is_revoked_at(key, NOW + 300).await);
    assert_eq!(push(&world, &token).await, accepted());
    assert!(!world.is_revoked_at(key, NOW + 300).await);
}

#[tokio::test]
async fn of_other_kinds_are_acknowledged_and_end_nothing() {
    let world = world().await;
    let mut claims = event(&world, "1", &json!({ "format": "opaque", "id": "ada" }));
    claims["events"] = json!({ VERIFICATION: { "state": "VGhpcyBpcyBhbiBleGFtcGxl" } });
    assert_eq!(push(&world, &signed(&claims)).await, accepted());
    assert!(!world.is_revoked("sub:$ISS:ada").await);
}

#[tokio::test]
async fn that_break_a_rule_end_nothing() {
    let world = world().await;
    let ada = of_user(&world, "ada");
    let good = event(&world, "1", &ada);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    for (claims, error) in [
        (
            with("iss", json!("https://other.example")),
            "invalid_issuer",
        ),
        (without("iss"), "invalid_issuer"),
        (with("aud", json!("mail")), "invalid_audience"),
        (without("aud"), "invalid_audience"),
        (without("events"), "invalid_request"),
        (with("events", json!({})), "invalid_request"),
        (with("events", json!([REVOKED])), "invalid_request"),
        (with("events", json!({ REVOKED: true })), "invalid_request"),
        (without("jti"), "invalid_request"),
        (without("iat"), "invalid_request"),
        (with("iat", json!(NOW - 361)), "invalid_request"),
        (with("iat", json!(NOW + 61)), "invalid_request"),
        (with("exp", json!(NOW - 60)), "invalid_request"),
        (without("sub_id"), "invalid_request"),
        // A provider names its own users, and nobody else's.
        (
            with(
                "sub_id",
                json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "ada" }),
            ),
            "invalid_request",
        ),
        (
            with("sub_id", json!({ "format": "iss_sub", "sub": "ada" })),
            "invalid_request",
        ),
        (with("sub_id", json!("ada")), "invalid_request"),
        (with("sub_id", json!({ "sub": "ada" })), "invalid_request"),
        (
            with(
                "sub_id",
                json!({ "format": "phone_number", "phone_number": "+1" }),
            ),
            "invalid_request",
        ),
        (
            with("sub_id", json!({ "format": "opaque", "id": 7 })),
            "invalid_request",
        ),
        (
            with("sub_id", json!({ "format": "email" })),
            "invalid_request",
        ),
        (
            with(
                "sub_id",
                json!({ "format": "complex", "device": { "format": "opaque", "id": "d" } }),
            ),
            "invalid_request",
        ),
        (
            with(
                "sub_id",
                json!({ "format": "complex", "user": ada, "session": "s1" }),
            ),
            "invalid_request",
        ),
    ] {
        assert_eq!(
            push(&world, &signed(&claims)).await,
            refused(error),
            "{claims}"
        );
    }
    assert!(!world.is_revoked("sub:$ISS:ada").await);
    assert!(!world.is_revoked("sub:https://other.example:ada").await);
    // All that was missing was a good one.
    assert_eq!(push(&world, &signed(&good)).await, accepted());
    assert!(world.is_revoked("sub:$ISS:ada").await);
}

#[tokio::test]
async fn of_another_type_or_from_somebody_else_end_nothing() {
    let world = world().await;
    let good = event(&world, "1", &of_user(&world, "ada"));
    // Of another type: a logout token, an ID token, an access token.
    for typ in ["logout+jwt", "JWT", "at+jwt"] {
        let answer = push(&world, &typed(typ, &good)).await;
        assert_eq!(answer, refused("invalid_request"), "{typ}");
    }
    // And a logout token is no event, nor the other way round.
    let logout = world.claims("2");
    assert_eq!(push(&world, &signed(&logout)).await, accepted());
    let form = format!("logout_token={}", signed(&good));
    assert_eq!(world.send("POST", FORM, &form).await.0, 400);
    let mut both = good.clone();
    both["events"][EVENT] = json!({});
    both["sub"] = json!("ada");
    let form = format!("logout_token={}", signed(&both));
    assert_eq!(world.send("POST", FORM, &form).await.0, 400);
    // Signed with another key, or with none.
    let stranger = JwtEncoder::new(Pair::P256.signing().with_kid("a").unwrap());
    let stranger = stranger.typ("secevent+jwt").encode(&good).unwrap();
    assert_eq!(push(&world, &stranger).await, refused("invalid_key"));
    let header = r#"{"alg":"none","typ":"secevent+jwt"}"#;
    let unsigned = format!("{}.{}.", b64(header), b64(good.to_string()));
    assert_eq!(push(&world, &unsigned).await, refused("invalid_request"));
    for body in ["", "ada", "\u{e4}.b.c", &format!("set={}", signed(&good))] {
        assert_eq!(
            push(&world, body).await,
            refused("invalid_request"),
            "{body}"
        );
    }
    for key in ["sub:$ISS:ada", "sid:$ISS:s1"] {
        assert!(!world.is_revoked(key).await, "{key}");
    }
}

#[tokio::test]
async fn are_not_taken_unless_asked_for() {
    let world = World::new().await;
    let token = signed(&event(&world, "1", &of_user(&world, "ada")));
    let (status, _) = world.send("POST", KIND, &token).await;
    assert_eq!(status, 400);
    assert!(!world.is_revoked("sub:$ISS:ada").await);
}

#[tokio::test]
async fn that_failed_can_be_pushed_again() {
    let store = Failing {
        memory: Arc::new(MemoryRevocations::new(HOUR, 1000)),
        fails: Arc::new(Mutex::new(true)),
    };
    let fails = Arc::clone(&store.fails);
    let world = World::with(memory(), store, BackchannelLogoutBuilder::security_events).await;
    let token = signed(&event(&world, "1", &of_user(&world, "ada")));
    assert_eq!(push(&world, &token).await, (503, String::new()));
    *fails.lock().unwrap() = false;
    assert_eq!(push(&world, &token).await, accepted());
    assert!(world.is_revoked("sub:$ISS:ada").await);
}
