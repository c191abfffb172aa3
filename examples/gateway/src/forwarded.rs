//! The client of a forwarded request: `X-Forwarded-…`, `X-Real-IP` and `Forwarded` (RFC 7239).

use std::borrow::Cow;
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
        let last = |name| list(headers, name).pop();
        let nodes = list(headers, &X_FORWARDED_FOR);
        Self {
            nodes: nodes.iter().map(|node| plain(node)).collect(),
            proto: last(&X_FORWARDED_PROTO).and_then(|proto| scheme(&proto)),
            host: last(&X_FORWARDED_HOST).filter(|host| host.is_ascii()),
        }
    }

    /// RFC 7239 §4. The last word about scheme and host counts: it is that of the trusted proxy.
    fn by_forwarded(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        for line in lines(headers, &FORWARDED) {
            for pair in split(&line, ',').flat_map(|element| split(element, ';')) {
                let Some((name, value)) = pair.split_once('=') else {
                    continue;
                };
                let value = unquoted(value.trim());
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => said.nodes.push(plain(node(&value))),
                    "proto" => said.proto = scheme(&value).or(said.proto),
                    "host" if value.is_ascii() => said.host = Some(value),
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

/// The lines of a field. Bytes of a client that are no text must not hide the proxy's behind them.
fn lines<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = Cow<'h, str>> {
    let lines = headers.get_all(name).iter();
    lines.map(|line| String::from_utf8_lossy(line.as_bytes()))
}

/// The elements of a list field that may be split over several lines. These fields have no quoted
/// strings, so no quote of a client reaches into the proxy's element.
fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let mut elements = Vec::new();
    for line in lines(headers, name) {
        let parts = line.split(',').map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        elements.extend(parts.map(str::to_owned));
    }
    elements
}

/// The parts between separators that stand in no quoted string. Empty ones are left out.
///
/// It reads backwards, from the proxy's element on. A quote that a client has left open in front of
/// it ends there too.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut parts, mut end, mut in_quotes) = (Vec::new(), text.len(), false);
    for (at, c) in text.char_indices().rev() {
        match c {
            '"' if in_quotes && is_escaped(&text[..at]) => {}
            '"' => in_quotes = !in_quotes,
            c if c == separator && !in_quotes => {
                parts.push(&text[at + c.len_utf8()..end]);
                end = at;
            }
            _ => {}
        }
    }
    parts.push(&text[..end]);
    let parts = parts.into_iter().rev().map(str::trim);
    parts.filter(|part| !part.is_empty())
}

/// Whether what comes after this text is the second half of a quoted pair (RFC 9110 §5.6.4).
fn is_escaped(before: &str) -> bool {
    let slashes = before.bytes().rev().take_while(|byte| *byte == b'\\');
    slashes.count() % 2 == 1
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

/// The plain characters of a node. Without any it keeps its place, because the last place is the
/// proxy's (RFC 7239 §6.2).
fn plain(node: &str) -> String {
    let plain: String = node.chars().filter(|c| is_plain(*c)).collect();
    if plain.is_empty() {
        return "unknown".to_owned();
    }
    plain
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
    fn no_bytes_of_a_client_hide_the_proxys_element_behind_them() {
        for (name, line) in [
            ("x-forwarded-for", b"\xe9, 1.2.3.4".as_slice()),
            ("x-forwarded-for", b"\"2001:db8:1::, 1.2.3.4"),
            ("x-forwarded-for", b"\"\\, 1.2.3.4"),
            ("forwarded", b"for=\xe9, for=1.2.3.4"),
            ("forwarded", b"for=\"2001:db8:1::, for=1.2.3.4"),
            ("forwarded", b"for=\", for=\"1.2.3.4:80\""),
            ("forwarded", br#"for="\", for="1.2.3.4";by="_a\",\\""#),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_bytes(line).unwrap());
            let peer = "127.0.0.1:9".parse().unwrap();
            let line = line.escape_ascii();
            assert_eq!(client(peer, &headers).to_string(), "1.2.3.4", "{line}");
            say_for_whom(peer, HeaderValue::from_static("a"), &mut headers);
            assert_eq!(headers["x-real-ip"], "1.2.3.4", "{line}");
        }
    }

    #[test]
    fn an_element_without_an_address_keeps_its_place() {
        let lines = [("x-forwarded-for", "10.0.0.1, \"\"")];
        let peer = "127.0.0.1:9";
        let address = client(peer.parse().unwrap(), &headers(&lines));
        assert_eq!(address, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(said(peer, "a", &lines)["x-real-ip"], "unknown");
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
