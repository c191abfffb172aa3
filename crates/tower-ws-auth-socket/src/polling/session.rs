//! The `sid` and the transport in a query.

use http::Uri;
use http::uri::PathAndQuery;

/// What a query says about the session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Session<'a> {
    /// No `sid`: the request may open one.
    None,
    /// This one, as it stands there.
    One(&'a str),
    /// Servers may differ about which counts.
    Ambiguous,
}

impl<'a> Session<'a> {
    /// Names are decoded, as many servers do. A `sid` needs no escapes, so its value is taken as it
    /// stands.
    pub(crate) fn of(query: &'a str) -> Self {
        let mut found = Self::None;
        for pair in query.split('&') {
            if !names_the_session(pair) {
                continue;
            }
            found = match (found, pair.strip_prefix("sid=")) {
                (Self::None, Some(value)) => Self::One(value),
                _ => return Self::Ambiguous,
            };
        }
        found
    }
}

fn names_the_session(pair: &str) -> bool {
    form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| name == "sid")
}

/// Whether a query names the transport `websocket`, and no other.
pub(crate) fn is_of_websocket(query: &str) -> bool {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let mut transports = pairs.filter(|(name, _)| name == "transport").peekable();
    transports.peek().is_some() && transports.all(|(_, transport)| transport == "websocket")
}

/// The target with this `sid`, which the server reads. `None` if that makes no target.
pub(crate) fn with_sid(target: &Uri, sid: &str) -> Option<Uri> {
    let pairs = target.query().unwrap_or_default().split('&').map(|pair| {
        if names_the_session(pair) {
            format!("sid={sid}")
        } else {
            pair.to_owned()
        }
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    let mut parts = target.clone().into_parts();
    let path_and_query = PathAndQuery::try_from(format!("{}?{query}", target.path()));
    parts.path_and_query = Some(path_and_query.ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sid_counts_and_two_do_not() {
        for (query, session) in [
            ("EIO=4&transport=polling", Session::None),
            ("", Session::None),
            ("xsid=1&sidx=2&SID=3", Session::None),
            ("EIO=4&sid=abc&t=1", Session::One("abc")),
            ("sid=", Session::One("")),
            ("sid=a%2Eb", Session::One("a%2Eb")),
            ("sid=a&sid=a", Session::Ambiguous),
            ("sid=a&s%69d=b", Session::Ambiguous),
            ("s%69d=b&sid=a", Session::Ambiguous),
            ("%73id=b", Session::Ambiguous),
            ("sid", Session::Ambiguous),
        ] {
            assert_eq!(Session::of(query), session, "{query}");
        }
    }

    #[test]
    fn the_server_reads_its_own_sid_and_the_rest_as_it_was() {
        let target: Uri = "/socket.io/?EIO=4&sid=a.tag&t=x%20y".parse().unwrap();
        let target = with_sid(&target, "a").unwrap();
        assert_eq!(target, "/socket.io/?EIO=4&sid=a&t=x%20y");
        let target: Uri = "http://a.example/?sid=a.tag".parse().unwrap();
        assert_eq!(with_sid(&target, "a").unwrap(), "http://a.example/?sid=a");
    }
}
