use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::Uri;

use crate::RedactError;
use crate::credential::{Key, Match};
use crate::redact::layer::plain_keys;

/// Prints URIs without the credentials in their queries. For a log that cannot stand inside of a
/// [`RedactLayer`](crate::RedactLayer).
///
/// ```
/// use tower_ws_auth_core::RedactedQuery;
///
/// let redacted = RedactedQuery::new(["token"])?;
/// let uri = "/ws?room=1&token=secret&tokens=2".parse()?;
/// assert_eq!(redacted.uri(&uri).to_string(), "/ws?room=1&token=redacted&tokens=2");
///
/// // A pair that another parser might read as the key is removed as a whole.
/// let uri = "/ws?a=1;token=secret&token[]=secret".parse()?;
/// assert_eq!(redacted.uri(&uri).to_string(), "/ws?redacted&redacted");
///
/// assert!(RedactedQuery::new(["token="]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RedactedQuery {
    keys: Arc<[Key]>,
}

impl RedactedQuery {
    /// Replaces the values of these keys, on every path.
    ///
    /// # Errors
    ///
    /// No key, or a key that no carrier accepts.
    pub fn new<K: Into<Cow<'static, str>>>(
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, RedactError> {
        let keys = plain_keys(keys)?.into();
        Ok(Self { keys })
    }

    /// The URI's path and query, to be printed, without scheme and authority.
    pub fn uri<'a>(&'a self, uri: &'a Uri) -> impl fmt::Display + 'a {
        let keys = &*self.keys;
        Redacted { uri, keys }
    }
}

struct Redacted<'a> {
    uri: &'a Uri,
    keys: &'a [Key],
}

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri.path())?;
        let Some(query) = self.uri.query() else {
            return Ok(());
        };
        for (n, pair) in query.split('&').enumerate() {
            f.write_str(if n == 0 { "?" } else { "&" })?;
            match Match::of(pair, self.keys) {
                None => f.write_str(pair)?,
                Some(Match::Key(key)) => write!(f, "{}=redacted", key.name)?,
                Some(Match::Disguised) => f.write_str("redacted")?,
            }
        }
        Ok(())
    }
}

#[cfg(feature = "tracing")]
mod span {
    use http::Request;
    use tracing::Span;

    use super::RedactedQuery;

    impl RedactedQuery {
        /// The span of a request, at level INFO, with its method, its version, and its URI as
        /// [`uri`](Self::uri) prints it. It has no headers.
        ///
        /// With the feature `tower-http` this type is a `MakeSpan` of tower-http 0.7. For another
        /// version use a closure: `move |request: &Request<_>| redacted.span(request)`.
        pub fn span<B>(&self, request: &Request<B>) -> Span {
            tracing::info_span!(
                "request",
                method = %request.method(),
                uri = %self.uri(request.uri()),
                version = ?request.version(),
            )
        }
    }

    #[cfg(feature = "tower-http")]
    impl<B> tower_http::trace::MakeSpan<B> for RedactedQuery {
        fn make_span(&mut self, request: &Request<B>) -> Span {
            self.span(request)
        }
    }
}
