//! Selects the header fields that travel from the client to the upstream and back.

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};
use http_body_util::Empty;

use crate::failure::Failure;
use crate::forwarded::{is_forwarding, say_for_whom};
use crate::tasks::Peer;
use crate::upstream::Upstream;
use crate::{handshake, identity};

/// RFC 9110 §7.6.1, and two fields that were never standardised.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Fields that some servers read instead of the request target, and one that CGI takes for its
/// proxy.
const NOBODYS: [&str; 3] = ["x-original-url", "x-rewrite-url", "proxy"];

/// Removes fields that no client may set. It comes before every layer: the fields that `Connection`
/// names must be gone before the layers rewrite it, and before we add fields that it could name.
pub(crate) fn cleanse(headers: &mut HeaderMap, trust_forwarded: bool) {
    for name in named_by_connection(headers) {
        // Otherwise a client could remove the fields of a trusted proxy.
        if name != UPGRADE && !is_forwarding(name.as_str()) {
            headers.remove(name);
        }
    }
    let foreign: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_foreign(name.as_str(), trust_forwarded))
        .cloned()
        .collect();
    for name in foreign {
        headers.remove(name);
    }
}

/// The upstream request for the request of an authenticated client.
pub(crate) fn forward(head: &Parts, upstream: &Upstream) -> Result<Request<Empty<Bytes>>, Failure> {
    let host = host(head)?;
    let mut headers = head.headers.clone();
    strip_hop_by_hop(&mut headers);
    headers.remove(CONTENT_LENGTH);
    join_cookies(&mut headers);
    handshake::offer(head, &mut headers)?;
    if let Some(peer) = head.extensions.get::<Peer>() {
        say_for_whom(peer.address, host.clone(), &mut headers);
    }
    headers.insert(HOST, upstream.own_host().cloned().unwrap_or(host));
    identity::announce(head, &mut headers)?;

    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::GET;
    *request.version_mut() = Version::HTTP_11;
    *request.uri_mut() = upstream.target(&head.uri)?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Removes the fields of a single connection.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// For a response whose body is left out.
pub(crate) fn describe_no_body(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_TYPE] {
        headers.remove(name);
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(CONNECTION).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect()
}

/// Many upstreams cannot distinguish `X_Auth_User` from `X-Auth-User`: to CGI and its descendants
/// both are `HTTP_X_AUTH_USER`. To some `X.Auth.User` is too.
fn is_foreign(name: &str, trust_forwarded: bool) -> bool {
    let plain = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    plain.starts_with("x-auth-")
        || NOBODYS.contains(&&*plain)
        || is_forwarding(&plain) && !(trust_forwarded && plain == name)
}

/// The requested host. The target's authority takes precedence over `Host`, which HTTP/2 may omit
/// (RFC 9112 §3.2.2, RFC 9113 §8.3.1). Neither may name a user.
fn host(head: &Parts) -> Result<HeaderValue, Failure> {
    let authority = if let Some(authority) = head.uri.authority() {
        authority.clone()
    } else {
        let host = head.headers.get(HOST).ok_or(Failure::Target)?;
        Authority::try_from(host.as_bytes()).map_err(|_| Failure::Target)?
    };
    if authority.as_str().contains('@') {
        return Err(Failure::Target);
    }
    HeaderValue::from_str(authority.as_str()).map_err(|_| Failure::Target)
}

/// RFC 9113 §8.2.3: over HTTP/2 the field may be split.
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    mod from_outside {
        use super::*;

        #[test]
        fn nobody_says_who_is_authenticated() {
            let mut said = headers(&[
                ("x-auth-user", "root"),
                ("x_auth_user", "root"),
                ("x-auth_via", "jwt"),
                ("x-auth-anything", "1"),
                ("x.auth.user", "root"),
                ("x~auth!user", "root"),
                ("proxy", "http://evil.example"),
                ("x-original-url", "/admin"),
                ("x-author", "ada"),
            ]);
            cleanse(&mut said, true);
            assert_eq!(said, headers(&[("x-author", "ada")]));
        }

        #[test]
        fn nobody_says_for_whom_it_forwards_unless_that_is_trusted() {
            let lines = [
                ("forwarded", "for=10.0.0.1"),
                ("x-forwarded-for", "10.0.0.1"),
                ("x-forwarded-port", "443"),
                ("x-real-ip", "10.0.0.1"),
            ];
            let mut said = headers(&lines);
            cleanse(&mut said, false);
            assert!(said.is_empty());
            let mut said = headers(&lines);
            said.insert("x_forwarded_for", HeaderValue::from_static("10.0.0.2"));
            cleanse(&mut said, true);
            assert_eq!(said, headers(&lines));
        }

        #[test]
        fn nobody_takes_away_what_a_trusted_proxy_says() {
            let lines = [
                ("connection", "Upgrade, X-Forwarded-For, X-Real-IP"),
                ("x-forwarded-for", "10.0.0.1"),
                ("x-real-ip", "10.0.0.1"),
            ];
            let mut said = headers(&lines);
            cleanse(&mut said, true);
            assert_eq!(said, headers(&lines));
            cleanse(&mut said, false);
            assert_eq!(said, headers(&lines[..1]));
        }

        #[test]
        fn what_connection_names_ends_here_by_rfc9110_7_6_1() {
            let mut said = headers(&[
                ("connection", "Upgrade, X-Hop"),
                ("connection", "keep-alive"),
                ("upgrade", "websocket"),
                ("x-hop", "1"),
                ("keep-alive", "timeout=5"),
            ]);
            cleanse(&mut said, false);
            let rest = [
                ("connection", "Upgrade, X-Hop"),
                ("connection", "keep-alive"),
                ("upgrade", "websocket"),
            ];
            assert_eq!(said, headers(&rest));
            strip_hop_by_hop(&mut said);
            assert!(said.is_empty());
        }
    }

    #[test]
    fn the_target_says_who_is_asked_and_else_the_host_and_neither_names_a_user() {
        for (uri, host_line, is) in [
            ("/ws", "app.example:81", Some("app.example:81")),
            ("/ws", "[::1]:81", Some("[::1]:81")),
            ("http://a.example/ws", "b.example", Some("a.example")),
            ("http://root@a.example/ws", "a.example", None),
            ("/ws", "root@a.example", None),
            ("/ws", "a.example/x", None),
            ("/ws", "a.example b", None),
            ("/ws", "", None),
        ] {
            let request = Request::builder().uri(uri).header("host", host_line);
            let head = request.body(()).unwrap().into_parts().0;
            let named = host(&head).ok();
            let is = is.map(HeaderValue::from_static);
            assert_eq!(named, is, "{uri} {host_line}");
        }
    }

    #[test]
    fn cookie_crumbs_become_one_line_by_rfc9113_8_2_3() {
        let mut crumbs = headers(&[("cookie", "a=1"), ("cookie", "b=2")]);
        join_cookies(&mut crumbs);
        assert_eq!(crumbs, headers(&[("cookie", "a=1; b=2")]));
    }
}
