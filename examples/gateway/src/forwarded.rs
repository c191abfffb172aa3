//! The client of a forwarded request: `X-Forwarded-…` and `Forwarded` (RFC 7239).

use std::net::SocketAddr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether only a proxy may set this field. `plain` is the plain name.
pub(crate) fn is_forwarding(plain: &str) -> bool {
    plain == "forwarded" || plain == "x-real-ip" || plain.starts_with("x-forwarded-")
}

/// Adds this hop to the lists of a trusted proxy. Host and scheme stay as that proxy has set them.
pub(crate) fn say_for_whom(peer: SocketAddr, host: HeaderValue, headers: &mut HeaderMap) {
    let address = peer.ip().to_canonical();
    append(headers, X_FORWARDED_FOR, &address.to_string());
    headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
    // RFC 7239 §4, §6: an IPv6 address is quoted, in brackets.
    let node = match address {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let named = host
        .to_str()
        .ok()
        .filter(|host| host.bytes().all(plain))
        .map(|host| format!(";host=\"{host}\""))
        .unwrap_or_default();
    append(headers, FORWARDED, &format!("for={node}{named};proto=http"));
    headers.entry(X_FORWARDED_HOST).or_insert(host);
}

/// Appends to a list field, which may be split over several lines and is then joined.
fn append(headers: &mut HeaderMap, name: HeaderName, element: &str) {
    let lines = headers.get_all(&name).iter();
    let mut list: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    list.push(element);
    if let Ok(value) = HeaderValue::from_str(&list.join(", ")) {
        headers.insert(name, value);
    }
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

    #[test]
    fn a_first_proxy_says_what_it_sees() {
        let host = HeaderValue::from_static("app.example:81");
        let mut said = HeaderMap::new();
        say_for_whom("[::1]:9".parse().unwrap(), host, &mut said);
        assert_eq!(said["x-forwarded-for"], "::1");
        assert_eq!(said["x-forwarded-proto"], "http");
        assert_eq!(said["x-forwarded-host"], "app.example:81");
        let whole = r#"for="[::1]";host="app.example:81";proto=http"#;
        assert_eq!(said["forwarded"], whole);
    }

    #[test]
    fn a_second_one_adds_itself_to_the_lists() {
        let mut said = headers(&[
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-forwarded-proto", "https"),
        ]);
        let host = HeaderValue::from_static("app.example");
        say_for_whom("[::ffff:127.0.0.1]:9".parse().unwrap(), host, &mut said);
        assert_eq!(said["x-forwarded-for"], "10.0.0.1, 10.0.0.2, 127.0.0.1");
        assert_eq!(said["x-forwarded-proto"], "https");
        assert!(
            said["forwarded"]
                .to_str()
                .unwrap()
                .starts_with("for=127.0.0.1;")
        );
    }
}
