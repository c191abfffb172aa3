use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName, Request};
use tower_layer::Layer;
use tower_service::Service;

use crate::__inner_accessors;
use crate::credential::{self, FIELDS, Key, RedactedPairs, is_plain, path_as_sent};
use crate::redact::path::Path;

/// Keeps credentials out of the logs of the layers inside of it. Use it as the outermost layer.
///
/// A browser can put a token almost nowhere but into the URI, and many layers log URIs. On the
/// named paths the pairs of the named query keys leave the URI (and axum's `OriginalUri`) before
/// another layer sees them. They travel on in an extension that nothing prints. The
/// [carriers](crate::credential) of the strategy inside find them as if they were still in the URI,
/// and are as strict about them. Without a strategy inside they are dropped with the request.
///
/// - A path is exact, or a prefix that ends in `/*`. It is no route: there are no parameters.
///   For `/rooms/{room}` name `/rooms/*`, and for every path `/*`. A parameter, or `/` alone, which
///   would match the root and nothing below it, is an error.
/// - A path is compared with the path that the client sent, byte for byte: `/ws` matches neither
///   `/ws/` nor `//ws` nor `/%77s`. `/live/*` matches every path that begins with `/live/`. Any
///   other path keeps its query. If a layer or a proxy further in rewrites paths, name each form
///   that leads to the service. Under `nest` name the whole path.
/// - A key is found wherever a carrier would find it, or would refuse it as disguised: `t%6Fken=`,
///   `token[]=`, `a=1;token=`. The other pairs stay as they were written, in their order.
/// - `Authorization`, `Proxy-Authorization`, `Cookie` and `Sec-WebSocket-Protocol` stay where they
///   are, on every path, marked [sensitive](http::HeaderValue::is_sensitive): their `Debug` prints
///   nothing. So do `X-Api-Key`, `X-Auth-Token`, `X-Access-Token`, `Cf-Access-Jwt-Assertion`,
///   `X-Amzn-Oidc-Data` and each other [`header_field`](Self::header_field).
/// - One per path is enough: an inner one discards the pairs that an outer one redacted.
///
/// Anything further out still logs the URI as it came, such as a proxy or the browser's own
/// history. A server that logs at TRACE (hyper, h2) reads the request before any layer does.
///
/// ```
/// use http::Request;
/// use tower::{Layer, Service, service_fn};
/// # use std::future::{Ready, ready};
/// # use http::{Response, request::Parts};
/// # use tower_ws_auth_core::credential::{Carriers, Credential};
/// # use tower_ws_auth_core::{AuthLayer, Authenticate, Grant, Rejection, RejectionKind};
/// use tower_ws_auth_core::RedactLayer;
///
/// # struct ApiKey(Carriers);
/// # impl Authenticate for ApiKey {
/// #     type Credential = Credential;
/// #     type Verified = ();
/// #     type Identity = ();
/// #     type Future = Ready<Result<Grant<()>, Rejection>>;
/// #     fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> { self.0.take(head) }
/// #     fn verify(&self, key: Credential, _head: &Parts) -> Self::Future {
/// #         ready(if key.as_str() == "k-123" { Ok(Grant::new(())) } else { Err(Rejection::new(RejectionKind::TokenInvalid, "")) })
/// #     }
/// #     fn admit(&self, (): (), _head: &Parts) -> Result<(), Rejection> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let strategy = ApiKey(Carriers::builder().query("token").build()?);
/// let mut service = tower::ServiceBuilder::new()
///     .layer(RedactLayer::new(["token"], ["/ws", "/live/*"])?)
///     .map_request(|request: Request<()>| {
/// // A layer in between, such as a TraceLayer, sees this:
///         assert_eq!(request.uri(), "/ws?room=1");
///         request
///     })
///     .layer(AuthLayer::new(strategy).any_request())
///     .service(service_fn(async |_: Request<()>| Ok::<_, std::io::Error>(Response::new(()))));
///
/// let accepted = service.call(Request::get("/ws?token=k-123&room=1").body(())?).await?;
/// assert_eq!(accepted.status(), 200);
/// let refused = service.call(Request::get("/ws?token=guessed&room=1").body(())?).await?;
/// assert_eq!(refused.status(), 401);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RedactLayer {
    config: Arc<Config>,
}

#[derive(Clone, Debug)]
struct Config {
    keys: Vec<Key>,
    paths: Vec<Path>,
    /// Further header fields with a credential.
    fields: Vec<HeaderName>,
}

impl RedactLayer {
    /// Redacts the pairs of these query keys on these paths. A path is exact, or a prefix that ends
    /// in `/*`.
    ///
    /// # Errors
    ///
    /// No key, no path, a key that no carrier accepts, a path that no client could send, a router's
    /// parameter, or `/` alone.
    pub fn new<K, P>(
        keys: impl IntoIterator<Item = K>,
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Self, RedactError>
    where
        K: Into<Cow<'static, str>>,
        P: Into<String>,
    {
        let keys = plain_keys(keys)?;
        let paths = paths
            .into_iter()
            .map(|path| Path::new(path.into()))
            .collect::<Result<Vec<_>, _>>()?;
        match &paths[..] {
            [] => return Err(RedactError::NoPath),
            [Path::Exact(root)] if root == "/" => return Err(RedactError::RootAlone),
            _ => {}
        }
        let fields = Vec::new();
        let config = Arc::new(Config {
            keys,
            paths,
            fields,
        });
        Ok(Self { config })
    }

    /// Marks this header field as sensitive too: one that a strategy reads by
    /// [`CarriersBuilder::header_field`](credential::CarriersBuilder::header_field).
    pub fn header_field(mut self, name: HeaderName) -> Self {
        Arc::make_mut(&mut self.config).fields.push(name);
        self
    }
}

/// Checks the keys.
pub(crate) fn plain_keys<K: Into<Cow<'static, str>>>(
    keys: impl IntoIterator<Item = K>,
) -> Result<Vec<Key>, RedactError> {
    let keys: Vec<_> = keys.into_iter().map(|key| Key::plain(key.into())).collect();
    match keys.iter().find(|key| !is_plain(&key.name)) {
        Some(bad) => Err(RedactError::QueryKey(bad.name.to_string())),
        None if keys.is_empty() => Err(RedactError::NoKey),
        None => Ok(keys),
    }
}

impl<S> Layer<S> for RedactLayer {
    type Service = Redact<S>;

    fn layer(&self, inner: S) -> Redact<S> {
        let config = Arc::clone(&self.config);
        Redact { inner, config }
    }
}

/// The service that [`RedactLayer`] puts around another one.
#[derive(Clone)]
pub struct Redact<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> Redact<S> {
    /// Wraps `inner` as a [`RedactLayer`] with these keys and paths does.
    ///
    /// # Errors
    ///
    /// Those of [`RedactLayer::new`].
    pub fn new<K, P>(
        inner: S,
        keys: impl IntoIterator<Item = K>,
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Self, RedactError>
    where
        K: Into<Cow<'static, str>>,
        P: Into<String>,
    {
        Ok(RedactLayer::new(keys, paths)?.layer(inner))
    }

    __inner_accessors!();
}

impl<S, B> Service<Request<B>> for Redact<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let (mut head, body) = request.into_parts();
        // Removes a value that this layer did not set.
        head.extensions.remove::<RedactedPairs>();
        self.config.mark(&mut head.headers);
        if head.uri.query().is_some() {
            let path = path_as_sent(&head);
            if self.config.paths.iter().any(|named| named.is(path)) {
                credential::redact(&mut head, &self.config.keys);
            }
        }
        self.inner.call(Request::from_parts(head, body))
    }
}

impl Config {
    /// A list of subprotocols is always marked: some formats put a credential of any form there.
    fn mark(&self, headers: &mut HeaderMap) {
        for (name, value) in headers.iter_mut() {
            let secret = name == AUTHORIZATION
                || name == PROXY_AUTHORIZATION
                || name == COOKIE
                || name == SEC_WEBSOCKET_PROTOCOL
                || FIELDS.contains(&name.as_str())
                || self.fields.contains(name);
            if secret {
                value.set_sensitive(true);
            }
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Redact<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redact")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// Why [`RedactLayer::new`] or [`RedactedQuery::new`](crate::RedactedQuery::new) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedactError {
    /// No query key was named.
    #[error("no query key: name at least the one that your strategy reads")]
    NoKey,
    /// No path was named.
    #[error("no path: name at least one, or `/*` for all of them")]
    NoPath,
    /// A query key that is empty or would have to be escaped.
    #[error("the query key {0:?} is not made of letters, digits, `-`, `_` and `.`: choose another")]
    QueryKey(String),
    /// A path that no client could send.
    #[error(
        "{0:?} is no path as clients send it: it begins with `/`, is percent-encoded, and only ends in `/*`"
    )]
    Path(String),
    /// A router's parameter, which would be compared byte for byte.
    #[error(
        "{path:?} names a parameter, as a router does, and would match no request: use {instead:?}"
    )]
    Parameter {
        /// The path as it was given.
        path: String,
        /// The path that matches every value of the parameter.
        instead: String,
    },
    /// Only `/`, which matches no other path.
    #[error(
        "`/` alone matches the root path and nothing below it: use `/*` for every path, or name the paths"
    )]
    RootAlone,
}
