mod address;
mod binding;
mod builder;
mod document;
mod error;
mod fetch;
mod flight;
mod refresh;
#[cfg(feature = "jwks-reqwest")]
mod reqwest;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tower_ws_auth_core::Rejection;

use self::flight::Shared;
use crate::compact::Compact;
use crate::header::Header;
use crate::source::Failure;
use crate::{KeySource, Keys, RotatingKeys, invalid};

pub use self::builder::JwksBuilder;
pub(crate) use self::document::Skipped;
pub use self::error::JwksError;
pub use self::fetch::{Document, Fetch, FetchError, FetchFuture};
pub(crate) use self::flight::{Asked, Wanted};
#[cfg(feature = "jwks-reqwest")]
pub use self::reqwest::Reqwest;

/// The public keys that an issuer publishes as a JWK Set (RFC 7517 §5), kept up to date.
///
/// A task fetches them when it is started, again every so often, and when a token names a key
/// that is not there. Who verifies a token reads a snapshot: no lock, no wait, unless its key is
/// missing. Every clone is a handle on the same keys; the last one that is dropped ends the task.
///
/// # Rules
///
/// - A missing key makes one fetch, for which all that miss one wait together, and at most one in
///   each [`cooldown`](JwksBuilder::cooldown), whatever tokens arrive. In between a token with a
///   new `kid` is refused as `unavailable` (503), since the issuer may just have published its key.
///   A `kid` that a later fetch did not bring is refused as `token_invalid`. That is remembered for
///   1,024 of them; beyond that number every unknown `kid` is invalid.
/// - A key of the set is left out, and the others stay, if it is a shared secret, private,
///   malformed, weak, not meant for signatures (`use`, `key_ops`), for an algorithm that is not
///   allowed, or has `kid` and algorithm of four before it. A key is for one algorithm: its `alg`, that of its
///   curve, or [`rsa_algorithm`](JwksBuilder::rsa_algorithm).
/// - A set that was read replaces the one before. A document that is too large, has too many keys
///   or is no set is a failed fetch, and so is a set of which no key is left, after one with keys.
/// - When fetches fail, the keys from before are good for [`max_stale`](JwksBuilder::max_stale).
/// - Without keys, or with keys that old, a token is refused as `unavailable` (503), and so is one
///   whose key is missing while nobody can say whether it exists.
/// - A set of an issuer verifies only tokens of that issuer (`iss`).
///
/// The [crate's documentation](crate#keys-that-an-issuer-publishes) has an example.
#[derive(Clone)]
pub struct Jwks {
    shared: Arc<Shared>,
    _task: Arc<Task>,
}

/// Ends the task when the last handle is gone.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Jwks {
    /// The set at this URL, `https` or `http` on the own machine.
    pub fn builder(url: impl Into<String>) -> JwksBuilder {
        JwksBuilder::at_url(url.into())
    }

    /// The set that this issuer names in its `OpenID` configuration, at
    /// `<issuer>/.well-known/openid-configuration` (`OpenID` Connect Discovery 1.0 §4).
    ///
    /// The configuration must name exactly this issuer (§4.3), and so must every token that is
    /// verified with its keys.
    pub fn discover(issuer: impl Into<String>) -> JwksBuilder {
        JwksBuilder::of_issuer(issuer.into())
    }

    /// Adds keys of one's own, such as the secret of the application's own tokens. What they can
    /// decide they decide: a `kid` that one of them has is theirs.
    pub fn with_local_keys(self, own: impl Into<Keys>) -> KeySource {
        KeySource::from(own.into()).and(self)
    }

    /// Like [`with_local_keys`](Self::with_local_keys), with keys that rotate as well.
    pub fn beside_rotating(self, own: RotatingKeys) -> KeySource {
        KeySource::from(own).and(self)
    }

    /// The issuer whose tokens alone the keys verify.
    pub fn issuer(&self) -> Option<&str> {
        self.shared.issuer.as_deref()
    }

    /// How old the keys are: since when they are known to be the published ones. `None` before
    /// the first fetch has succeeded.
    pub fn age(&self) -> Option<Duration> {
        self.shared.age()
    }

    /// Whether there are keys that are not too old. For a readiness probe.
    pub fn is_available(&self) -> bool {
        self.shared.is_current(&self.shared.snapshot())
    }

    /// Waits until there are keys that are not too old, for ever if need be.
    pub async fn available(&self) {
        let mut landings = self.shared.landings();
        while !self.is_available() && landings.changed().await.is_ok() {}
    }

    pub(crate) fn verify(&self, header: &Header<'_>, token: Compact<'_>) -> Result<(), Failure> {
        if !self.shared.limits.allows(header.algorithm) {
            return Err(invalid("the token's `alg` is not allowed for fetched keys").into());
        }
        let snapshot = self.shared.snapshot();
        let missing = Failure::Missing(self.shared.wants(header.kid.as_deref()));
        if !self.shared.is_current(&snapshot) {
            return Err(missing);
        }
        match snapshot.keys.verify(header, token) {
            Ok(()) => Ok(()),
            // The key is known: the set need not be asked for again.
            Err(refused) if snapshot.keys.names(header.kid.as_deref()) => Err(refused.into()),
            Err(_) => Err(missing),
        }
    }

    /// Asks for the keys on behalf of a token that misses its own.
    pub(crate) fn ask(&self, wanted: Wanted) -> Asked {
        self.shared.ask(wanted)
    }

    /// Why a token is refused whose key is missing, and for which nobody will ask.
    pub(crate) fn verdict(&self) -> Rejection {
        self.shared.verdict()
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks")
            .field("issuer", &self.shared.issuer)
            .field("age", &self.age())
            .field("keys", &self.shared.snapshot().keys)
            .finish_non_exhaustive()
    }
}
