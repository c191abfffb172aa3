//! `Set-Cookie` in the bytes of Express.
//!
//! By hand, because the crate `cookie` writes another order and other escapes, checks no prefix of
//! the name, and allocates six times instead of twice.

use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Map, Value};

use crate::{ConfigError, percent};

/// The cross-site requests that carry the cookie (RFC 6265bis §5.2).
///
/// It is a second line of defence: a page on another subdomain is the same site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// No cross-site request, not even a followed link.
    Strict,
    /// Followed links, but no WebSockets.
    Lax,
    /// All requests, WebSockets too. The allow-list of origins is then the only defence.
    None,
}

impl SameSite {
    fn name(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

/// The cookie's name and its attributes in `Set-Cookie`.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) domain: Option<String>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) http_only: bool,
    pub(crate) secure: bool,
    pub(crate) same_site: SameSite,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            name: "connect.sid".into(),
            path: "/".into(),
            domain: None,
            max_age: None,
            http_only: true,
            secure: true,
            same_site: SameSite::Lax,
        }
    }
}

impl Attributes {
    /// Refuses attributes that a browser would reject or understand otherwise.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if self.name.is_empty() || !self.name.bytes().all(token) {
            return Err(ConfigError::Name(self.name.clone()));
        }
        let in_path = |b: u8| (b' '..=b'~').contains(&b) && b != b';';
        let untrimmed = self.path.trim() == self.path;
        if !self.path.starts_with('/') || !self.path.bytes().all(in_path) || !untrimmed {
            return Err(ConfigError::Path(self.path.clone()));
        }
        if let Some(domain) = self.domain.as_ref().filter(|domain| !is_host(domain)) {
            return Err(ConfigError::Domain(domain.clone()));
        }
        if self.max_age.is_some_and(|age| age.as_secs() == 0) {
            return Err(ConfigError::Zero("max_age"));
        }
        if self.same_site == SameSite::None && !self.secure {
            return Err(ConfigError::SameSiteNone);
        }
        if self.has_prefix("__Secure-") && !self.secure {
            return Err(ConfigError::SecurePrefix);
        }
        let host_only = self.secure && self.path == "/" && self.domain.is_none();
        if self.has_prefix("__Host-") && !host_only {
            return Err(ConfigError::HostPrefix);
        }
        Ok(())
    }

    /// Browsers accept the prefixes in any case (RFC 6265bis §5.7).
    fn has_prefix(&self, prefix: &str) -> bool {
        self.name
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    }

    /// `Set-Cookie` with this value, which is percent-encoded.
    pub(crate) fn set(&self, value: &str) -> HeaderValue {
        self.write(value, self.max_age.map(|age| age.as_secs()))
    }

    /// `Set-Cookie` that removes the cookie from the browser.
    pub(crate) fn removal(&self) -> HeaderValue {
        self.write("", Some(0))
    }

    fn write(&self, value: &str, max_age: Option<u64>) -> HeaderValue {
        let mut line = String::with_capacity(256);
        line.push_str(&self.name);
        line.push('=');
        percent::encode(value, &mut line);
        if let Some(seconds) = max_age {
            // Writing to a `String` does not fail.
            let _ = write!(line, "; Max-Age={seconds}");
        }
        if let Some(domain) = &self.domain {
            line.push_str("; Domain=");
            line.push_str(domain);
        }
        line.push_str("; Path=");
        line.push_str(&self.path);
        if self.http_only {
            line.push_str("; HttpOnly");
        }
        if self.secure {
            line.push_str("; Secure");
        }
        line.push_str("; SameSite=");
        line.push_str(self.same_site.name());
        // All of it is visible ASCII: `check` has checked the parts, and the value is encoded.
        let mut line = HeaderValue::try_from(line).unwrap_or_else(|_| HeaderValue::from_static(""));
        line.set_sensitive(true);
        line
    }

    /// The attributes that express-session keeps in the record and would set again.
    pub(crate) fn record(&self) -> Map<String, Value> {
        let mut cookie = Map::new();
        cookie.insert("originalMaxAge".into(), Value::Null);
        cookie.insert("expires".into(), Value::Null);
        cookie.insert("httpOnly".into(), self.http_only.into());
        cookie.insert("path".into(), self.path.as_str().into());
        cookie.insert(
            "sameSite".into(),
            self.same_site.name().to_lowercase().into(),
        );
        if self.secure {
            cookie.insert("secure".into(), true.into());
        }
        if let Some(domain) = &self.domain {
            cookie.insert("domain".into(), domain.as_str().into());
        }
        cookie
    }
}

fn is_host(domain: &str) -> bool {
    domain.split('.').all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

#[cfg(test)]
mod set_cookie_rfc6265_4_1 {
    use super::*;

    fn text(value: &HeaderValue) -> &str {
        value.to_str().unwrap()
    }

    #[test]
    fn the_defaults_keep_it_from_scripts_plain_http_and_other_sites() {
        assert_eq!(
            text(&Attributes::default().set("s:a.b+/")),
            "connect.sid=s%3Aa.b%2B%2F; Path=/; HttpOnly; Secure; SameSite=Lax"
        );
    }

    #[test]
    fn every_attribute_is_written() {
        let attributes = Attributes {
            name: "sid".into(),
            path: "/app".into(),
            domain: Some("example.com".into()),
            max_age: Some(Duration::from_millis(3_600_999)),
            http_only: false,
            secure: true,
            same_site: SameSite::None,
        };
        attributes.check().unwrap();
        assert_eq!(
            text(&attributes.set("x")),
            "sid=x; Max-Age=3600; Domain=example.com; Path=/app; Secure; SameSite=None"
        );
        assert_eq!(
            text(&attributes.removal()),
            "sid=; Max-Age=0; Domain=example.com; Path=/app; Secure; SameSite=None"
        );
        assert_eq!(
            Value::Object(attributes.record()),
            serde_json::json!({
                "originalMaxAge": null, "expires": null, "httpOnly": false, "path": "/app",
                "sameSite": "none", "secure": true, "domain": "example.com",
            })
        );
    }

    #[test]
    fn another_reader_understands_it() {
        let attributes = Attributes {
            same_site: SameSite::Strict,
            max_age: Some(Duration::from_secs(60)),
            ..Attributes::default()
        };
        let line = attributes.set("s:a.b+/=");
        let read = cookie::Cookie::parse_encoded(text(&line)).unwrap();
        assert_eq!(read.name_value(), ("connect.sid", "s:a.b+/="));
        assert_eq!((read.path(), read.domain()), (Some("/"), None));
        assert_eq!((read.secure(), read.http_only()), (Some(true), Some(true)));
        assert_eq!(read.same_site(), Some(cookie::SameSite::Strict));
        assert_eq!(read.max_age().unwrap().whole_seconds(), 60);
    }

    #[test]
    fn debug_does_not_print_it() {
        let line = Attributes::default().set("canary");
        assert_eq!(format!("{line:?}"), "Sensitive");
    }

    #[test]
    fn a_cookie_that_browsers_reject_is_refused() {
        let base = Attributes::default;
        let named = |name: &str| Attributes {
            name: name.into(),
            ..base()
        };
        for name in ["", "a b", "a=b", "a;b", "\u{e4}", "a\"", "a,b", "a/b"] {
            assert_eq!(named(name).check(), Err(ConfigError::Name(name.into())));
        }
        for path in ["", "app", "/a;b", "/a\r\nb", "/\u{e4}", "/a "] {
            let attributes = Attributes {
                path: path.into(),
                ..base()
            };
            assert_eq!(attributes.check(), Err(ConfigError::Path(path.into())));
        }
        for domain in ["", ".example.com", "a..b", "a b", "a;b", "example.com."] {
            let attributes = Attributes {
                domain: Some(domain.into()),
                ..base()
            };
            assert_eq!(attributes.check(), Err(ConfigError::Domain(domain.into())));
        }
        let attributes = Attributes {
            max_age: Some(Duration::from_millis(999)),
            ..base()
        };
        assert_eq!(attributes.check(), Err(ConfigError::Zero("max_age")));
        let attributes = Attributes {
            same_site: SameSite::None,
            secure: false,
            ..base()
        };
        assert_eq!(attributes.check(), Err(ConfigError::SameSiteNone));
    }

    #[test]
    fn the_name_prefixes_require_their_attributes() {
        let named = |name: &str| Attributes {
            name: name.into(),
            ..Attributes::default()
        };
        for name in ["__Host-sid", "__Secure-sid", "__host-sid"] {
            named(name).check().unwrap();
        }
        for name in ["__Host-sid", "__HOST-sid"] {
            for broken in [
                Attributes {
                    secure: false,
                    ..named(name)
                },
                Attributes {
                    path: "/app".into(),
                    ..named(name)
                },
                Attributes {
                    domain: Some("example.com".into()),
                    ..named(name)
                },
            ] {
                assert_eq!(broken.check(), Err(ConfigError::HostPrefix));
            }
        }
        let broken = Attributes {
            secure: false,
            ..named("__secure-sid")
        };
        assert_eq!(broken.check(), Err(ConfigError::SecurePrefix));
    }
}
