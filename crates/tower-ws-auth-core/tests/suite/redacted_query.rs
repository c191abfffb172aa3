//! Spans without credentials, for a log outside of all our layers.

use http::Request;
use http::request::Builder;
use test_support::Log;
use tower_ws_auth_core::{RedactError, RedactedQuery};

fn redacted() -> RedactedQuery {
    RedactedQuery::new(["token", "Authorization"]).unwrap()
}

fn printed(uri: &str) -> String {
    redacted().uri(&uri.parse().unwrap()).to_string()
}

/// With a credential wherever one can stand.
fn handshake(uri: &str) -> Builder {
    Request::get(uri)
        .header("authorization", "Bearer canary")
        .header("cookie", "jwt=canary")
        .header("sec-websocket-protocol", "base64url.bearer.phx.canary")
}

#[test]
fn every_pair_that_a_carrier_would_take_is_hidden() {
    for (uri, expected) in [
        ("/ws?token=canary", "/ws?token=redacted"),
        (
            "/ws?token=canary&token=canary",
            "/ws?token=redacted&token=redacted",
        ),
        (
            "/ws?a=1&Authorization=Bearer%20canary&b=2",
            "/ws?a=1&Authorization=redacted&b=2",
        ),
        ("/ws?t%6Fken=canary", "/ws?token=redacted"),
        ("/ws?token", "/ws?token=redacted"),
        ("/ws?token=", "/ws?token=redacted"),
        ("/ws?token==canary=canary", "/ws?token=redacted"),
        (
            "/ws?token[]=canary&token[a]=canary",
            "/ws?redacted&redacted",
        ),
        ("/ws?token%5B%5D=canary", "/ws?redacted"),
        ("/ws?a=1;token=canary", "/ws?redacted"),
        ("/ws?token=canary;a=1", "/ws?redacted"),
        // On every path, and of an absolute URI only what the server is asked for.
        (
            "/elsewhere/%2F?token=canary",
            "/elsewhere/%2F?token=redacted",
        ),
        (
            "http://user:canary@host/ws?token=canary",
            "/ws?token=redacted",
        ),
    ] {
        assert_eq!(printed(uri), expected, "{uri}");
    }
}

#[test]
fn everything_else_is_printed_as_it_was_sent() {
    for uri in [
        "/",
        "/ws",
        "/ws?",
        "/ws?&&",
        "/ws?b=2&a=%20+",
        "/ws?Token=a&xtoken=b&tokens=c&=token",
        "/caf%C3%A9?x",
    ] {
        assert_eq!(printed(uri), uri);
    }
}

#[test]
fn a_key_that_no_carrier_would_take_is_an_error() {
    let none: [&str; 0] = [];
    assert_eq!(RedactedQuery::new(none).unwrap_err(), RedactError::NoKey);
    let error = RedactedQuery::new(["token="]).unwrap_err();
    assert_eq!(error, RedactError::QueryKey("token=".to_owned()));
}

#[test]
fn a_span_has_the_method_the_version_and_the_redacted_uri() {
    let ((), line) = Log::during(|| {
        let request = handshake("/ws?room=1&token=canary").body(()).unwrap();
        redacted()
            .span(&request)
            .in_scope(|| tracing::info!("inside"));
    });
    let span = "request{method=GET uri=/ws?room=1&token=redacted version=HTTP/1.1}";
    assert!(
        line.contains(&format!("{span}: {}: inside", module_path!())),
        "{line}"
    );
    assert!(!line.contains("canary"), "{line}");
}

#[cfg(feature = "tower-http")]
#[test]
fn a_trace_layer_of_tower_http_takes_it() {
    use http::Response;
    use tower::{ServiceBuilder, ServiceExt, service_fn};
    use tower_http::trace::TraceLayer;

    let ((), lines) = Log::during(|| {
        let service = ServiceBuilder::new()
            .layer(TraceLayer::new_for_http().make_span_with(redacted()))
            .service(service_fn(async |_: Request<String>| {
                Ok::<_, std::io::Error>(Response::new(String::new()))
            }));
        let request = handshake("/ws?token=canary&a=1").body(String::new());
        tokio_test::block_on(service.oneshot(request.unwrap())).unwrap();
    });
    for said in ["started processing request", "finished processing request"] {
        let line = lines.lines().find(|line| line.contains(said)).unwrap();
        assert!(line.contains("uri=/ws?token=redacted&a=1"), "{line}");
    }
    assert!(!lines.contains("canary"), "{lines}");
}
