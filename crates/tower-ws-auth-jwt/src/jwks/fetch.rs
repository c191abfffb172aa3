use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::Uri;

use super::address::public_addresses;

/// What an HTTP client says about a fetch that failed. It is logged, so it must not print a
/// secret.
pub type FetchError = Box<dyn Error + Send + Sync>;

/// A fetch under way.
pub type FetchFuture = Pin<Box<dyn Future<Output = Result<Document, FetchError>> + Send>>;

/// An HTTP client that gets documents.
///
/// A closure from URL to future is one.
///
/// It should follow no redirect, or check each as the URL itself was checked: `https`, or the own
/// machine. A fetch is given up after [`timeout`](crate::JwksBuilder::timeout), and one that
/// panics has failed.
pub trait Fetch: Send + Sync + 'static {
    /// Gets the document at `url`, if the answer is 200, and stops reading beyond `limit` bytes.
    fn fetch(&self, url: &Uri, limit: usize) -> FetchFuture;

    /// Gets a document at a host that only an issuer's configuration document names. It must not
    /// connect to an address that is not public: loopback, private, link-local and the like.
    ///
    /// Unless it is overridden, it looks the name up, fails if any address is not public, and then
    /// polls [`fetch`](Self::fetch). A client that connects to the very addresses that it has
    /// checked is safer, since a name may resolve otherwise a moment later.
    fn fetch_public(&self, url: &Uri, limit: usize) -> FetchFuture {
        let host = url.host().unwrap_or_default().to_owned();
        let port = url.port_u16().unwrap_or(443);
        let fetch = self.fetch(url, limit);
        Box::pin(async move {
            let lookup = move || public_addresses(&host, port);
            tokio::task::spawn_blocking(lookup).await??;
            fetch.await
        })
    }
}

impl<F, Fut> Fetch for F
where
    F: Fn(Uri) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Document, FetchError>> + Send + 'static,
{
    fn fetch(&self, url: &Uri, _limit: usize) -> FetchFuture {
        Box::pin(self(url.clone()))
    }
}

/// What was fetched.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) body: Vec<u8>,
    pub(crate) max_age: Option<Duration>,
}

impl Document {
    /// A document of these bytes.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            max_age: None,
        }
    }

    /// With the answer's `Cache-Control` field (RFC 9111 §5.2.2), whose `max-age` says when
    /// to fetch again. `no-cache` and `no-store` name no time, and change nothing.
    #[must_use]
    pub fn cache_control(mut self, field: &str) -> Self {
        self.max_age = max_age(field);
        self
    }
}

/// The shortest time that is named.
fn max_age(field: &str) -> Option<Duration> {
    let seconds = field.split(',').filter_map(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let max_age = name.trim().eq_ignore_ascii_case("max-age");
        max_age.then(|| value.trim().trim_matches('"').parse().ok())?
    });
    seconds.min().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_read_from_cache_control_rfc9111_5_2_2() {
        for (field, expected) in [
            ("max-age=300", Some(300)),
            ("public, Max-Age=\"300\", must-revalidate", Some(300)),
            ("max-age=300, max-age=60", Some(60)),
            ("no-store, no-cache", None),
            ("s-maxage=300", None),
            ("max-age=soon", None),
            ("max-age", None),
            ("max-age=-1", None),
            ("", None),
        ] {
            assert_eq!(max_age(field), expected.map(Duration::from_secs), "{field}");
        }
    }
}
