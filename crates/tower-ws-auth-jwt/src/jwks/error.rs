use crate::Algorithm;

/// Why [`JwksBuilder::start`](crate::JwksBuilder::start) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// A URL that keys cannot be fetched from.
    #[error("{0:?} cannot be fetched from: {1}")]
    Url(String, &'static str),
    /// No HTTP client.
    #[error(
        "there is no HTTP client: name one with `fetch`, or turn on the feature `jwks-reqwest`"
    )]
    NoFetch,
    /// The HTTP client cannot be made.
    #[cfg(feature = "jwks-reqwest")]
    #[error("the HTTP client cannot be made")]
    Client(#[source] super::FetchError),
    /// There is no runtime for the task that fetches.
    #[error("keys are fetched by a tokio task: call `start` within a tokio runtime")]
    NoRuntime,
    /// A limit that nothing could keep to.
    #[error("`{0}` is zero: leave the call out for its default")]
    Zero(&'static str),
    /// Keys that would be too old before they are fetched again.
    #[error("`max_stale` is shorter than `refresh`: keys would be too old between two fetches")]
    MaxStale,
    /// An algorithm whose key nobody publishes, or no algorithm at all.
    #[error("`{0}` wants algorithms with a public key{found}", found = .1.map(|a| format!(", and {a} has none")).unwrap_or_default())]
    Algorithms(&'static str, Option<Algorithm>),
    /// An issuer without a name, or another one than the keys are asked from.
    #[error("`issuer` is empty, or not the one that is given to `discover`: leave the call out")]
    Issuer,
}

/// Why a fetch brought no keys, for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the HTTP client failed")]
    Fetch(#[source] super::FetchError),
    #[error("there was no answer in time")]
    Timeout,
    #[error("the HTTP client panicked")]
    Panicked,
    #[error("the document is larger than allowed")]
    TooLarge,
    #[error("the document is no JWK Set: {0}")]
    Set(&'static str),
    #[error("no key of the set can be used, and the set before had some")]
    Empty,
    #[error("the document is no OpenID configuration for these keys: {0}")]
    Configuration(&'static str),
}
