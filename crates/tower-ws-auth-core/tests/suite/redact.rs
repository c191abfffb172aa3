//! The secret is out of the URI before another layer sees it, and the strategy reads it all the
//! same.

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

use http::header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL};
use http::request::{Builder, Parts};
use http::{Request, Response};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_ws_auth_core::credential::{Carriers, Credential, RedactedPairs, SubprotocolFormat};
use tower_ws_auth_core::{
    AuthLayer, Authenticate, AuthenticateExt, Authenticated, Grant, RedactError, RedactLayer,
    Rejection,
};

/// Grants what it reads, and where it read it.
struct Any(Carriers);

type Read = (String, &'static str);

impl Authenticate for Any {
    type Credential = Credential;
    type Verified = Read;
    type Identity = Read;
    type Future = Ready<Result<Grant<Read>, Rejection>>;

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.0.take(head)
    }

    fn verify(&self, credential: Credential, _head: &Parts) -> Self::Future {
        let read = (credential.as_str().to_owned(), credential.carrier());
        ready(Ok(Grant::new(read)))
    }

    fn admit(&self, read: Read, _head: &Parts) -> Result<Read, Rejection> {
        Ok(read)
    }
}

fn every_carrier() -> Any {
    let carriers = Carriers::builder()
        .query("token")
        .query_bearer("Authorization")
        .bearer_header()
        .subprotocol(SubprotocolFormat::Phoenix)
        .dangerous_cookie_from_any_origin("jwt");
    Any(carriers.build().unwrap())
}

fn in_query(key: &'static str) -> Any {
    Any(Carriers::builder().query(key).build().unwrap())
}

/// The head that a layer in between sees, and the outcome of the request.
struct Outcome {
    between: Parts,
    /// The credential and its carrier, or the rejection's token.
    read: Result<Read, &'static str>,
    /// The head that reached the service, or that of the refused request.
    left: Parts,
}

impl Outcome {
    fn granted(&self) -> (&str, &str) {
        let (text, carrier) = self.read.as_ref().unwrap();
        (text, carrier)
    }
}

fn redacting() -> RedactLayer {
    RedactLayer::new(["token", "Authorization"], ["/ws/jwt", "/live/*"]).unwrap()
}

fn ask<A: Authenticate<Identity = Read>>(strategy: A, request: Builder) -> Outcome {
    ask_with(strategy, request.body(()).unwrap())
}

fn ask_with<A: Authenticate<Identity = Read>>(strategy: A, request: Request<()>) -> Outcome {
    let between = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&between);
    let arrived = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&arrived);
    let service = ServiceBuilder::new()
        .layer(redacting())
        .map_request(move |request: Request<()>| {
            let (head, body) = request.into_parts();
            *seen.lock().unwrap() = Some(head.clone());
            Request::from_parts(head, body)
        })
        .layer(AuthLayer::new(strategy).any_request())
        .service(service_fn(move |request: Request<()>| {
            *kept.lock().unwrap() = Some(request.into_parts().0);
            ready(Ok::<_, std::io::Error>(Response::new(())))
        }));
    let response = tokio_test::block_on(service.oneshot(request)).unwrap();
    let between = between.lock().unwrap().take().unwrap();
    let arrived = arrived.lock().unwrap().take();
    let (read, left) = if let Some(head) = arrived {
        let read: &Authenticated<Read> = head.extensions.get().unwrap();
        (Ok(read.clone().into_inner()), head)
    } else {
        let rejection: &Rejection = response.extensions().get().unwrap();
        (Err(rejection.reason()), rejection.take_head().unwrap())
    };
    Outcome {
        between,
        read,
        left,
    }
}

/// As an outcome without the strategy.
fn redact(request: Builder) -> Parts {
    let service = redacting().layer(service_fn(async |request: Request<()>| {
        Ok::<_, std::io::Error>(request.into_parts().0)
    }));
    tokio_test::block_on(service.oneshot(request.body(()).unwrap())).unwrap()
}

mod redacted_pairs {
    use super::*;

    #[test]
    fn the_pair_leaves_the_uri_and_the_strategy_reads_it() {
        for (sent, seen) in [
            ("/ws/jwt?token=abc", "/ws/jwt"),
            ("/ws/jwt?room=1&token=abc&x=%20y", "/ws/jwt?room=1&x=%20y"),
            ("/ws/jwt?t%6Fken=ab%63&tokens=2", "/ws/jwt?tokens=2"),
            ("/ws/jwt?Authorization=Bearer%20abc", "/ws/jwt"),
            ("/live/?token=abc", "/live/"),
            ("/live/a/b?token=abc&&", "/live/a/b?&"),
            ("http://h:1/ws/jwt?a&token=abc", "http://h:1/ws/jwt?a"),
        ] {
            let outcome = ask(every_carrier(), Request::get(sent));
            assert_eq!(outcome.between.uri, seen, "{sent}");
            assert_eq!(outcome.granted(), ("abc", "query"), "{sent}");
            assert_eq!(outcome.left.uri, seen, "{sent}");
            assert!(
                outcome.left.extensions.get::<RedactedPairs>().is_none(),
                "{sent}"
            );
        }
    }

    #[test]
    fn other_keys_keep_their_bytes_and_their_order() {
        for query in [
            "",
            "?",
            "?&&",
            "?b=2&a=1",
            "?Token=a&xtoken=b&=c&&d",
            "?a=token",
        ] {
            let sent = format!("/ws/jwt{query}");
            assert_eq!(redact(Request::get(&sent)).uri, *sent);
        }
    }

    #[test]
    fn only_the_exact_named_paths_match() {
        for path in [
            "/ws%2Fjwt",
            "//ws/jwt",
            "/ws/jwt/",
            "/ws//jwt",
            "/%77s/jwt",
            "/WS/jwt",
            "/ws/./jwt",
            "/ws",
            "/ws/jwt2",
            "/live",
            "/live%2Fx",
            "/alive/x",
            "/",
            "/rooms/7",
        ] {
            let sent = format!("{path}?token=abc");
            let head = redact(Request::get(&sent));
            assert_eq!(head.uri, *sent);
            assert!(head.extensions.get::<RedactedPairs>().is_none());
            // It is read from the URI then, as ever.
            let outcome = ask(every_carrier(), Request::get(&sent));
            assert_eq!(outcome.granted(), ("abc", "query"), "{sent}");
        }
        // A prefix is a prefix of bytes: dots are not resolved.
        assert_eq!(
            redact(Request::get("/live/../x?token=abc")).uri,
            "/live/../x"
        );
    }

    #[test]
    fn headers_stay_and_print_nothing() {
        let request = Request::get("/elsewhere")
            .header("authorization", "Bearer canary")
            .header("proxy-authorization", "Basic canary")
            .header("cookie", "jwt=canary")
            .header("cookie", "b=canary")
            .header("sec-websocket-protocol", "chat")
            .header("sec-websocket-protocol", "x, Base64url.bearer.phx.canary")
            .header("x-api-key", "canary")
            .header("cf-access-jwt-assertion", "canary")
            .header("x-other", "seen");
        let head = redact(request);
        assert!(!format!("{head:?}").contains("canary"), "{head:?}");
        assert!(format!("{head:?}").contains("seen"));
        assert_eq!(head.headers[AUTHORIZATION], "Bearer canary");
        assert_eq!(head.headers.get_all(COOKIE).iter().count(), 2);
        assert_eq!(
            head.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().count(),
            2
        );
    }

    #[test]
    fn a_subprotocol_prints_nothing_in_whatever_format_it_has() {
        for offered in [
            "chat, base64url.bearer.authorization.k8s.io.canary",
            "bearer, canary",
            "v1.kernel, v1.token.websocket.jupyter.org.canary",
            "graphql-ws, header-canary",
            "chat, access_token.canary",
            "canary",
        ] {
            let request = Request::get("/elsewhere").header("sec-websocket-protocol", offered);
            let printed = format!("{:?}", redact(request));
            assert!(!printed.contains("canary"), "{printed}");
        }
    }

    #[test]
    fn a_field_that_is_named_prints_nothing() {
        let layer = redacting().header_field(http::HeaderName::from_static("x-own"));
        let service = layer.layer(service_fn(async |request: Request<()>| {
            Ok::<_, std::io::Error>(format!("{request:?}"))
        }));
        let request = Request::get("/elsewhere").header("x-own", "canary");
        let request = request.header("x-other", "seen").body(()).unwrap();
        let printed = tokio_test::block_on(service.oneshot(request)).unwrap();
        assert!(printed.contains("seen") && !printed.contains("canary"));
    }

    #[test]
    fn nothing_prints_it_on_the_way() {
        let outcome = ask(
            every_carrier(),
            Request::get("/ws/jwt?token=canary&token=canary"),
        );
        assert!(outcome.between.extensions.get::<RedactedPairs>().is_some());
        let redacted = outcome.between.extensions.get::<RedactedPairs>();
        for printed in [
            format!("{:?}", outcome.between),
            format!("{redacted:?} {redacted:#?}"),
            format!("{:?}", outcome.left),
            format!("{:?}", redacting().layer(())),
        ] {
            assert!(!printed.contains("canary"), "{printed}");
        }
    }

    #[test]
    fn a_value_that_another_layer_left_is_removed() {
        let elsewhere = redact(Request::get("/ws/jwt?token=stolen"));
        for uri in [
            "/ws/jwt",
            "/ws/jwt?token=mine",
            "/rooms",
            "/rooms?token=mine",
        ] {
            let mut request = Request::get(uri).body(()).unwrap();
            *request.extensions_mut() = elsewhere.extensions.clone();
            let expected = if uri.contains("mine") {
                Ok(("mine".to_owned(), "query"))
            } else {
                Err("credentials_missing")
            };
            assert_eq!(ask_with(every_carrier(), request).read, expected, "{uri}");
        }
    }
}

mod the_strategy_inside {
    use super::*;

    /// Every query, redacted and not, comes to the same.
    #[test]
    fn the_carriers_are_as_strict_as_without_the_layer() {
        let long = format!("token={}", "a".repeat(9000));
        let longer = format!("token=abc&x={}", "a".repeat(20_000));
        for query in [
            "token=abc",
            "token=a%2Eb",
            "Authorization=Bearer+abc",
            "token",
            "token=",
            "token[]=abc",
            "token%5B%5D=abc",
            "a=1;token=abc",
            "token=abc;b=2",
            "token=%00",
            "token=a%20b",
            "token=%zz",
            "token=abc&token=abc",
            "token=abc&Authorization=abc",
            "token=abc&token[]=",
            "token=&x=1&token=",
            "x=1",
            "",
            "Token=abc",
            &long,
            &longer,
        ] {
            let redacted = ask(every_carrier(), Request::get(format!("/ws/jwt?{query}")));
            let standing = ask(every_carrier(), Request::get(format!("/other?{query}")));
            assert_eq!(redacted.read, standing.read, "{query}");
            assert_eq!(
                redacted.left.uri.query(),
                standing.left.uri.query(),
                "{query}"
            );
            assert!(
                redacted.left.extensions.get::<RedactedPairs>().is_none(),
                "{query}"
            );
        }
    }

    #[test]
    fn a_second_credential_anywhere_is_malformed() {
        for (name, value) in [
            ("authorization", "Bearer abc"),
            ("sec-websocket-protocol", "chat, base64url.bearer.phx.YWJj"),
        ] {
            let request = Request::get("/ws/jwt?token=abc").header(name, value);
            let outcome = ask(every_carrier(), request);
            assert_eq!(outcome.read, Err("credentials_malformed"), "{name}");
            assert!(!format!("{:?}", outcome.left).contains("abc"));
        }
        let request = Request::get("/ws/jwt?token=abc").header("cookie", "jwt=ambient");
        assert_eq!(ask(every_carrier(), request).granted(), ("abc", "query"));
    }

    /// A layer in between may have put it back, or have asked with another parser.
    #[test]
    fn one_redacted_and_one_in_the_uri_are_two() {
        for (beside, left) in [
            ("/ws/jwt?x=1&token=abc", "/ws/jwt?x=1"),
            ("/ws/jwt?token=abc", "/ws/jwt"),
        ] {
            let mut head = redact(Request::get("/ws/jwt?token=abc&x=1"));
            head.uri = beside.parse().unwrap();
            let carriers = Carriers::builder().query("token").build().unwrap();
            let refused = carriers.take(&mut head).unwrap_err();
            assert_eq!(refused.reason(), "credentials_malformed");
            assert_eq!(head.uri, left);
            assert!(head.extensions.get::<RedactedPairs>().is_none());
        }
    }

    #[test]
    fn several_strategies_find_their_own_credentials() {
        let either = || in_query("Authorization").or(in_query("token"));
        let outcome = ask(either(), Request::get("/ws/jwt?token=abc"));
        assert_eq!(outcome.granted(), ("abc", "query"));
        let outcome = ask(either(), Request::get("/ws/jwt?Authorization=abc"));
        assert_eq!(outcome.granted(), ("abc", "query"));
        let outcome = ask(
            either(),
            Request::get("/ws/jwt?token=abc&Authorization=abc"),
        );
        assert_eq!(outcome.read, Err("credentials_malformed"));
        assert!(outcome.left.extensions.get::<RedactedPairs>().is_none());
    }

    #[test]
    fn an_unread_credential_stays_hidden() {
        let outcome = ask(
            in_query("token"),
            Request::get("/ws/jwt?token=abc&Authorization=canary"),
        );
        assert_eq!(outcome.granted(), ("abc", "query"));
        assert_eq!(outcome.left.uri, "/ws/jwt");
        assert!(!format!("{:?}", outcome.left).contains("canary"));
    }

    #[test]
    fn a_layer_that_refuses_before_the_strategy_empties_it_too() {
        let mut head = redact(Request::get("/ws/jwt?token=abc&x=1"));
        tower_ws_auth_core::credential::remove_all(&mut head);
        assert!(head.extensions.get::<RedactedPairs>().is_none());
        assert_eq!(head.uri, "/ws/jwt");
    }
}

#[cfg(feature = "axum")]
mod axums_copy_of_the_uri {
    use super::*;
    use axum::extract::OriginalUri;

    /// A nested router shows its routes a shorter path; paths are named as clients send them.
    #[test]
    fn loses_the_pair_and_names_the_path() {
        let original: http::Uri = "/ws/jwt?a=1&token=abc".parse().unwrap();
        let request = Request::get("/jwt?a=1&token=abc").extension(OriginalUri(original));
        let outcome = ask(every_carrier(), request);
        assert_eq!(outcome.granted(), ("abc", "query"));
        assert_eq!(outcome.between.uri, "/jwt?a=1");
        let original: &OriginalUri = outcome.between.extensions.get().unwrap();
        assert_eq!(original.0, "/ws/jwt?a=1");

        let original: http::Uri = "/api/ws/jwt?token=abc".parse().unwrap();
        let request = Request::get("/ws/jwt?token=abc").extension(OriginalUri(original));
        assert_eq!(redact(request).uri, "/ws/jwt?token=abc");
    }
}

mod configuration {
    use super::*;

    #[test]
    fn a_path_that_no_client_can_send_is_an_error() {
        let none: [&str; 0] = [];
        assert_eq!(
            RedactLayer::new(none, ["/ws"]).unwrap_err(),
            RedactError::NoKey
        );
        assert_eq!(
            RedactLayer::new(["token"], none).unwrap_err(),
            RedactError::NoPath
        );
        for key in ["", "a b", "token=", "a&b", "tok\u{e9}n", "token[]"] {
            let error = RedactLayer::new([key], ["/ws"]).unwrap_err();
            assert_eq!(error, RedactError::QueryKey(key.to_owned()));
        }
        for path in [
            "",
            "ws",
            "*",
            "/ws*",
            "/ws?",
            "/ws?token=x",
            "/ws#x",
            "/a b",
            "/caf\u{e9}",
            "http://h/ws",
            "/a\n",
        ] {
            let error = RedactLayer::new(["token"], [path]).unwrap_err();
            assert_eq!(error, RedactError::Path(path.to_owned()));
        }
        for path in [
            "/*",
            "/ws",
            "/ws/",
            "/ws/*",
            "/caf%C3%A9",
            "/a:b@c/~x",
            "/:",
            "/:1",
        ] {
            assert!(RedactLayer::new(["token"], [path]).is_ok(), "{path}");
        }
    }

    #[test]
    fn a_routers_parameter_is_an_error_that_names_the_right_path() {
        for (path, instead) in [
            ("/ws/{id}", "/ws/*"),
            ("/ws/{*rest}", "/ws/*"),
            ("/rooms/:id", "/rooms/*"),
            ("/rooms/:id/ws", "/rooms/*"),
            ("/:tenant/rooms/*", "/*"),
            ("/files/*rest", "/files/*"),
            ("/ws/*/x", "/ws/*"),
            ("/**", "/*"),
        ] {
            let error = RedactLayer::new(["token"], ["/ws", path]).unwrap_err();
            assert!(
                error.to_string().contains(&format!("use {instead:?}")),
                "{error}"
            );
            let expected = RedactError::Parameter {
                path: path.to_owned(),
                instead: instead.to_owned(),
            };
            assert_eq!(error, expected);
            let _ = RedactLayer::new(["token"], [instead]).unwrap();
        }
    }

    /// It would look like "everything below".
    #[test]
    fn the_root_alone_is_an_error_and_beside_others_a_path() {
        let error = RedactLayer::new(["token"], ["/"]).unwrap_err();
        assert_eq!(error, RedactError::RootAlone);
        assert!(error.to_string().contains("use `/*`"), "{error}");
        let _ = RedactLayer::new(["token"], ["/", "/ws"]).unwrap();
    }
}
