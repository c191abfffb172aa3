//! The places in which [`Carriers::take`] looks for a credential, after a cheap check.

use http::Request;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::request::{Builder, Parts};
use tower_ws_auth_core::credential::{
    self, Carriers, CarriersBuilder, CarriersError, MAX_CREDENTIAL, SubprotocolFormat,
};
use tower_ws_auth_core::handshake::keep_subprotocol;
use tower_ws_auth_core::{AllowedOrigin, RedactLayer, RejectionKind};

/// A query is searched up to this length.
const MAX_QUERY: usize = 2 * MAX_CREDENTIAL;

fn head(request: Builder) -> Parts {
    request.body(()).unwrap().into_parts().0
}

/// The credential and the carrier, or the token of the refusal.
type Taken = Result<Option<(String, &'static str)>, &'static str>;

fn take(carriers: CarriersBuilder, head: &mut Parts) -> Taken {
    match carriers.build().unwrap().take(head) {
        Ok(found) => Ok(found.map(|found| (found.as_str().to_owned(), found.carrier()))),
        Err(rejection) => Err(rejection.reason()),
    }
}

fn query() -> CarriersBuilder {
    Carriers::builder().query("token")
}

#[test]
fn one_carrier_is_enough_and_none_is_an_error() {
    for carriers in [
        query(),
        Carriers::builder().query_bearer("token"),
        Carriers::builder().bearer_header(),
        Carriers::builder().subprotocol(SubprotocolFormat::Phoenix),
        Carriers::builder().cookie("jwt"),
    ] {
        assert!(carriers.build().is_ok());
    }
    let nowhere = Carriers::builder().build();
    assert!(matches!(nowhere, Err(CarriersError::Nowhere)));
}

#[test]
fn two_in_different_carriers_are_malformed_and_both_are_removed() {
    let places = [
        ("query", None, "/ws?token=abc"),
        ("header", Some((AUTHORIZATION, "Bearer abc")), "/ws"),
        (
            "subprotocol",
            Some((SEC_WEBSOCKET_PROTOCOL, "x, base64url.bearer.phx.YWJj")),
            "/ws",
        ),
    ];
    for (n, (one, field, uri)) in places.iter().enumerate() {
        for (other, second, _) in &places[n + 1..] {
            let fields = field.iter().chain(second);
            let request = fields.fold(Request::get(*uri), |request, (name, value)| {
                request.header(name, *value)
            });
            let mut head = head(request);
            let everywhere = query()
                .bearer_header()
                .subprotocol(SubprotocolFormat::Phoenix);
            let taken = take(everywhere, &mut head);
            assert_eq!(taken, Err("credentials_malformed"), "{one} {other}");
            assert_eq!(head.uri, "/ws");
            head.headers
                .remove(SEC_WEBSOCKET_PROTOCOL)
                .inspect(|rest| assert_eq!(rest, "x"));
            assert!(head.headers.is_empty(), "{one} {other}");
        }
    }
}

#[test]
fn an_unconfigured_carrier_is_left_alone() {
    let two = || {
        Request::get("/ws")
            .header(AUTHORIZATION, "Bearer abc")
            .header(SEC_WEBSOCKET_PROTOCOL, "x, base64url.bearer.phx.YWJj")
            .header("cookie", "jwt=abc")
    };
    let mut only_query = head(two());
    assert_eq!(take(query(), &mut only_query), Ok(None));
    assert_eq!(only_query.headers, *two().headers_ref().unwrap());

    let long = format!("/ws?token=abc&a={}", "a".repeat(MAX_QUERY));
    let mut only_header = head(Request::get(&long).header(AUTHORIZATION, "Bearer abc"));
    let taken = take(Carriers::builder().bearer_header(), &mut only_header);
    assert_eq!(taken, Ok(Some(("abc".into(), "header"))));
    assert_eq!(only_header.uri.to_string(), long);
}

#[test]
fn a_key_is_found_in_every_writing() {
    for (uri, left) in [
        ("/ws?token=abc", "/ws"),
        ("/ws?t%6Fken=abc", "/ws"),
        ("/ws?%74%6Fken=abc", "/ws"),
        ("/ws?%74%6F%6Ben=abc&a=1", "/ws?a=1"),
        ("/ws?a=%20&token=abc", "/ws?a=%20"),
        ("/ws?a=1+1&%74oken=abc", "/ws?a=1+1"),
    ] {
        let mut head = head(Request::get(uri));
        let taken = take(query(), &mut head);
        assert_eq!(taken, Ok(Some(("abc".into(), "query"))), "{uri}");
        assert_eq!(head.uri, left);
    }
    for disguised in ["/ws?a=1;token=abc", "/ws?a;b;token=abc", "/ws?token[]=abc"] {
        let mut head = head(Request::get(disguised));
        assert_eq!(take(query(), &mut head), Err("credentials_malformed"));
        assert_eq!(head.uri, "/ws");
    }
    let mut spaced = head(Request::get("/ws?my+token=abc"));
    assert_eq!(take(query(), &mut spaced), Ok(None));
}

#[test]
fn a_query_is_searched_up_to_its_longest_and_refused_beyond() {
    let of_length = |length: usize| format!("/ws?{}", "a".repeat(length));
    let mut longest = head(Request::get(of_length(MAX_QUERY)));
    assert_eq!(take(query(), &mut longest), Ok(None));
    let pair = "&token=abc";
    let uri = of_length(MAX_QUERY - pair.len()) + pair;
    let mut with_credential = head(Request::get(uri));
    assert!(matches!(take(query(), &mut with_credential), Ok(Some(_))));
    for length in [MAX_QUERY + 1, 3 * MAX_QUERY] {
        let mut longer = head(Request::get(of_length(length)));
        assert_eq!(take(query(), &mut longer), Err("credentials_malformed"));
        assert_eq!(longer.uri, "/ws");
    }
}

#[tokio::test]
async fn redacted_pairs_are_searched_as_far_as_a_query() {
    use tower::{Layer, ServiceExt, service_fn};
    for (length, found) in [
        (MAX_QUERY - 1, true),
        (MAX_QUERY, true),
        (MAX_QUERY + 1, false),
        (MAX_QUERY + 9, false),
    ] {
        let pair = "&token=abc";
        let query_string = "a".repeat(length - pair.len()) + pair;
        let redact = RedactLayer::new(["token"], ["/ws"]).unwrap();
        let service = redact.layer(service_fn(async |request: Request<()>| {
            Ok::<_, std::io::Error>(request.into_parts().0)
        }));
        let request = Request::get(format!("/ws?{query_string}"))
            .body(())
            .unwrap();
        let mut head = service.oneshot(request).await.unwrap();
        let taken = take(query(), &mut head);
        if found {
            assert_eq!(taken, Ok(Some(("abc".into(), "query"))), "{length}");
        } else {
            assert_eq!(taken, Err("credentials_malformed"), "{length}");
        }
    }
}

#[test]
fn the_longest_credential_passes_in_every_carrier_and_a_longer_one_in_none() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    for (length, passes) in [(MAX_CREDENTIAL, true), (MAX_CREDENTIAL + 1, false)] {
        let text = "a".repeat(length);
        let encoded = URL_SAFE_NO_PAD.encode(&text);
        let requests = [
            Request::get(format!("/ws?token={text}")),
            Request::get("/ws").header(AUTHORIZATION, format!("Bearer {text}")),
            Request::get("/ws").header(
                SEC_WEBSOCKET_PROTOCOL,
                format!("x, base64url.bearer.phx.{encoded}"),
            ),
            Request::get("/ws").header("cookie", format!("jwt={text}")),
        ];
        for request in requests {
            let carriers = query()
                .bearer_header()
                .subprotocol(SubprotocolFormat::Phoenix)
                .dangerous_cookie_from_any_origin("jwt");
            let taken = take(carriers, &mut head(request));
            assert_eq!(taken.is_ok(), passes, "{:?}", taken.err());
        }
    }
    assert_eq!(MAX_CREDENTIAL, 8 * 1024);
}

#[test]
fn blanks_count_in_the_length_of_an_authorization() {
    let bearer = || Carriers::builder().bearer_header();
    for (blanks, passes) in [
        (1, true),
        (MAX_CREDENTIAL - 2, true),
        (MAX_CREDENTIAL - 1, false),
        (10_000, false),
    ] {
        let value = format!("Bearer{}abc", " ".repeat(blanks));
        let mut head = head(Request::get("/ws").header(AUTHORIZATION, value));
        assert_eq!(take(bearer(), &mut head).is_ok(), passes, "{blanks}");
        assert!(head.headers.is_empty());
    }
}

#[test]
fn no_character_beside_the_alphabet_of_tokens_passes() {
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    for byte in b'!'..=b'~' {
        let value = format!("Bearer a{}b", char::from(byte));
        let mut head = head(Request::get("/ws").header(AUTHORIZATION, value));
        let taken = take(Carriers::builder().bearer_header(), &mut head);
        assert_eq!(taken.is_ok(), alphabet(byte), "{}", char::from(byte));
    }
}

#[test]
fn empty_entries_are_no_subprotocol_and_one_disguise_spoils_all() {
    for bad in [
        "base64url.bearer.phx.YWJj, ,",
        ",base64url.bearer.phx.YWJj",
        "x, base64url.bearer.phx.YWJj, base64url.bearer.unknown.YWJj",
    ] {
        let mut head = head(Request::get("/ws").header(SEC_WEBSOCKET_PROTOCOL, bad));
        let phoenix = Carriers::builder().subprotocol(SubprotocolFormat::Phoenix);
        let rejection = phoenix.build().unwrap().take(&mut head).unwrap_err();
        assert_eq!(rejection.reason(), "credentials_malformed", "{bad}");
        let about_the_disguise = rejection.detail().contains("in a way unknown here");
        assert_eq!(about_the_disguise, bad.contains("unknown"), "{bad}");
    }
}

/// `abc` in each format.
const FORMATS: [(SubprotocolFormat, &str); 6] = [
    (SubprotocolFormat::Phoenix, "base64url.bearer.phx.YWJj"),
    (
        SubprotocolFormat::Kubernetes,
        "base64url.bearer.authorization.k8s.io.YWJj",
    ),
    (SubprotocolFormat::BearerPair, "bearer, abc"),
    (
        SubprotocolFormat::Jupyter,
        "v1.token.websocket.jupyter.org.abc",
    ),
    (
        SubprotocolFormat::AppSync,
        "header-eyJBdXRob3JpemF0aW9uIjoiYWJjIn0",
    ),
    (SubprotocolFormat::LastAfter("token."), "token.abc"),
];

#[test]
fn a_list_that_carries_a_credential_in_a_known_format_may_hold_one() {
    for (format, carrying) in FORMATS {
        let carriers = Carriers::builder().subprotocol(format).build().unwrap();
        for (offered, holds) in [
            (format!("chat, {carrying}"), true),
            // Alone it is refused.
            (carrying.to_owned(), true),
            ("chat, base64url.bearer.unknown.YWJj".to_owned(), true),
            ("chat, v2".to_owned(), false),
        ] {
            let mut head = head(Request::get("/ws").header(SEC_WEBSOCKET_PROTOCOL, &offered));
            assert_eq!(carriers.may_hold(&head), holds, "{offered}");
            let found = !matches!(carriers.take(&mut head), Ok(None));
            assert_eq!(found, holds, "{offered}");
        }
    }
}

#[test]
fn a_list_that_was_answered_is_searched_as_it_was_sent() {
    for (format, carrying) in FORMATS {
        let carriers = || Carriers::builder().subprotocol(format);
        let offered = format!("v2, {carrying}");
        let mut head = head(
            Request::get("/ws")
                .header(SEC_WEBSOCKET_PROTOCOL, "chat")
                .header(SEC_WEBSOCKET_PROTOCOL, &offered),
        );
        let sent = head.headers.get_mut(SEC_WEBSOCKET_PROTOCOL).unwrap();
        sent.set_sensitive(true);
        keep_subprotocol(&mut head, Some("chat"));
        let taken = take(carriers(), &mut head);
        assert_eq!(taken, Ok(Some(("abc".into(), "subprotocol"))), "{offered}");
        // The service sees what was selected, and nobody finds the credential again.
        assert_eq!(head.headers[SEC_WEBSOCKET_PROTOCOL], "chat");
        assert!(head.headers[SEC_WEBSOCKET_PROTOCOL].is_sensitive());
        assert_eq!(take(carriers(), &mut head), Ok(None));

        head.headers.remove(SEC_WEBSOCKET_PROTOCOL);
        let value = HeaderValue::from_str(&offered).unwrap();
        head.headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
        keep_subprotocol(&mut head, None);
        credential::remove_all(&mut head);
        assert_eq!(take(carriers(), &mut head), Ok(None));
    }
}

#[test]
fn a_cookie_decides_only_for_a_page_that_was_allowed() {
    let with_cookie = || head(Request::get("/ws").header("cookie", "jwt=abc"));
    let carriers = || Carriers::builder().cookie("jwt");
    assert_eq!(take(carriers(), &mut with_cookie()), Err("origin_denied"));
    let denied = AllowedOrigin::demand(&with_cookie()).unwrap_err();
    assert_eq!(denied.kind(), RejectionKind::OriginDenied);

    let mut allowed = with_cookie();
    let origin = AllowedOrigin::vouch_for(HeaderValue::from_static("https://a.example"));
    allowed.extensions.insert(origin);
    assert!(AllowedOrigin::demand(&allowed).is_ok());
    let taken = take(carriers(), &mut allowed);
    assert_eq!(taken, Ok(Some(("abc".into(), "cookie"))));
}

#[test]
fn emptying_keeps_the_subprotocols_without_a_credential() {
    let emptied = |offered: &'static str| -> HeaderMap {
        let mut head = head(
            Request::get("/ws?a=1&token=abc")
                .header(AUTHORIZATION, "Bearer abc")
                .header("cookie", "jwt=abc")
                .header(SEC_WEBSOCKET_PROTOCOL, offered),
        );
        credential::remove_all(&mut head);
        assert_eq!(head.uri, "/ws");
        head.headers
    };
    let left = emptied("chat, base64url.bearer.phx.YWJj, v2");
    assert_eq!(left.len(), 1);
    assert_eq!(left[SEC_WEBSOCKET_PROTOCOL], "chat, v2");
    assert!(emptied("base64url.bearer.phx.YWJj").is_empty());
}

#[test]
fn other_schemes_and_fields_carry_a_credential_by_name() {
    let assertion = HeaderName::from_static("cf-access-jwt-assertion");
    let carriers = || {
        let carriers = Carriers::builder().bearer_header().header_scheme("JWT");
        carriers.header_field(assertion.clone())
    };
    for (name, value) in [
        ("authorization", "JWT a.b.c"),
        ("authorization", "jwt  a.b.c"),
        ("authorization", "Bearer a.b.c"),
        ("cf-access-jwt-assertion", "a.b.c"),
    ] {
        let mut head = head(Request::get("/ws").header(name, value));
        let taken = take(carriers(), &mut head);
        assert_eq!(taken, Ok(Some(("a.b.c".into(), "header"))), "{value}");
        assert!(head.headers.is_empty());
    }
    let other = Request::get("/ws").header(AUTHORIZATION, "Token a.b.c");
    assert_eq!(take(carriers(), &mut head(other)), Ok(None));
    let two = Request::get("/ws").header(AUTHORIZATION, "JWT a.b.c");
    let mut two = head(two.header("cf-access-jwt-assertion", "a.b.c"));
    assert_eq!(take(carriers(), &mut two), Err("credentials_malformed"));
    assert!(two.headers.is_empty());
    let twice = Request::get("/ws").header("cf-access-jwt-assertion", "a.b.c");
    let mut twice = head(twice.header("cf-access-jwt-assertion", "a.b.c"));
    assert_eq!(take(carriers(), &mut twice), Err("credentials_malformed"));
    for bad in [
        Carriers::builder().header_scheme(""),
        Carriers::builder().header_scheme("a b"),
        Carriers::builder().header_field(AUTHORIZATION),
        Carriers::builder().bearer_header().max_length(0),
        Carriers::builder()
            .bearer_header()
            .max_length(16 * 1024 + 1),
    ] {
        assert!(bad.build().is_err());
    }
}

#[test]
fn the_limit_of_the_length_is_the_carriers() {
    for (limit, length, passes) in [
        (100, 100, true),
        (100, 101, false),
        (16 * 1024, 16 * 1024, true),
        (16 * 1024, 16 * 1024 + 1, false),
    ] {
        let bearer = format!("Bearer {}", "a".repeat(length));
        let mut head = head(Request::get("/ws").header(AUTHORIZATION, bearer));
        let carriers = Carriers::builder().bearer_header().max_length(limit);
        assert_eq!(
            take(carriers, &mut head).is_ok(),
            passes,
            "{limit} {length}"
        );
        assert!(head.headers.is_empty());
    }
}
