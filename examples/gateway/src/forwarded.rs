//! The client of a forwarded request: `X-Forwarded-…`, `X-Real-IP` and `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use tower_ws_auth::origin::Scheme;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Writes both kinds of fields, so that they never contradict each other. What a trusted proxy says
/// is in the headers, of one kind; this hop is added behind it.
pub(crate) fn say_for_whom(peer: SocketAddr, host: HeaderValue, headers: &mut HeaderMap) {
    let mut said = Said::of(headers);
    said.nodes.push(peer.ip().to_canonical().to_string());
    let proto = said.proto.unwrap_or_else(|| "http".to_owned());
    let host = said
        .host
        .and_then(|host| HeaderValue::try_from(host).ok())
        .unwrap_or(host);
    let named = host
        .to_str()
        .ok()
        .filter(|host| host.chars().all(is_plain))
        .map(|host| format!(";host=\"{host}\""))
        .unwrap_or_default();
    let last = said.nodes.len().saturating_sub(1);
    let elements = said.nodes.iter().enumerate().map(|(n, node)| {
        let node = quoted(node);
        // Some servers read the first element, some the last one.
        if n == 0 || n == last {
            format!("for={node}{named};proto={proto}")
        } else {
            format!("for={node}")
        }
    });
    let forwarded = elements.collect::<Vec<_>>().join(", ");
    // The one that the last trusted proxy has seen, or this one.
    let client = &said.nodes[said.nodes.len().saturating_sub(2)];
    for (name, value) in [
        (X_FORWARDED_FOR, said.nodes.join(", ")),
        (X_FORWARDED_PROTO, proto),
        (X_REAL_IP, client.clone()),
        (FORWARDED, forwarded),
    ] {
        headers.remove(&name);
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    headers.insert(X_FORWARDED_HOST, host);
}

/// The client's own address: the one that a trusted proxy has seen, or the peer's.
pub(crate) fn client(peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let said = Said::of(headers);
    let address = said.nodes.last().and_then(|node| address(node));
    address.unwrap_or(peer.ip()).to_canonical()
}

/// The origin under which the client reaches this gateway: what a trusted proxy says, or the host of
/// the request, by `http`. A field of anybody else has been removed.
pub(crate) fn own_origin(head: &Parts) -> Option<(Scheme, String)> {
    let said = Said::of(&head.headers);
    let scheme = match said.proto.as_deref() {
        Some("https" | "wss") => Scheme::Https,
        _ => Scheme::Http,
    };
    if let Some(host) = said.host {
        return Some((scheme, host));
    }
    let mut lines = head.headers.get_all(HOST).iter();
    let line = lines.next().map(HeaderValue::to_str).transpose().ok()?;
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    let host = authority.or(line)?;
    // Two that differ could mean two pages.
    let is_one = lines.next().is_none() && line.is_none_or(|line| line.eq_ignore_ascii_case(host));
    is_one.then(|| (scheme, host.to_owned()))
}

/// Some proxies write a port behind it.
fn address(node: &str) -> Option<IpAddr> {
    let bare = node.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok();
    address.or_else(|| Some(node.parse::<SocketAddr>().ok()?.ip()))
}

/// What a trusted proxy says.
#[derive(Default)]
struct Said {
    nodes: Vec<String>,
    proto: Option<String>,
    host: Option<String>,
}

impl Said {
    fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key(FORWARDED) {
            return Self::by_forwarded(headers);
        }
        let last = |name| list(headers, name, &[',']).last().map(str::to_owned);
        let nodes = list(headers, &X_FORWARDED_FOR, &[',']);
        let nodes = nodes.map(|node| node.chars().filter(|c| is_plain(*c)).collect());
        Self {
            nodes: nodes.collect(),
            proto: last(&X_FORWARDED_PROTO).and_then(|proto| scheme(&proto)),
            host: last(&X_FORWARDED_HOST),
        }
    }

    /// RFC 7239 §4. The last word about scheme and host counts: it is that of the trusted proxy.
    fn by_forwarded(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        for element in list(headers, &FORWARDED, &[',']) {
            for pair in split(element, &[';']) {
                let Some((name, value)) = pair.split_once('=') else {
                    continue;
                };
                let value = unquoted(value.trim());
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => said
                        .nodes
                        .push(node(&value).chars().filter(|c| is_plain(*c)).collect()),
                    "proto" => said.proto = scheme(&value).or(said.proto),
                    "host" => said.host = Some(value),
                    _ => {}
                }
            }
        }
        said
    }
}

/// In small letters: the case of a scheme has no meaning (RFC 3986 §3.1).
fn scheme(text: &str) -> Option<String> {
    let scheme = text.to_ascii_lowercase();
    ["http", "https", "ws", "wss"]
        .contains(&scheme.as_str())
        .then_some(scheme)
}

/// The elements of a list field that may be split over several lines.
fn list<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    separator: &'static [char],
) -> impl DoubleEndedIterator<Item = &'h str> + use<'h> {
    let lines = headers.get_all(name).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let elements = lines.flat_map(move |line| split(line, separator));
    elements.collect::<Vec<_>>().into_iter()
}

/// The parts between separators that stand in no quoted string. Empty ones are left out.
fn split<'t>(text: &'t str, separator: &[char]) -> Vec<&'t str> {
    let mut parts = Vec::new();
    let (mut begin, mut in_quotes, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            c if !in_quotes && separator.contains(&c) => {
                parts.push(&text[begin..at]);
                begin = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    let parts = parts.into_iter().map(str::trim);
    parts.filter(|part| !part.is_empty()).collect()
}

/// RFC 9110 §5.6.4.
fn unquoted(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut escaped = false;
    let text = inside.chars().filter(|c| {
        escaped = *c == '\\' && !escaped;
        !escaped
    });
    text.collect()
}

/// The address of a node (RFC 7239 §6), without its port; or its name, as it is.
fn node(text: &str) -> &str {
    if let Some(end) = text.strip_prefix('[').and_then(|v6| v6.find(']')) {
        return &text[1..=end];
    }
    match text.split_once(':') {
        Some((v4, port)) if !port.contains(':') => v4,
        _ => text,
    }
}

/// RFC 7239 §4, §6: an IPv6 address is quoted, in brackets. What is no token is quoted too.
fn quoted(node: &str) -> String {
    match node.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("\"[{address}]\""),
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => format!("\"{node}\""),
    }
}

/// What addresses, hosts and names of nodes consist of.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-:[]".contains(c)
}

#[cfg(test)]
mod for_whom_rfc7239 {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn said(peer: &str, host: &'static str, lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut said = headers(lines);
        say_for_whom(
            peer.parse().unwrap(),
            HeaderValue::from_static(host),
            &mut said,
        );
        said
    }

    #[test]
    fn a_first_proxy_says_what_it_sees() {
        let said = said("[::1]:9", "app.example:81", &[]);
        assert_eq!(said["x-forwarded-for"], "::1");
        assert_eq!(said["x-forwarded-proto"], "http");
        assert_eq!(said["x-forwarded-host"], "app.example:81");
        assert_eq!(said["x-real-ip"], "::1");
        let whole = r#"for="[::1]";host="app.example:81";proto=http"#;
        assert_eq!(said["forwarded"], whole);
    }

    #[test]
    fn a_second_one_adds_itself_to_the_lists_and_both_kinds_say_the_same() {
        let said = said(
            "[::ffff:127.0.0.1]:9",
            "app.example",
            &[
                ("x-forwarded-for", "10.0.0.1"),
                ("x-forwarded-for", "2001:db8::2"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "shop.example"),
            ],
        );
        assert_eq!(said["x-forwarded-for"], "10.0.0.1, 2001:db8::2, 127.0.0.1");
        assert_eq!(said["x-forwarded-proto"], "https");
        assert_eq!(said["x-real-ip"], "2001:db8::2");
        let rest = r#";host="shop.example";proto=https"#;
        let whole = format!(r#"for=10.0.0.1{rest}, for="[2001:db8::2]", for=127.0.0.1{rest}"#);
        assert_eq!(said["forwarded"], whole);
    }

    #[test]
    fn the_other_kind_is_written_from_the_elements_of_forwarded() {
        let said = said(
            "127.0.0.1:9",
            "app.example",
            &[
                (
                    "forwarded",
                    r#"For="[2001:db8::1]:47011";proto=http, for=192.0.2.7:80"#,
                ),
                (
                    "forwarded",
                    r#"for="_a,b;c"; proto=https; host="shop.example""#,
                ),
            ],
        );
        assert_eq!(
            said["x-forwarded-for"],
            "2001:db8::1, 192.0.2.7, _abc, 127.0.0.1"
        );
        assert_eq!(said["x-forwarded-proto"], "https");
        assert_eq!(said["x-forwarded-host"], "shop.example");
    }

    #[test]
    fn a_scheme_may_have_capital_letters() {
        for (name, value) in [
            ("x-forwarded-proto", "HTTPS"),
            ("forwarded", "for=10.0.0.1;Proto=Https"),
        ] {
            let said = said("127.0.0.1:9", "a", &[(name, value)]);
            assert_eq!(said["x-forwarded-proto"], "https", "{value}");
        }
    }

    #[test]
    fn a_scheme_that_is_none_counts_as_http() {
        let said = said("127.0.0.1:9", "a", &[("x-forwarded-proto", "javascript")]);
        assert_eq!(said["x-forwarded-proto"], "http");
    }
}
