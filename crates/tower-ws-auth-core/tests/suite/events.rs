//! One event for each decision, and no secret in any of them.

use http::StatusCode;
use http::request::Builder;
use test_support::Log;
use tower_ws_auth_core::{AuthLayer, Grant, Rejection, RejectionKind};

use crate::support::{Inner, Token, User, handshake, send};

/// The log of one decision, at the level TRACE.
fn logged<A>(layer: &AuthLayer<A>, request: Builder) -> (StatusCode, String)
where
    A: tower_ws_auth_core::Authenticate,
{
    let (response, lines) =
        Log::during(|| tokio_test::block_on(send(layer, &Inner::new(), request)));
    (response.status(), lines)
}

#[test]
fn an_acceptance_is_one_line_for_debugging() {
    let (status, lines) = logged(&AuthLayer::new(Token::new()), handshake("/ws?token=good"));
    assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    for part in [
        "DEBUG tower_ws_auth: handshake accepted",
        "strategy=\"token\"",
        "outcome=\"accepted\"",
        "latency_us=",
        "connection=",
    ] {
        assert!(lines.contains(part), "{lines}");
    }
    assert!(!lines.contains("who="), "{lines}");
}

#[test]
fn an_acceptance_says_who_it_is_if_that_is_wanted() {
    let layer = AuthLayer::new(Token::new()).log_identity(|user: &User| user.0.repeat(200));
    let (_, lines) = logged(&layer, handshake("/ws?token=good"));
    // 256 characters of 600.
    let who = format!("who=\"{}a\"", "ada".repeat(85));
    assert!(lines.contains(&who), "{lines}");
    assert!(!lines.contains("good"), "{lines}");
    let (_, lines) = logged(&layer, handshake("/ws?token=canary"));
    assert!(
        !lines.contains("who=") && !lines.contains("connection="),
        "{lines}"
    );
}

#[test]
fn another_scheme_of_authorization_is_named_and_its_value_is_not() {
    let request = handshake("/ws").header("authorization", "JWT canary");
    let (status, lines) = logged(&AuthLayer::new(Token::new()), request);
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(
        lines.contains("`Authorization` has another scheme"),
        "{lines}"
    );
    assert!(lines.contains("`header_scheme`"), "{lines}");
    assert!(!lines.contains("canary"), "{lines}");
}

#[test]
fn a_refusal_is_one_line_with_its_reason() {
    for (request, kind, status, detail) in [
        (
            handshake("/ws"),
            "credentials_missing",
            401,
            "no credential in any configured carrier",
        ),
        (
            handshake("/ws?token=canary"),
            "token_invalid",
            401,
            "not `good`",
        ),
        (
            handshake("/ws?token=canary&token=canary"),
            "credentials_malformed",
            400,
            "two credentials in the query",
        ),
        (
            handshake("/ws?token=canary").header("host", "twice"),
            "handshake_invalid",
            400,
            "there is not exactly one `Host`",
        ),
        (
            handshake("/ws").header("cookie", "jwt=canary"),
            "token_invalid",
            401,
            "not `good`",
        ),
    ] {
        let (_, lines) = logged(&AuthLayer::new(Token::new()), request);
        assert_eq!(lines.lines().count(), 1, "{lines}");
        for part in [
            " INFO tower_ws_auth: handshake refused",
            "strategy=\"token\"",
            "outcome=\"refused\"",
            &format!("kind=\"{kind}\""),
            &format!("status={status}"),
            &format!("detail=\"{detail}\""),
            "latency_us=",
        ] {
            assert!(lines.contains(part), "{lines} lacks {part}");
        }
        assert!(!lines.contains("canary"), "{lines}");
    }
}

#[test]
fn an_outage_is_a_warning_with_its_source() {
    let layer = AuthLayer::new(|_: &mut _| async {
        let outage = Rejection::new(RejectionKind::Unavailable, "no store");
        Err::<Grant<User>, _>(outage.with_source("connection refused"))
    });
    let (status, lines) = logged(&layer, handshake("/ws"));
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    for part in [
        " WARN tower_ws_auth:",
        "kind=\"unavailable\"",
        "source=connection refused",
    ] {
        assert!(lines.contains(part), "{lines}");
    }
}

#[test]
fn the_event_names_the_strategy_and_the_carrier_that_decided() {
    use tower_ws_auth_core::AuthenticateExt;

    let closure = |_: &mut http::request::Parts| async {
        Err::<Grant<User>, _>(Rejection::new(RejectionKind::CredentialsMissing, "nothing"))
    };
    let layer = || AuthLayer::new(Token::new().or(closure));
    for (request, strategy, carrier) in [
        (handshake("/ws?token=good"), "token", Some("query")),
        (handshake("/ws?token=bad"), "token", Some("query")),
        (handshake("/ws?token="), "token", Some("query")),
        (
            handshake("/ws").header("authorization", "Bearer bad"),
            "token",
            Some("header"),
        ),
        (
            handshake("/ws").header(
                "sec-websocket-protocol",
                "chat, base64url.bearer.phx.Y2FuYXJ5",
            ),
            "token",
            Some("subprotocol"),
        ),
        (
            handshake("/ws").header("cookie", "jwt=good"),
            "token",
            Some("cookie"),
        ),
        (
            handshake("/ws?token=a").header("authorization", "Bearer a"),
            "token",
            None,
        ),
        (handshake("/ws"), "closure", None),
    ] {
        let (_, line) = logged(&layer(), request);
        let strategy = format!("strategy=\"{strategy}\"");
        assert!(line.contains(&strategy), "{line} lacks {strategy}");
        match carrier {
            Some(carrier) => assert!(line.contains(&format!("carrier=\"{carrier}\"")), "{line}"),
            None => assert!(!line.contains("carrier="), "{line}"),
        }
    }
}

#[test]
fn a_decision_without_a_single_strategy_is_any_ofs() {
    use tower_ws_auth_core::AuthenticateExt;

    let layer = AuthLayer::new(Token::new().or(Token::new()));
    let (_, line) = logged(&layer, handshake("/ws"));
    assert!(line.contains("strategy=\"any_of\""), "{line}");
    assert!(line.contains("kind=\"credentials_missing\""), "{line}");
}

#[test]
fn the_latency_is_that_of_the_decision() {
    const TAKES: std::time::Duration = std::time::Duration::from_millis(2);
    let slow = |_: &mut http::request::Parts| async {
        std::thread::sleep(TAKES);
        Ok::<_, Rejection>(Grant::new(User("ada")))
    };
    let (_, line) = logged(&AuthLayer::new(slow), handshake("/ws"));
    let after = line.split("latency_us=").nth(1).unwrap();
    let latency = after.split_whitespace().next().unwrap();
    assert!(latency.parse::<u64>().unwrap() >= 2000, "{line}");
}

#[cfg(feature = "axum")]
#[test]
fn a_handler_without_a_layer_is_an_error_for_the_operator() {
    use tower::ServiceExt;

    let handler = |_: tower_ws_auth_core::Authenticated<User>| async {};
    let router = axum::Router::new().route("/ws", axum::routing::get(handler));
    let request = handshake("/ws").body(axum::body::Body::empty()).unwrap();
    let (response, line) = Log::during(|| tokio_test::block_on(router.oneshot(request)).unwrap());
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        line.contains("ERROR tower_ws_auth: misconfigured route"),
        "{line}"
    );
    let wanted = std::any::type_name::<tower_ws_auth_core::Authenticated<User>>();
    assert!(line.contains(wanted), "{line}");
    assert!(line.contains("add `.layer(AuthLayer::new("), "{line}");
}

#[cfg(feature = "axum")]
#[test]
fn a_handler_behind_a_layer_with_another_identity_reads_that_it_is_another() {
    use tower::ServiceExt;

    let handler = |_: tower_ws_auth_core::Authenticated<User>| async {};
    let other = AuthLayer::new(|_: &mut _| async { Ok(Grant::new("ada")) });
    let route = axum::routing::get(handler);
    let router = axum::Router::new().route("/ws", route).layer(other);
    let request = handshake("/ws").body(axum::body::Body::empty()).unwrap();
    let (_, lines) = Log::during(|| tokio_test::block_on(router.oneshot(request)).unwrap());
    assert!(lines.contains("grants another type"), "{lines}");
}

/// The outer one has taken the credential. The log says what to do.
#[test]
fn the_inner_one_of_two_layers_says_that_another_has_taken_the_credential() {
    use tower::{Layer, ServiceExt};

    let inner = Inner::new();
    let both =
        AuthLayer::new(Token::new()).layer(AuthLayer::new(Token::new()).layer(inner.clone()));
    let request = handshake("/ws?token=good").body(()).unwrap();
    let (response, lines) = Log::during(|| tokio_test::block_on(both.oneshot(request)).unwrap());
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(inner.calls(), 0);
    let rejection: &Rejection = response.extensions().get().unwrap();
    assert_eq!(rejection.kind(), RejectionKind::CredentialsMissing);
    for part in ["another AuthLayer further out", "use one per path", "`or`"] {
        assert!(rejection.detail().contains(part), "{}", rejection.detail());
    }
    assert!(lines.contains(rejection.detail()), "{lines}");

    // Alone it says what it always did, whatever else is in the request.
    let alone = AuthLayer::new(Token::new());
    let (_, lines) = logged(&alone, handshake("/ws").extension("other"));
    assert!(
        lines.contains("no credential in any configured carrier"),
        "{lines}"
    );
}
