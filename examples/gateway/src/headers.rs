//! Selects the header fields that travel from the client to the upstream and back.

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, ORIGIN,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::body::{self, Body};
use crate::cases::Cases;
use crate::failure::Failure;
use crate::forwarded::say_for_whom;
use crate::options::Policy;
use crate::strip::Strip;
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

/// The target and the fields with the credential, which the layers remove.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

/// Removes fields that no client may set. Returns whether there was one.
///
/// It comes before every layer: the fields that `Connection` names must be gone before the layers
/// rewrite it, and before we add fields that it could name.
pub(crate) fn cleanse(headers: &mut HeaderMap, strip: &Strip) -> bool {
    for name in named_by_connection(headers) {
        // Otherwise a client could remove the fields of a trusted proxy, or hide a body.
        let needed = [UPGRADE, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name);
        if !needed && !strip.is_trusted(name.as_str()) {
            headers.remove(name);
        }
    }
    strip.remove(headers)
}

/// The upstream request for the handshake of an authenticated client.
pub(crate) fn forward(
    head: &Parts,
    upstream: &Upstream,
    keep: bool,
) -> Result<Request<Body>, Failure> {
    let mut request = same(head, upstream, keep)?;
    handshake::offer(head, request.headers_mut())?;
    identity::announce(head, request.headers_mut())?;
    identity::name_connection(head, request.headers_mut());
    *request.method_mut() = Method::GET;
    Ok(request)
}

/// The upstream request for one that is no handshake. Its body is still missing.
pub(crate) fn forward_plain(
    head: &Parts,
    upstream: &Upstream,
    keep: bool,
    policy: Policy,
) -> Result<Request<Body>, Failure> {
    let mut request = same(head, upstream, keep && policy == Policy::Authenticate)?;
    // The server has answered it.
    request.headers_mut().remove(EXPECT);
    if policy == Policy::Authenticate {
        identity::announce(head, request.headers_mut())?;
    }
    Ok(request)
}

/// RFC 9110 §9.3.7, for a page of another origin: nothing but what it asks for.
pub(crate) fn forward_preflight(
    head: &Parts,
    upstream: &Upstream,
) -> Result<Request<Body>, Failure> {
    let mut request = same(head, upstream, false)?;
    let asked = |name: &&HeaderName| {
        **name == HOST || **name == ORIGIN || name.as_str().starts_with("access-control-request-")
    };
    let headers = std::mem::take(request.headers_mut());
    for name in headers.keys().filter(asked) {
        for value in headers.get_all(name) {
            request.headers_mut().append(name, value.clone());
        }
    }
    let path = request.uri().path().to_owned();
    *request.uri_mut() = path.parse().map_err(|_| Failure::Target)?;
    Ok(request)
}

fn same(head: &Parts, upstream: &Upstream, keep: bool) -> Result<Request<Body>, Failure> {
    let host = host(head)?;
    let kept = head.extensions.get::<Kept>().filter(|_| keep);
    let (uri, headers) = match kept {
        Some(Kept { uri, headers }) => (uri, headers),
        None => (&head.uri, &head.headers),
    };
    let mut headers = headers.clone();
    // What `Connection` names is already gone, but for the word of a trusted proxy.
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove(CONTENT_LENGTH);
    join_cookies(&mut headers);
    if let Some(peer) = head.extensions.get::<Peer>() {
        say_for_whom(peer.address, host.clone(), &mut headers);
    }
    headers.insert(HOST, upstream.own_host().cloned().unwrap_or(host));

    let mut request = Request::new(body::empty());
    *request.method_mut() = head.method.clone();
    *request.version_mut() = Version::HTTP_11;
    *request.uri_mut() = upstream.target(uri)?;
    *request.headers_mut() = headers;
    if let Some(cases) = head.extensions.get::<Cases>() {
        *request.extensions_mut() = cases.extensions();
    }
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
        use crate::options::Trust;

        #[test]
        fn nobody_takes_away_what_a_trusted_proxy_says() {
            let lines = [
                ("connection", "Upgrade, X-Forwarded-For, Forwarded"),
                ("x-forwarded-for", "10.0.0.1"),
            ];
            let mut said = headers(&lines);
            assert!(!cleanse(&mut said, &Strip::new(Trust::XForwarded, &[])));
            assert_eq!(said, headers(&lines));
            cleanse(&mut said, &Strip::new(Trust::None, &[]));
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
            cleanse(&mut said, &Strip::new(Trust::None, &[]));
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
