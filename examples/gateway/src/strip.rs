//! The fields that no client may set, in any spelling.

use http::{HeaderMap, HeaderName};

use crate::options::Trust;

/// Fields that end here: those of the gateway itself, of other proxies about the user or the client's
/// address, two that some servers read instead of the request target, and one that CGI takes for its
/// proxy. A final `*` stands for the rest of the name.
const FOREIGN: [&str; 12] = [
    "x-auth-*",
    "x-forwarded-*",
    "forwarded",
    "x-real-ip",
    "remote-user",
    "remote-groups",
    "remote-email",
    "remote-name",
    "x-webauth-*",
    "x-original-url",
    "x-rewrite-url",
    "proxy",
];

/// Which fields end here.
#[derive(Clone, Debug)]
pub(crate) struct Strip {
    trust: Trust,
    /// As [`plain`] writes them.
    own: Vec<String>,
}

impl Strip {
    pub(crate) fn new(trust: Trust, own: &[String]) -> Self {
        let own = own.iter().map(|name| match name.strip_suffix('*') {
            Some(name) => plain(name) + "*",
            None => plain(name),
        });
        Self {
            trust,
            own: own.collect(),
        }
    }

    /// Removes the fields. Returns whether there was one.
    pub(crate) fn remove(&self, headers: &mut HeaderMap) -> bool {
        let foreign = headers.keys().filter(|name| self.is_foreign(name.as_str()));
        let foreign: Vec<HeaderName> = foreign.cloned().collect();
        for name in &foreign {
            headers.remove(name);
        }
        !foreign.is_empty()
    }

    /// Whether a trusted proxy has set this field. `Connection` cannot remove it then.
    pub(crate) fn is_trusted(&self, name: &str) -> bool {
        match self.trust {
            Trust::None => false,
            Trust::XForwarded => {
                matches!(
                    name,
                    "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host"
                )
            }
            Trust::Forwarded => name == "forwarded",
        }
    }

    /// Whether this field, in small letters, ends here.
    pub(crate) fn is_foreign(&self, name: &str) -> bool {
        let name_plain = plain(name);
        let own = self.own.iter().map(String::as_str);
        !self.is_trusted(name) && own.chain(FOREIGN).any(|entry| names(entry, &name_plain))
    }
}

/// Whether an entry names this field.
pub(crate) fn names(entry: &str, name: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == entry,
    }
}

/// Many upstreams cannot distinguish `X_Auth_User` from `X-Auth-User`: to CGI and its descendants
/// both are `HTTP_X_AUTH_USER`. To some `X.Auth.User` is too.
fn plain(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn nobody_says_who_is_authenticated() {
        let mut said = headers(&[
            ("x-auth-user", "root"),
            ("x_auth_user", "root"),
            ("x-auth_via", "jwt"),
            ("x-auth-anything", "1"),
            ("x.auth.user", "root"),
            ("x~auth!user", "root"),
            ("remote-user", "root"),
            ("remote_user", "root"),
            ("x-webauth-user", "root"),
            ("x-forwarded-user", "root"),
            ("x-forwarded-email", "root"),
            ("proxy", "http://evil.example"),
            ("x-original-url", "/admin"),
            ("x-author", "ada"),
            ("remote-users", "2"),
        ]);
        for trust in [Trust::XForwarded, Trust::Forwarded, Trust::None] {
            let forged = Strip::new(trust, &[]).remove(&mut said);
            assert_eq!(forged, trust == Trust::XForwarded);
            assert_eq!(said, headers(&[("x-author", "ada"), ("remote-users", "2")]));
        }
    }

    #[test]
    fn nobody_says_for_whom_it_forwards_unless_that_kind_is_trusted() {
        let lines = [
            ("forwarded", "for=10.0.0.1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "a.example"),
            ("x-forwarded-port", "443"),
            ("x_forwarded_for", "10.0.0.2"),
            ("x-real-ip", "10.0.0.1"),
        ];
        for (trust, rest) in [
            (Trust::None, &lines[..0]),
            (Trust::Forwarded, &lines[..1]),
            (Trust::XForwarded, &lines[1..4]),
        ] {
            let mut said = headers(&lines);
            Strip::new(trust, &[]).remove(&mut said);
            assert_eq!(said, headers(rest), "{trust:?}");
        }
    }

    #[test]
    fn an_operator_names_more_of_them() {
        let own = ["x-client-ip".to_owned(), "x-shop-*".to_owned()];
        let mut said = headers(&[
            ("x-client-ip", "1"),
            ("x_client_ip", "1"),
            ("x-shop-role", "1"),
            ("x-client", "1"),
        ]);
        Strip::new(Trust::None, &own).remove(&mut said);
        assert_eq!(said, headers(&[("x-client", "1")]));
    }
}
