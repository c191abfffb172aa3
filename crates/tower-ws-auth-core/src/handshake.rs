//! The opening handshake: checks a request head by the letter of the RFC.
//!
//! The check is stricter than the servers underneath, on purpose: it sees everything that they
//! would upgrade. It reads the head only.

mod error;
mod fields;

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};

pub use self::error::HandshakeError;
pub use self::fields::keep_subprotocol;
use self::fields::{is_key, line_lists, sole};
pub(crate) use self::fields::{is_token, list, lists};

/// A valid opening handshake, and the way to answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Handshake {
    /// HTTP/1.1 (RFC 6455 §4.2): answered by 101 and a digest of this `Sec-WebSocket-Key`.
    Http1 {
        /// 16 bytes in canonical base64.
        key: HeaderValue,
    },
    /// Extended CONNECT on HTTP/2 (RFC 8441 §5): answered by 200.
    Http2,
}

impl Handshake {
    /// Checks a request head.
    ///
    /// # Errors
    ///
    /// The first violated clause, in the order of RFC 6455 §4.2.1 or RFC 8441 §5.
    pub fn check(head: &Parts) -> Result<Self, HandshakeError> {
        match head.version {
            Version::HTTP_11 => plain_http1(head).map_or_else(|| http1(head), Ok),
            Version::HTTP_2 => http2(head),
            _ => Err(HandshakeError::HttpVersion),
        }
    }
}

/// Rewrites `Connection` and `Upgrade` in their plainest form.
///
/// A handshake may list more values in them, over several lines. Some handlers look only at the
/// first line or for an exact value. They must not refuse a checked handshake after its single-use
/// credential is spent.
pub(crate) fn simplify(headers: &mut HeaderMap) {
    let (mut connections, mut upgrades) = (0, 0);
    let all_are_single = headers.keys_len() == headers.len();
    for (name, line) in headers.iter_mut() {
        let (count, plain) = match *name {
            CONNECTION => (
                &mut connections,
                const { HeaderValue::from_static("upgrade") },
            ),
            UPGRADE => (
                &mut upgrades,
                const { HeaderValue::from_static("websocket") },
            ),
            _ => continue,
        };
        *count += 1;
        if *line != plain {
            *line = plain;
        }
        if all_are_single && connections + upgrades == 2 {
            return;
        }
    }
    // Only for several lines: `insert` grows a full map even for a present field.
    if connections != 1 {
        headers.insert(CONNECTION, const { HeaderValue::from_static("upgrade") });
    }
    if upgrades != 1 {
        headers.insert(UPGRADE, const { HeaderValue::from_static("websocket") });
    }
}

/// The subprotocols that a client offers, in its order: the well-formed tokens (RFC 6455 §11.3.4)
/// that do not carry a credential.
pub fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    list(headers, &SEC_WEBSOCKET_PROTOCOL)
        .filter(|entry| is_token(entry) && !crate::credential::is_credential_subprotocol(entry))
}

/// The fast path for the few fields of a browser, in one pass. It accepts only heads that the
/// single clauses accept too. `None` decides nothing: the clauses are then checked one by one.
fn plain_http1(head: &Parts) -> Option<Handshake> {
    // For a larger head, lookups by name are cheaper.
    const FEW: usize = 32;
    if head.method != Method::GET || head.headers.len() > FEW {
        return None;
    }
    let (mut upgrade, mut connection) = (false, false);
    let (mut host, mut version, mut key) = (None, None, None);
    for (name, value) in &head.headers {
        let once = match *name {
            UPGRADE => {
                upgrade |= line_lists(value, "websocket");
                continue;
            }
            CONNECTION => {
                connection |= line_lists(value, "upgrade");
                continue;
            }
            HOST => &mut host,
            SEC_WEBSOCKET_VERSION => &mut version,
            SEC_WEBSOCKET_KEY => &mut key,
            CONTENT_LENGTH | TRANSFER_ENCODING => return None,
            _ => continue,
        };
        if once.replace(value).is_some() {
            return None;
        }
    }
    let key = key.filter(|key| is_key(key.as_bytes()))?;
    let holds = upgrade && connection && host.is_some() && *version? == "13";
    holds.then(|| Handshake::Http1 { key: key.clone() })
}

fn http1(head: &Parts) -> Result<Handshake, HandshakeError> {
    if head.method != Method::GET {
        return Err(HandshakeError::Method);
    }
    if sole(&head.headers, &HOST).is_none() {
        return Err(HandshakeError::Host);
    }
    if !lists(&head.headers, &UPGRADE, "websocket") {
        return Err(HandshakeError::Upgrade);
    }
    if !lists(&head.headers, &CONNECTION, "upgrade") {
        return Err(HandshakeError::Connection);
    }
    let key = sole(&head.headers, &SEC_WEBSOCKET_KEY)
        .filter(|key| is_key(key.as_bytes()))
        .ok_or(HandshakeError::Key)?;
    check_version_13(&head.headers)?;
    // RFC 9110 §7.8: the upgrade would begin inside the body.
    if declares_body(&head.headers) {
        return Err(HandshakeError::Body);
    }
    Ok(Handshake::Http1 { key: key.clone() })
}

fn http2(head: &Parts) -> Result<Handshake, HandshakeError> {
    if head.method != Method::CONNECT {
        return Err(HandshakeError::Method);
    }
    check_protocol(head)?;
    check_version_13(&head.headers)?;
    if declares_body(&head.headers) {
        return Err(HandshakeError::Body);
    }
    Ok(Handshake::Http2)
}

fn check_protocol(head: &Parts) -> Result<(), HandshakeError> {
    #[cfg(feature = "http2")]
    {
        match head.extensions.get::<hyper::ext::Protocol>() {
            Some(protocol) if protocol.as_str() == "websocket" => Ok(()),
            _ => Err(HandshakeError::Protocol),
        }
    }
    #[cfg(not(feature = "http2"))]
    {
        let _ = head;
        Err(HandshakeError::HttpVersion)
    }
}

fn check_version_13(headers: &HeaderMap) -> Result<(), HandshakeError> {
    match sole(headers, &SEC_WEBSOCKET_VERSION) {
        Some(version) if version == "13" => Ok(()),
        _ => Err(HandshakeError::Version),
    }
}

fn declares_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers
            .get_all(CONTENT_LENGTH)
            .iter()
            .any(|length| length != "0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use http::{HeaderName, Request, StatusCode};

    fn valid() -> http::request::Builder {
        Request::get("/ws")
            .header("host", "example.com")
            .header("upgrade", "websocket")
            .header("connection", "Upgrade")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", "13")
    }

    fn check(builder: http::request::Builder) -> Result<Handshake, HandshakeError> {
        Handshake::check(&builder.body(()).unwrap().into_parts().0)
    }

    /// The valid head with one field replaced, or removed if `value` is `None`.
    fn with(name: &'static str, value: Option<&str>) -> Result<Handshake, HandshakeError> {
        let mut head = valid().body(()).unwrap().into_parts().0;
        head.headers.remove(name);
        if let Some(value) = value {
            head.headers.insert(name, value.parse().unwrap());
        }
        Handshake::check(&head)
    }

    fn accepted(result: &Result<Handshake, HandshakeError>) -> bool {
        matches!(result, Ok(Handshake::Http1 { key }) if key.len() == 24)
    }

    mod opening_handshake_rfc6455_4_2_1 {
        use super::*;

        #[test]
        fn accepts_the_example_of_section_1_3() {
            assert!(accepted(&check(valid())));
        }

        #[test]
        fn clause_1_refuses_every_other_method_with_405() {
            for method in ["POST", "HEAD", "PUT", "CONNECT", "OPTIONS", "get"] {
                let error = check(valid().method(method)).unwrap_err();
                assert_eq!(error, HandshakeError::Method, "{method}");
                assert_eq!(error.status(), StatusCode::METHOD_NOT_ALLOWED);
            }
        }

        #[test]
        fn clause_1_refuses_http_versions_before_1_1_and_after_2() {
            for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_3] {
                assert_eq!(
                    check(valid().version(version)),
                    Err(HandshakeError::HttpVersion)
                );
            }
        }

        #[test]
        fn clause_2_wants_exactly_one_host() {
            assert_eq!(with("host", None), Err(HandshakeError::Host));
            assert_eq!(
                check(valid().header("host", "other")),
                Err(HandshakeError::Host)
            );
        }

        #[test]
        fn clause_3_reads_upgrade_as_a_list_of_tokens_in_any_case() {
            for good in ["websocket", "WebSocket", "h2c, websocket", " websocket\t,x"] {
                assert!(accepted(&with("upgrade", Some(good))), "{good}");
            }
            for bad in [
                "",
                "h2c",
                "notwebsocket",
                "websocket2",
                "websocket/13",
                "web socket",
                "7ebsocket",
                "é, websocket",
            ] {
                assert_eq!(
                    with("upgrade", Some(bad)),
                    Err(HandshakeError::Upgrade),
                    "{bad}"
                );
            }
            assert_eq!(with("upgrade", None), Err(HandshakeError::Upgrade));
        }

        #[test]
        fn clause_4_reads_connection_as_a_list_of_tokens_in_any_case() {
            for good in [
                "upgrade",
                "keep-alive, Upgrade",
                "UPGRADE,close",
                ",upgrade,",
            ] {
                assert!(accepted(&with("connection", Some(good))), "{good}");
            }
            for bad in [
                "",
                "keep-alive",
                "notupgrade",
                "upgrade-insecure",
                "close; upgrade",
            ] {
                assert_eq!(
                    with("connection", Some(bad)),
                    Err(HandshakeError::Connection),
                    "{bad}"
                );
            }
            assert!(accepted(&check(valid().header("connection", "keep-alive"))));
            assert_eq!(with("connection", None), Err(HandshakeError::Connection));
        }

        #[test]
        fn clause_5_wants_one_key_of_16_bytes_in_canonical_base64() {
            for bad in [
                "",
                "dGhlIHNhbXBsZSBub25jZQ",
                "dGhlIHNhbXBsZSBub25jZQ=",
                "dGhlIHNhbXBsZSBub25jZR==",
                "dGhlIHNhbXBsZSBub25j",
                "dGhlIHNhbXBsZSBub25jZTE=",
                "dGhlIHNhbXBsZSBub25jZTEy",
                "dGhl-HNhbXBsZSBub25jZQ==",
                "dGhlIHNhbXBsZSBub25jZQ==,dGhlIHNhbXBsZSBub25jZQ==",
            ] {
                assert_eq!(
                    with("sec-websocket-key", Some(bad)),
                    Err(HandshakeError::Key),
                    "{bad}"
                );
            }
            assert_eq!(with("sec-websocket-key", None), Err(HandshakeError::Key));
            let key = *b"dGhlIHNhbXBsZSBub25jZQ==";
            for (place, byte) in (0..key.len()).flat_map(|at| (0..=u8::MAX).map(move |b| (at, b))) {
                let mut other = key;
                other[place] = byte;
                let decoded = STANDARD.decode(other).is_ok_and(|bytes| bytes.len() == 16);
                assert_eq!(is_key(&other), decoded, "{:?}", other.escape_ascii());
            }
            let twice = valid().header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
            assert_eq!(check(twice), Err(HandshakeError::Key));
        }

        #[test]
        fn clause_6_refuses_every_other_version_with_426() {
            for bad in ["", "8", "12", "14", "013", "13, 8", "+13"] {
                let error = with("sec-websocket-version", Some(bad)).unwrap_err();
                assert_eq!(error, HandshakeError::Version, "{bad}");
                assert_eq!(error.status(), StatusCode::UPGRADE_REQUIRED);
            }
            assert_eq!(
                with("sec-websocket-version", None),
                Err(HandshakeError::Version)
            );
        }

        #[test]
        fn a_declared_body_is_refused_by_rfc9110_7_8() {
            for (name, value) in [("content-length", "1"), ("transfer-encoding", "chunked")] {
                assert_eq!(
                    check(valid().header(name, value)),
                    Err(HandshakeError::Body)
                );
            }
            assert!(accepted(&check(valid().header("content-length", "0"))));
        }
    }

    /// Every combination of valid, invalid, missing and repeated fields.
    fn heads() -> impl Iterator<Item = Parts> {
        const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
        const FIELDS: [(&str, &[&[&str]]); 6] = [
            ("host", &[&["a"], &[], &["a", "a"]]),
            (
                "upgrade",
                &[&["WebSocket"], &[], &["h2c"], &["h2c", "x, websocket"]],
            ),
            (
                "connection",
                &[&["Upgrade"], &[], &["notupgrade"], &["x, upgrade", "y"]],
            ),
            (
                "sec-websocket-key",
                &[&[KEY], &[], &["short"], &[KEY, KEY], &[KEY, "short"]],
            ),
            (
                "sec-websocket-version",
                &[&["13"], &[], &["12"], &["13", "13"], &["12", "13"]],
            ),
            ("content-length", &[&[], &["0"], &["1"]]),
        ];
        let combinations = FIELDS.iter().map(|(_, lines)| lines.len()).product();
        (0..combinations).map(|mut combination: usize| {
            let mut head = Request::new(()).into_parts().0;
            for (name, choices) in FIELDS {
                for line in choices[combination % choices.len()] {
                    head.headers.append(name, HeaderValue::from_static(line));
                }
                combination /= choices.len();
            }
            head
        })
    }

    #[test]
    fn the_fast_path_accepts_only_what_the_clauses_accept() {
        let mut passed = [0, 0];
        for mut head in heads() {
            let by_clause = http1(&head);
            if let Some(at_once) = plain_http1(&head) {
                assert_eq!(by_clause.as_ref(), Ok(&at_once), "{:?}", head.headers);
                passed[0] += 1;
            }
            passed[1] += usize::from(by_clause.is_ok());
            head.method = Method::POST;
            assert_eq!(plain_http1(&head), None);
        }
        // One key, one version, one host, and two forms of `Upgrade` and of `Connection` each. A
        // field can also state that there is no body.
        assert_eq!(passed, [4, 8]);
    }

    #[test]
    fn a_head_of_many_fields_is_checked_all_the_same() {
        let mut head = valid().body(()).unwrap().into_parts().0;
        for field in 0..100 {
            let name = HeaderName::try_from(format!("x-{field}")).unwrap();
            head.headers.insert(name, HeaderValue::from_static(""));
        }
        assert_eq!(plain_http1(&head), None);
        assert!(accepted(&Handshake::check(&head)));
        head.headers.remove(HOST);
        assert_eq!(Handshake::check(&head), Err(HandshakeError::Host));
    }

    #[test]
    fn a_checked_head_is_rewritten_plainly_in_one_line() {
        for (connection, upgrade) in [
            ("Upgrade", "WebSocket"),
            ("keep-alive, upgrade", "h2c,websocket"),
        ] {
            for twice in [false, true] {
                let mut head = valid().body(()).unwrap().into_parts().0;
                head.headers.insert(CONNECTION, connection.parse().unwrap());
                head.headers.insert(UPGRADE, upgrade.parse().unwrap());
                if twice {
                    head.headers
                        .append(CONNECTION, HeaderValue::from_static("x"));
                    head.headers.append(UPGRADE, HeaderValue::from_static("y"));
                }
                simplify(&mut head.headers);
                assert_eq!(sole(&head.headers, &CONNECTION).unwrap(), "upgrade");
                assert_eq!(sole(&head.headers, &UPGRADE).unwrap(), "websocket");
            }
        }
    }

    #[test]
    fn writing_it_plainly_takes_no_place_in_a_full_map() {
        let mut head = valid().body(()).unwrap().into_parts().0;
        for field in 0.. {
            if head.headers.len() == head.headers.capacity() {
                break;
            }
            let name = HeaderName::try_from(format!("x-{field}")).unwrap();
            head.headers.insert(name, HeaderValue::from_static(""));
        }
        let capacity = head.headers.capacity();
        simplify(&mut head.headers);
        assert_eq!(sole(&head.headers, &CONNECTION).unwrap(), "upgrade");
        assert_eq!(head.headers.capacity(), capacity);
    }

    mod subprotocols_rfc6455_11_3_4 {
        use super::*;

        #[test]
        fn are_listed_in_order_without_credentials_and_malformed_entries() {
            let head = valid()
                .header(
                    "sec-websocket-protocol",
                    "phoenix, base64url.bearer.phx.YWJj,,bad one",
                )
                .header(
                    "sec-websocket-protocol",
                    "Base64URL.Bearer.authorization.k8s.io.YWJj",
                )
                .header("sec-websocket-protocol", "chat.v1")
                .body(())
                .unwrap();
            let offered: Vec<_> = subprotocols(head.headers()).collect();
            assert_eq!(offered, ["phoenix", "chat.v1"]);
        }
    }

    #[cfg(feature = "http2")]
    mod extended_connect_rfc8441_5 {
        use super::*;
        use hyper::ext::Protocol;

        fn valid() -> http::request::Builder {
            Request::connect("https://example.com/ws")
                .version(Version::HTTP_2)
                .header("sec-websocket-version", "13")
                .extension(Protocol::from_static("websocket"))
        }

        #[test]
        fn needs_no_key_and_no_connection() {
            assert_eq!(check(valid()), Ok(Handshake::Http2));
        }

        #[test]
        fn refuses_other_methods_protocols_and_versions() {
            assert_eq!(check(valid().method("GET")), Err(HandshakeError::Method));
            assert_eq!(
                check(valid().extension(Protocol::from_static("connect-udp"))),
                Err(HandshakeError::Protocol)
            );
            let mut head = valid().body(()).unwrap().into_parts().0;
            head.extensions.clear();
            assert_eq!(Handshake::check(&head), Err(HandshakeError::Protocol));
            let without_version = Request::connect("https://example.com/ws")
                .version(Version::HTTP_2)
                .extension(Protocol::from_static("websocket"));
            assert_eq!(check(without_version), Err(HandshakeError::Version));
            assert_eq!(
                check(valid().header("content-length", "5")),
                Err(HandshakeError::Body)
            );
        }
    }

    #[cfg(not(feature = "http2"))]
    #[test]
    fn http2_is_refused_without_its_feature() {
        let head = Request::connect("https://example.com/ws").version(Version::HTTP_2);
        assert_eq!(check(head), Err(HandshakeError::HttpVersion));
    }
}
