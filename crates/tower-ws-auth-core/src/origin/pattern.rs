use std::net::{Ipv4Addr, Ipv6Addr};

use crate::origin::Scheme;

/// One entry of the list, in the serialization of browsers (RFC 6454 §6.2).
pub(crate) enum Entry {
    Exact(String),
    Subdomains(Subdomains),
    /// Every origin of this scheme, with `://`.
    Scheme(&'static str),
}

/// `https://*.example.com`.
#[derive(Clone, Debug)]
pub(crate) struct Subdomains {
    scheme: Scheme,
    /// `.example.com`, with its port if that is not the default.
    parent: String,
}

impl Subdomains {
    pub(crate) fn contain(&self, origin: &str) -> bool {
        origin
            .strip_prefix(self.scheme.prefix())
            .and_then(|host| host.strip_suffix(&*self.parent))
            .is_some_and(is_labels)
    }
}

pub(crate) fn parse(entry: &str) -> Result<Entry, OriginsError> {
    let text = entry.to_ascii_lowercase();
    if text == "null" {
        return Err(OriginsError::Null);
    }
    let Some((name, authority)) = text.split_once("://").filter(|(name, _)| is_scheme(name)) else {
        return Err(OriginsError::Scheme(entry.to_owned()));
    };
    if authority == "*" {
        let known = INSTALLED
            .into_iter()
            .find(|known| known.trim_end_matches("://") == name);
        return known
            .map(Entry::Scheme)
            .ok_or_else(|| OriginsError::Wildcard(entry.to_owned()));
    }
    // Electron's own protocols are often written so, and a browser keeps it.
    if name == "app" && authority == "." {
        return Ok(Entry::Exact(text));
    }
    if name == "file" {
        return Err(OriginsError::File);
    }
    if authority.contains(['/', '\\', '?', '#', '@']) {
        return Err(OriginsError::Trailing(entry.to_owned()));
    }
    let scheme = match name {
        "https" => Some(Scheme::Https),
        "http" => Some(Scheme::Http),
        _ => None,
    };
    let (host, port) = split_port(authority);
    if port.is_some_and(|port| !is_port(port)) {
        return Err(OriginsError::Port(entry.to_owned()));
    }
    let port = port
        .filter(|&port| scheme.is_none_or(|scheme| port != scheme.default_port()))
        .map_or_else(String::new, |port| format!(":{port}"));
    if host.contains('*') {
        let parent = host.strip_prefix("*.").filter(|parent| is_domain(parent));
        return match (scheme, parent) {
            (Some(scheme), Some(parent)) => Ok(Entry::Subdomains(Subdomains {
                scheme,
                parent: format!(".{parent}{port}"),
            })),
            _ => Err(OriginsError::Wildcard(entry.to_owned())),
        };
    }
    if !is_host(host) {
        return Err(OriginsError::Host(entry.to_owned()));
    }
    // Browsers write the shortest form of an address.
    let host = ipv6(host).map_or_else(|| host.to_owned(), |address| format!("[{address}]"));
    Ok(Entry::Exact(format!("{name}://{host}{port}")))
}

/// The schemes of extensions whose hosts are made up anew for each browser, so that nobody can list
/// them.
const INSTALLED: [&str; 2] = ["moz-extension://", "safari-web-extension://"];

/// Whether an origin of this scheme has the host of an extension, which is a UUID.
pub(crate) fn is_installed(scheme: &str, origin: &str) -> bool {
    let host = origin.strip_prefix(scheme);
    host.is_some_and(|host| {
        let digits = host.bytes().filter(|b| *b != b'-');
        host.len() == 36
            && digits.clone().count() == 32
            && digits.into_iter().all(|b| b.is_ascii_hexdigit())
    })
}

/// Splits `host[:port]`, where the host may be an IPv6 address in brackets.
pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// A port as browsers write it: 1 to 65535, and no zero in front.
pub(crate) fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() && !text.starts_with(['0', '+'])
}

/// A host as browsers write it: lower case, no trailing dot, no user.
pub(crate) fn is_host(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    if host.starts_with('[') {
        ipv6(host).is_some()
    } else if last.bytes().all(|b| b.is_ascii_digit()) {
        // A name that ends in a number is an IPv4 address to a browser, in four decimal parts.
        host.parse::<Ipv4Addr>().is_ok()
    } else {
        is_labels(host)
    }
}

/// At least two labels, and not an address, which has no subdomains.
fn is_domain(host: &str) -> bool {
    is_labels(host) && is_host(host) && host.contains('.') && host.parse::<Ipv4Addr>().is_err()
}

fn is_labels(host: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    host.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(letter))
}

fn ipv6(host: &str) -> Option<Ipv6Addr> {
    let address: Ipv6Addr = host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    // Browsers write these in hex and std in decimal. An error is better than an entry that never
    // matches.
    address.to_ipv4_mapped().is_none().then_some(address)
}

/// RFC 3986 §3.1, without `ws`: an origin is that of the page, not of the socket.
fn is_scheme(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
        && !matches!(name, "ws" | "wss")
}

/// Why [`Origins::new`](crate::origin::Origins::new) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginsError {
    /// A list without entries allows nobody.
    #[error("no origin is allowed: name at least one, such as `https://app.example.com`")]
    Empty,
    /// `null` is the origin of every sandboxed page.
    #[error(
        "every sandboxed page sends `null`: serve your page from a real origin, or accept the risk \
         with `and_dangerous_null`"
    )]
    Null,
    /// `file://` is every file that a user opens.
    #[error(
        "`file://` is every page on a user's disk: serve your page from a real origin, or accept the \
         risk with `and_dangerous_file`"
    )]
    File,
    /// Not `scheme://…`, or the scheme of a socket.
    #[error(
        "{0:?} does not begin with the scheme of a page: write `https://host` or `http://host:port`"
    )]
    Scheme(String),
    /// A path, query, fragment or user.
    #[error(
        "{0:?} is more than an origin: remove the user and everything after host and port, also a final `/`"
    )]
    Trailing(String),
    /// A port that no browser writes.
    #[error("the port of {0:?} is not a number from 1 to 65535: correct it or leave it out")]
    Port(String),
    /// A host that no browser writes.
    #[error(
        "the host of {0:?} is not written as browsers do: use letters, digits, `-` and `_`, without a final dot, and `xn--` for other scripts"
    )]
    Host(String),
    /// A wildcard that is not in front of a domain.
    #[error(
        "the wildcard of {0:?} is too broad or in the wrong place: write `https://*.example.com`, or \
         `moz-extension://*` and `safari-web-extension://*` for extensions"
    )]
    Wildcard(String),
}

#[cfg(test)]
mod entries_rfc6454_6_2 {
    use super::*;

    fn exact(entry: &str) -> Result<String, OriginsError> {
        match parse(entry)? {
            Entry::Exact(origin) => Ok(origin),
            Entry::Scheme(scheme) => Ok(format!("{scheme}*")),
            Entry::Subdomains(sub) => Ok(format!("{}*{}", sub.scheme.prefix(), sub.parent)),
        }
    }

    #[test]
    fn are_serialized_as_browsers_do() {
        for (entry, origin) in [
            ("https://example.com", "https://example.com"),
            ("HTTPS://Example.COM", "https://example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:80", "http://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.0.0.1:65535", "http://127.0.0.1:65535"),
            ("http://[0:0::1]:3000", "http://[::1]:3000"),
            ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
            (
                "https://xn--bcher-kva.example",
                "https://xn--bcher-kva.example",
            ),
            ("capacitor://localhost", "capacitor://localhost"),
            ("app+x://host:443", "app+x://host:443"),
            ("chrome-extension://aapocclc", "chrome-extension://aapocclc"),
            ("https://*.Example.com:443", "https://*.example.com"),
            ("http://*.a.b.test:8080", "http://*.a.b.test:8080"),
        ] {
            assert_eq!(exact(entry).as_deref(), Ok(origin));
        }
    }

    #[test]
    fn of_shells_and_extensions_are_known() {
        for entry in ["app://.", "moz-extension://*", "safari-web-extension://*"] {
            assert_eq!(exact(entry).as_deref(), Ok(entry));
        }
        assert_eq!(exact("file://"), Err(OriginsError::File));
        for entry in [
            "chrome-extension://*",
            "https://*",
            "app://*",
            "capacitor://*",
        ] {
            assert_eq!(exact(entry), Err(OriginsError::Wildcard(entry.into())));
        }
    }

    #[test]
    fn without_the_scheme_of_a_page_are_refused() {
        for entry in [
            "",
            "example.com",
            "localhost:3000",
            "//example.com",
            "://example.com",
            "https:/example.com",
            "wss://example.com",
            "ws://example.com",
            "1ttp://example.com",
            " https://example.com",
            "*",
        ] {
            let error = exact(entry);
            assert_eq!(error, Err(OriginsError::Scheme(entry.into())));
        }
    }

    #[test]
    fn with_more_than_an_origin_are_refused() {
        for entry in [
            "https://example.com/",
            "https://example.com/app",
            "https://example.com?x",
            "https://example.com#x",
            "https://user@example.com",
            "https://user:pw@example.com",
            "https://example.com\\x",
            "https:///example.com",
            "https://*.example.com/",
        ] {
            let error = exact(entry);
            assert_eq!(error, Err(OriginsError::Trailing(entry.into())));
        }
    }

    #[test]
    fn with_a_host_that_no_browser_writes_are_refused() {
        for entry in [
            "https://",
            "https://:8443",
            "https://example.com.",
            "https://.example.com",
            "https://a..b",
            "https://b\u{fc}cher.example",
            "https://a b",
            "https://example.com ",
            "https://a,b",
            "https://%61",
            "https://1.2.3",
            "https://1.2.3.256",
            "https://01.2.3.4",
            "https://[::1",
            "https://[]",
            "https://[::ffff:1.2.3.4]",
        ] {
            let error = exact(entry);
            assert_eq!(error, Err(OriginsError::Host(entry.into())));
        }
    }

    #[test]
    fn with_a_port_that_no_browser_writes_are_refused() {
        for port in ["", "0", "080", "65536", "+80", "-1", "http", "*", "80 "] {
            let entry = format!("https://example.com:{port}");
            assert_eq!(exact(&entry), Err(OriginsError::Port(entry)));
        }
    }

    #[test]
    fn with_a_wildcard_that_is_too_wide_or_misplaced_are_refused() {
        for entry in [
            "https://*",
            "https://*.",
            "https://*.com",
            "https://*.localhost",
            "https://*.com:8443",
            "https://*example.com",
            "https://a.*.example.com",
            "https://*.*.example.com",
            "https://example.*",
            "https://*..com",
            "https://*.example.com.",
            "https://*.2.3.4",
            "https://*.1.2.3.4",
            "https://*.[::1]",
            "chrome-extension://*.a.b",
            "chrome-extension://*",
        ] {
            let error = exact(entry);
            assert_eq!(error, Err(OriginsError::Wildcard(entry.into())));
        }
    }

    #[test]
    fn null_and_an_empty_list_are_refused() {
        use crate::origin::Origins;
        assert_eq!(exact("null"), Err(OriginsError::Null));
        assert_eq!(exact("NULL"), Err(OriginsError::Null));
        let empty = Origins::new::<&str>([]);
        assert_eq!(empty.err(), Some(OriginsError::Empty));
        let one_of_two_is_bad = Origins::new(["https://example.com", "null"]);
        assert_eq!(one_of_two_is_bad.err(), Some(OriginsError::Null));
    }

    #[test]
    fn that_are_refused_name_the_remedy() {
        for (entry, remedy) in [
            ("null", "serve your page from a real origin"),
            ("wss://example.com", "write `https://host`"),
            ("https://example.com/", "also a final `/`"),
            ("https://example.com:x", "leave it out"),
            ("https://b\u{fc}cher.example", "`xn--` for other scripts"),
            ("https://*.com", "write `https://*.example.com`"),
        ] {
            let message = exact(entry).unwrap_err().to_string();
            assert!(message.contains(remedy), "{message}");
        }
    }
}
