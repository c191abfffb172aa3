use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use http::header::{HOST, ORIGIN};
use http::request::Parts;

use crate::origin::OriginsError;
use crate::origin::pattern::{
    Entry, Subdomains, is_host, is_installed, is_port, parse, split_port,
};

/// The pages that may connect.
#[derive(Clone, Debug)]
pub struct Origins {
    exact: Vec<String>,
    subdomains: Vec<Subdomains>,
    same_as_host: Vec<Scheme>,
    schemes: Vec<&'static str>,
    predicate: Option<Predicate>,
    own: Option<Own>,
}

#[derive(Clone)]
struct Predicate(Arc<dyn Fn(&str) -> bool + Send + Sync>);

/// Finds the server's own origin.
#[derive(Clone)]
struct Own(Arc<FindOwn>);

type FindOwn = dyn Fn(&Parts) -> Option<(Scheme, String)> + Send + Sync;

impl Own {
    fn is_same(&self, origin: &str, head: &Parts) -> bool {
        (self.0)(head).is_some_and(|(scheme, host)| {
            let page = origin.strip_prefix(scheme.prefix());
            page.is_some_and(|page| {
                scheme.is_serialized(page) && scheme.names(host.as_bytes(), page)
            })
        })
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Own")
    }
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Predicate")
    }
}

impl Origins {
    /// A list of origins, each written in one of two ways:
    ///
    /// - `scheme://host[:port]`, such as `https://example.com`, `http://localhost:3000` or
    ///   `capacitor://localhost`. Upper case is lowered, and the default port of `http` and
    ///   `https` dropped, as browsers do.
    /// - `https://*.example.com[:port]`: every subdomain, at any depth, and not `example.com`
    ///   itself. Anyone who can publish on a subdomain can connect. Use no wildcard over a domain
    ///   that gives names to strangers.
    /// - `chrome-extension://<id>` and `app://.` (Electron) are exact ones. `moz-extension://*` and
    ///   `safari-web-extension://*` are every extension of these browsers, because each
    ///   installation has another id.
    ///
    /// # Errors
    ///
    /// An entry that no browser would send, `null`, a wildcard over a top-level domain, or an
    /// empty list.
    pub fn new<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, OriginsError> {
        let mut origins = Self::none();
        for entry in entries {
            match parse(entry.as_ref())? {
                Entry::Exact(origin) => origins.exact.push(origin),
                Entry::Subdomains(subdomains) => origins.subdomains.push(subdomains),
                Entry::Scheme(scheme) => origins.schemes.push(scheme),
            }
        }
        if origins.exact.is_empty() && origins.subdomains.is_empty() && origins.schemes.is_empty() {
            return Err(OriginsError::Empty);
        }
        Ok(origins)
    }

    /// The origin of the server that the request addresses: this scheme, with the host and port of
    /// `Host` or of the request's URI (`:authority` on HTTP/2). If both are present, both must
    /// match.
    ///
    /// The scheme is that of the page. Behind a proxy that ends TLS it is `https`, whatever the
    /// proxy speaks to this server. The proxy has to pass `Host` on.
    ///
    /// Prefer the list, because the client chooses the host. A foreign page whose own name resolves
    /// to your address (DNS rebinding) has the same `Host`. Only something in front that refuses
    /// foreign names, as TLS does, prevents this.
    pub fn same_as_host(scheme: Scheme) -> Self {
        Self::none().and_same_as_host(scheme)
    }

    /// The server's own origin, which a function finds in the request: the scheme, and the host with
    /// its port. For a server behind a proxy that tells them in `X-Forwarded-Proto` and
    /// `X-Forwarded-Host`, or in `Forwarded`.
    ///
    /// Read only what a trusted proxy has set. A client that sets the host itself is a page of that
    /// host. See [`same_as_host`](Self::same_as_host) about foreign names for your address.
    ///
    /// ```
    /// use tower_ws_auth_core::origin::{OriginCheck, Origins, Scheme};
    ///
    /// let own = Origins::same_as(|head| {
    ///     let host = head.headers.get("x-forwarded-host")?.to_str().ok()?;
    ///     Some((Scheme::Https, host.to_owned()))
    /// });
    /// let request = |origin: &str| {
    ///     let request = http::Request::get("/ws").header("x-forwarded-host", "app.example");
    ///     request.header("origin", origin).body(()).unwrap().into_parts().0
    /// };
    /// assert!(matches!(own.allows(&request("https://app.example")), OriginCheck::Allowed(_)));
    /// assert_eq!(own.allows(&request("https://evil.example")), OriginCheck::Refused);
    /// ```
    pub fn same_as(
        own: impl Fn(&Parts) -> Option<(Scheme, String)> + Send + Sync + 'static,
    ) -> Self {
        Self::none().and_same_as(own)
    }

    /// Allows, besides, what [`same_as`](Self::same_as) does. Of two functions the last counts.
    #[must_use]
    pub fn and_same_as(
        mut self,
        own: impl Fn(&Parts) -> Option<(Scheme, String)> + Send + Sync + 'static,
    ) -> Self {
        self.own = Some(Own(Arc::new(own)));
        self
    }

    /// The origins that a function allows, for example those of customers in a database's copy.
    ///
    /// It sees the text of the one `Origin`, as the browser wrote it, and never `null`. Compare it
    /// whole: a prefix or a suffix is another page's as well.
    pub fn matching(allowed: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::none().and_matching(allowed)
    }

    /// Allows, besides, what [`matching`](Self::matching) does. Of two functions the last counts.
    #[must_use]
    pub fn and_matching(mut self, allowed: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Predicate(Arc::new(allowed)));
        self
    }

    /// Allows, besides, `null`: a page from a file in most browsers, a sandboxed frame, a page
    /// behind some redirects.
    ///
    /// Every page in the world can make a sandboxed frame. Where a cookie decides, each of them can
    /// then connect in the name of its visitor.
    #[must_use]
    pub fn and_dangerous_null(mut self) -> Self {
        self.exact.push("null".to_owned());
        self
    }

    /// Allows, besides, `file://`, as Cordova, Electron and some web views write it.
    ///
    /// A file that a user has downloaded and opens is such a page too.
    #[must_use]
    pub fn and_dangerous_file(mut self) -> Self {
        self.exact.push("file://".to_owned());
        self
    }

    fn none() -> Self {
        Self {
            exact: Vec::new(),
            subdomains: Vec::new(),
            same_as_host: Vec::new(),
            schemes: Vec::new(),
            predicate: None,
            own: None,
        }
    }

    /// The entry that a refused origin means, if it differs only by letters of another case or a
    /// default port. No browser writes it so.
    pub(crate) fn meant<'o>(&'o self, head: &Parts) -> Option<&'o str> {
        let origin = head.headers.get(ORIGIN)?.to_str().ok()?;
        match parse(origin.strip_suffix('/').unwrap_or(origin)) {
            Ok(Entry::Exact(origin)) => {
                let mut exact = self.exact.iter();
                exact.find(|exact| **exact == origin).map(String::as_str)
            }
            _ => None,
        }
    }

    /// Also allows the origins that [`same_as_host`](Self::same_as_host) does.
    #[must_use]
    pub fn and_same_as_host(mut self, scheme: Scheme) -> Self {
        self.same_as_host.push(scheme);
        self
    }

    /// Compares the `Origin` of a request head. Nothing is allocated.
    pub fn allows<'a>(&self, head: &'a Parts) -> OriginCheck<'a> {
        let mut fields = head.headers.get_all(ORIGIN).iter();
        let Some(field) = fields.next() else {
            return OriginCheck::Missing;
        };
        let sole = fields.next().is_none();
        // Nearly always, and then nobody has to read it as text.
        let is_exact = |exact: &String| exact.as_bytes() == field.as_bytes();
        if sole && self.exact.iter().any(is_exact) {
            return OriginCheck::Allowed(field);
        }
        match field.to_str() {
            Ok(origin) if sole && self.contains(origin, head) => OriginCheck::Allowed(field),
            _ => OriginCheck::Refused,
        }
    }

    fn contains(&self, origin: &str, head: &Parts) -> bool {
        self.exact.iter().any(|exact| exact == origin)
            || self.subdomains.iter().any(|sub| sub.contain(origin))
            || (self.same_as_host.iter()).any(|scheme| scheme.is_same(origin, head))
            || (self.own.as_ref()).is_some_and(|own| own.is_same(origin, head))
            || (self.schemes.iter()).any(|scheme| is_installed(scheme, origin))
            || (self.predicate.as_ref()).is_some_and(|allow| origin != "null" && allow.0(origin))
    }
}

/// The scheme of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `https`.
    Https,
    /// `http`: for development, or a network that you trust.
    Http,
}

impl Scheme {
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Https => "https://",
            Self::Http => "http://",
        }
    }

    pub(crate) fn default_port(self) -> &'static str {
        match self {
            Self::Https => "443",
            Self::Http => "80",
        }
    }

    fn is_same(self, origin: &str, head: &Parts) -> bool {
        let Some(page) = origin.strip_prefix(self.prefix()) else {
            return false;
        };
        let mut lines = head.headers.get_all(HOST).iter();
        let line = lines.next().map(HeaderValue::as_bytes);
        let authority = head.uri.authority().map(|a| a.as_str().as_bytes());
        let same = |host: Option<&[u8]>| host.is_none_or(|host| self.names(host, page));
        self.is_serialized(page)
            && (line.is_some() || authority.is_some())
            && lines.next().is_none()
            && same(line)
            && same(authority)
    }

    /// Whether the host and port of an origin are written as browsers write them.
    fn is_serialized(self, page: &str) -> bool {
        let (host, port) = split_port(page);
        is_host(host) && port.is_none_or(|port| is_port(port) && port != self.default_port())
    }

    /// Whether a request's host is that of the page. The client writes the host, so case and a
    /// default port make no difference (RFC 9110 §4.2.3).
    fn names(self, host: &[u8], page: &str) -> bool {
        host.strip_suffix(self.default_port().as_bytes())
            .and_then(|host| host.strip_suffix(b":"))
            .unwrap_or(host)
            .eq_ignore_ascii_case(page.as_bytes())
    }
}

/// The result of [`Origins::allows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum OriginCheck<'a> {
    /// Exactly one `Origin`, and it is allowed.
    Allowed(&'a HeaderValue),
    /// No `Origin`.
    Missing,
    /// An `Origin` that is not allowed, or more than one.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Version};

    const PAGE: &str = "https://example.com";

    fn list(entries: &[&str]) -> Origins {
        Origins::new(entries).unwrap()
    }

    fn head(origins: &[&str]) -> Parts {
        let mut head = Request::new(()).into_parts().0;
        for origin in origins {
            let origin = HeaderValue::from_bytes(origin.as_bytes()).unwrap();
            head.headers.append(ORIGIN, origin);
        }
        head
    }

    fn allowed(origins: &Origins, origin: &str) -> bool {
        match origins.allows(&head(&[origin])) {
            OriginCheck::Allowed(value) => value == origin,
            OriginCheck::Refused => false,
            OriginCheck::Missing => unreachable!(),
        }
    }

    mod shells_and_extensions {
        use super::*;

        const ID: &str = "0c2b1a9e-7f6d-4a3b-9c8d-1e2f3a4b5c6d";

        #[test]
        fn are_allowed_by_their_own_entries() {
            let origins = list(&["moz-extension://*", "chrome-extension://abc", "app://."]);
            let firefox = format!("moz-extension://{ID}");
            for origin in [&firefox, "chrome-extension://abc", "app://."] {
                assert!(allowed(&origins, origin), "{origin}");
            }
            for other in [
                "moz-extension://",
                "moz-extension://evil.net",
                &format!("{firefox}.evil.net"),
                &format!("safari-web-extension://{ID}"),
                &format!("https://{ID}"),
                "chrome-extension://abd",
                "app://..",
                "app://x",
                "null",
                "file://",
            ] {
                assert!(!allowed(&origins, other), "{other}");
            }
        }

        #[test]
        fn null_and_files_are_allowed_by_frightening_names_alone() {
            let origins = list(&[PAGE]).and_dangerous_null();
            assert!(allowed(&origins, "null") && allowed(&origins, PAGE));
            assert!(!allowed(&origins, "file://"));
            let origins = list(&[PAGE]).and_dangerous_file();
            assert!(allowed(&origins, "file://") && !allowed(&origins, "null"));
        }

        #[test]
        fn a_function_decides_about_one_origin_and_never_about_null() {
            let origins = Origins::matching(|origin| origin != PAGE);
            assert!(allowed(&origins, "https://customer.example"));
            assert!(!allowed(&origins, PAGE) && !allowed(&origins, "null"));
            let two = head(&["https://a.example", "https://a.example"]);
            assert_eq!(origins.allows(&two), OriginCheck::Refused);
            assert!(allowed(
                &origins.and_same_as_host(Scheme::Https),
                "https://b.example"
            ));
        }

        #[test]
        fn the_entry_that_was_meant_is_known_and_allows_nothing() {
            let origins = list(&[PAGE]);
            for origin in [
                "https://Example.com",
                "https://example.com:443",
                "https://example.com/",
            ] {
                assert!(!allowed(&origins, origin));
                assert_eq!(origins.meant(&head(&[origin])), Some(PAGE));
            }
            for other in [
                "https://example.org",
                "http://example.com",
                "null",
                "https://example.com:8443",
            ] {
                assert_eq!(origins.meant(&head(&[other])), None);
            }
        }
    }

    mod the_list_rfc6454_5 {
        use super::*;

        #[test]
        fn allows_its_entries() {
            let origins = list(&[PAGE, "http://localhost:3000", "capacitor://localhost"]);
            for origin in [PAGE, "http://localhost:3000", "capacitor://localhost"] {
                assert!(allowed(&origins, origin), "{origin}");
            }
        }

        #[test]
        fn compares_scheme_host_and_port_exactly() {
            let origins = list(&[PAGE, "https://with.port:8443"]);
            for other in [
                "http://example.com",
                "https://example.com:8443",
                "https://example.com:443",
                "https://with.port",
                "https://with.port:443",
                "https://with.port:84433",
                "https://www.example.com",
                "wss://example.com",
                "//example.com",
                "example.com",
            ] {
                assert!(!allowed(&origins, other), "{other}");
            }
        }

        #[test]
        fn refuses_an_origin_that_only_begins_or_ends_like_it() {
            for other in [
                "https://example.com.evil.net",
                "https://evilexample.com",
                "https://example.comevil",
                "https://example.co",
                "https://evil.net/https://example.com",
                "https://evil.net#https://example.com",
                "xhttps://example.com",
            ] {
                assert!(!allowed(&list(&[PAGE]), other), "{other}");
            }
        }

        #[test]
        fn refuses_every_other_writing_of_it() {
            for other in [
                "HTTPS://example.com",
                "https://Example.com",
                "https://example.com.",
                "https://example.com/",
                "https://example.com:",
                "https://user@example.com",
                "https://example.com@evil.net",
                "https://example.com\t",
                "https://ex\u{e4}mple.com",
            ] {
                assert!(!allowed(&list(&[PAGE]), other), "{other}");
            }
        }

        #[test]
        fn refuses_null_and_nothing() {
            for other in ["null", "NULL", "", "*", "about:blank", "file://"] {
                assert!(!allowed(&list(&[PAGE]), other), "{other}");
                assert!(
                    !allowed(&list(&["https://*.example.com"]), other),
                    "{other}"
                );
                assert!(
                    !allowed(&Origins::same_as_host(Scheme::Https), other),
                    "{other}"
                );
            }
        }

        #[test]
        fn refuses_two_of_them_in_one_field_or_in_two() {
            for two in [
                &[PAGE, PAGE][..],
                &[PAGE, "https://evil.net"],
                &["https://evil.net", PAGE],
                &["https://example.com https://example.com"],
                &["https://example.com, https://example.com"],
                &["", PAGE],
            ] {
                assert_eq!(
                    list(&[PAGE]).allows(&head(two)),
                    OriginCheck::Refused,
                    "{two:?}"
                );
            }
        }

        #[test]
        fn reports_a_missing_origin() {
            assert_eq!(list(&[PAGE]).allows(&head(&[])), OriginCheck::Missing);
        }
    }

    mod a_wildcard {
        use super::*;

        #[test]
        fn allows_subdomains_at_any_depth() {
            let origins = list(&["https://*.example.com", "http://*.dev.test:8080"]);
            for origin in [
                "https://a.example.com",
                "https://a.b-c.d_e.0.example.com",
                "http://x.dev.test:8080",
            ] {
                assert!(allowed(&origins, origin), "{origin}");
            }
        }

        #[test]
        fn allows_nothing_else() {
            let origins = list(&["https://*.example.com"]);
            for other in [
                "https://example.com",
                "https://.example.com",
                "https://a..example.com",
                "https://evilexample.com",
                "https://a.example.com.evil.net",
                "https://a.example.com.",
                "https://a.example.com:8443",
                "https://a.example.com:443",
                "http://a.example.com",
                "https://A.example.com",
                "https://a.EXAMPLE.com",
                "https://*.example.com",
                "https://evil.net/.example.com",
                "https://evil.net#.example.com",
                "https://evil.net?.example.com",
                "https://evil.net:1.example.com",
                "https://user@a.example.com",
                "https://evil.net\\.example.com",
                "https://a b.example.com",
                "https://a,https://a.example.com",
                "https://\u{e4}.example.com",
            ] {
                assert!(!allowed(&origins, other), "{other}");
            }
        }
    }

    mod same_as_host {
        use super::*;

        fn same(scheme: Scheme, origin: &str, hosts: &[&str], uri: &'static str) -> bool {
            let mut head = head(&[origin]);
            head.uri = uri.parse().unwrap();
            for host in hosts {
                let host = HeaderValue::from_bytes(host.as_bytes()).unwrap();
                head.headers.append(HOST, host);
            }
            let verdict = Origins::same_as_host(scheme).allows(&head);
            matches!(verdict, OriginCheck::Allowed(_))
        }

        #[test]
        fn allows_the_host_that_the_request_names() {
            for (scheme, origin, host) in [
                (Scheme::Https, "https://example.com", "example.com"),
                (Scheme::Https, "https://example.com", "example.com:443"),
                (Scheme::Https, "https://example.com", "EXAMPLE.com"),
                (Scheme::Https, "https://example.com:80", "example.com:80"),
                (Scheme::Http, "http://example.com", "example.com:80"),
                (Scheme::Http, "http://localhost:3000", "localhost:3000"),
                (Scheme::Http, "http://127.0.0.1:3000", "127.0.0.1:3000"),
                (Scheme::Https, "https://[::1]", "[::1]:443"),
                (Scheme::Http, "http://[::1]:3000", "[::1]:3000"),
            ] {
                assert!(same(scheme, origin, &[host], "/ws"), "{origin} at {host}");
            }
        }

        #[test]
        fn refuses_another_host_port_or_scheme() {
            for (origin, host) in [
                ("https://evil.net", "example.com"),
                ("https://example.com.evil.net", "example.com"),
                ("https://a.example.com", "example.com"),
                ("https://example.com:8443", "example.com"),
                ("https://example.com", "example.com:8443"),
                ("https://example.com", "example.com:80"),
                ("http://example.com", "example.com"),
                ("https://[::1]:443", "[::1]"),
                ("https://example.com:443", "example.com:443:443"),
            ] {
                assert!(
                    !same(Scheme::Https, origin, &[host], "/ws"),
                    "{origin} at {host}"
                );
            }
        }

        #[test]
        fn refuses_an_origin_that_no_browser_writes_even_if_the_host_matches() {
            for host in [
                "",
                ":443",
                ":8443",
                "example.com.",
                "Example.com",
                "user@example.com",
                "example.com/x",
                "example.com:443:443",
                "example.com:",
                "example.com:0",
                "example.com:08443",
                "example.com:+8443",
                "example.com:70000",
                "1.2.3",
                "0127.0.0.1",
                "::1",
                "[::1",
                "[::g]",
                "a..b",
                "*",
                "\u{e4}",
            ] {
                assert!(
                    !same(Scheme::Https, &format!("https://{host}"), &[host], "/ws"),
                    "{host}"
                );
            }
        }

        #[test]
        fn reads_the_authority_of_http2_where_there_may_be_no_host() {
            let uri = "https://example.com/ws";
            assert!(same(Scheme::Https, PAGE, &[], uri));
            assert!(same(Scheme::Https, PAGE, &[], "https://example.com:443/ws"));
            assert!(!same(Scheme::Https, "https://evil.net", &[], uri));
            let mut head = head(&[PAGE]);
            head.version = Version::HTTP_2;
            head.uri = uri.parse().unwrap();
            assert!(matches!(
                Origins::same_as_host(Scheme::Https).allows(&head),
                OriginCheck::Allowed(_)
            ));
        }

        #[test]
        fn refuses_without_a_host_and_with_two_that_could_differ() {
            assert!(!same(Scheme::Https, PAGE, &[], "/ws"));
            let two = ["example.com", "example.com"];
            assert!(!same(Scheme::Https, PAGE, &two, "/ws"));
            let uri = "https://evil.net/ws";
            assert!(!same(Scheme::Https, PAGE, &["example.com"], uri));
            assert!(!same(
                Scheme::Https,
                "https://evil.net",
                &["example.com"],
                uri
            ));
        }

        #[test]
        fn may_be_found_by_a_function() {
            let own = |head: &Parts| {
                let host = head.headers.get("x-forwarded-host")?.to_str().ok()?;
                Some((Scheme::Https, host.to_owned()))
            };
            let origins = Origins::same_as(own);
            for (host, origin, allows) in [
                (Some("example.com"), PAGE, true),
                (Some("Example.com:443"), PAGE, true),
                (Some("example.com:8443"), "https://example.com:8443", true),
                (Some("example.com"), "http://example.com", false),
                (Some("example.com"), "https://evil.net", false),
                (Some("Example.com"), "https://Example.com", false),
                (Some("example.com:443"), "https://example.com:443", false),
                (Some("null"), "null", false),
                (Some(""), "https://", false),
                (None, PAGE, false),
            ] {
                let mut head = head(&[origin]);
                // This is not asked.
                (head.headers).insert(HOST, HeaderValue::from_static("evil.net"));
                if let Some(host) = host {
                    let host = HeaderValue::from_static(host);
                    head.headers.insert("x-forwarded-host", host);
                }
                let verdict = origins.allows(&head);
                assert_eq!(
                    matches!(verdict, OriginCheck::Allowed(_)),
                    allows,
                    "{host:?} {origin}"
                );
            }
        }

        #[test]
        fn stands_beside_a_list_and_another_scheme() {
            let origins = list(&["https://elsewhere.net"])
                .and_same_as_host(Scheme::Https)
                .and_same_as_host(Scheme::Http);
            for (origin, allowed) in [
                ("https://elsewhere.net", true),
                ("https://example.com", true),
                ("http://example.com", true),
                ("http://elsewhere.net", false),
            ] {
                let mut head = head(&[origin]);
                head.headers
                    .insert(HOST, HeaderValue::from_static("example.com"));
                let verdict = origins.allows(&head);
                assert_eq!(
                    matches!(verdict, OriginCheck::Allowed(_)),
                    allowed,
                    "{origin}"
                );
            }
        }
    }
}
