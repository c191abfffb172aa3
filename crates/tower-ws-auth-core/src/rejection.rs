//! Rejections: the reason of a refusal, its kind, and the HTTP response that it becomes.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http::request::Parts;

use crate::handshake::Handshake;

mod body;
mod kind;
pub(crate) mod response;

pub use self::body::ResponseBody;
pub use self::kind::{Advice, RejectionKind};

/// Why a request was refused.
///
/// The client may read [`reason`](Self::reason) and [`status`](Self::status), both from a fixed
/// set. Only the log may read [`detail`](Self::detail) and [`source`](Error::source). The rejection
/// is in the response's extensions, even if the application builds the response:
///
/// ```
/// # use tower_ws_auth_core::{Rejection, RejectionKind};
/// # fn log<B>(response: &http::Response<B>) {
/// if let Some(rejection) = response.extensions().get::<Rejection>() {
///     eprintln!("refused: {rejection}");
/// }
/// # }
/// # let rejection = Rejection::new(RejectionKind::TokenExpired, "`exp` has passed");
/// # assert_eq!(rejection.to_string(), "token_expired: `exp` has passed");
/// ```
#[derive(Clone)]
pub struct Rejection {
    kind: RejectionKind,
    detail: &'static str,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
    ambient: bool,
    spent: bool,
    strategy: Option<&'static str>,
    carrier: Option<&'static str>,
    head: Option<Arc<Mutex<Option<Refused>>>>,
}

/// The head of the refused request, with its handshake if that is known.
struct Refused {
    head: Parts,
    handshake: Option<Handshake>,
}

impl Rejection {
    /// A rejection of this kind. `detail` tells the operator the cause and never reaches the
    /// client.
    pub fn new(kind: RejectionKind, detail: &'static str) -> Self {
        Self {
            kind,
            detail,
            retry_after: None,
            source: None,
            ambient: false,
            spent: false,
            strategy: None,
            carrier: None,
            head: None,
        }
    }

    /// Adds the error behind the rejection, for the log. It must not print a credential.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Sets the earliest moment to come back, for the client (`Retry-After`, whole seconds rounded
    /// up).
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// Marks the refused credential as ambient: the browser sent it by itself, as it does with a
    /// cookie. Another strategy's explicit credential then decides before it.
    #[must_use]
    pub fn about_ambient(mut self) -> Self {
        self.ambient = true;
        self
    }

    /// States that the credential is used up, or may be. The client needs another one in any case.
    #[must_use]
    pub fn with_spent_credential(mut self) -> Self {
        self.spent = true;
        self
    }

    pub(crate) fn is_about_ambient(&self) -> bool {
        self.ambient
    }

    /// Sets the deciding strategy, unless it is known.
    pub(crate) fn decided_by(mut self, strategy: &'static str) -> Self {
        self.strategy.get_or_insert(strategy);
        self
    }

    /// Sets the carrier of the refused credential, unless it is known.
    pub(crate) fn found_in(mut self, carrier: &'static str) -> Self {
        self.carrier.get_or_insert(carrier);
        self
    }

    /// The name of the strategy that decided, once an [`AuthLayer`](crate::AuthLayer) has answered.
    /// It is `any_of` if none of several strategies decided.
    pub fn strategy(&self) -> Option<&'static str> {
        self.strategy
    }

    /// The carrier of the refused credential, if it is known: `query`, `header`, `subprotocol`,
    /// `message` or `cookie`.
    pub fn carrier(&self) -> Option<&'static str> {
        self.carrier
    }

    /// The kind, to match on.
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The public reason, such as `token_expired`.
    pub fn reason(&self) -> &'static str {
        self.kind.reason()
    }

    /// Advice for the client: that of the kind, but never to come back with a credential that [is
    /// used up](Self::with_spent_credential).
    pub fn advice(&self) -> Advice {
        match self.kind.advice() {
            Advice::Wait | Advice::BackOff if self.spent => Advice::RefreshLater,
            advice => advice,
        }
    }

    /// The cause, for the log only.
    pub fn detail(&self) -> &'static str {
        self.detail
    }

    /// The seconds until the client may come back, if they are known.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after.map(|pause| {
            pause
                .as_secs()
                .saturating_add(u64::from(pause.subsec_nanos() > 0))
        })
    }

    /// Takes the head of the refused request, once. Its credentials are removed. Its extensions
    /// hold the only handle on the client's connection.
    ///
    /// For a layer that answers the handshake after all, in order to close it with a reason. `None`
    /// if the head was taken before, or if the rejection never passed a layer.
    #[doc(hidden)]
    pub fn take_head(&self) -> Option<Parts> {
        self.take_refused().map(|refused| refused.head)
    }

    /// Takes the head like [`take_head`](Self::take_head), and passes it to `answer` with its
    /// handshake. The handshake is checked here, unless the refusing layer has done so. Also
    /// returns `None` for an invalid handshake; the head is lost then.
    #[inline]
    pub fn take_handshake<T>(&self, answer: impl FnOnce(&mut Parts, &Handshake) -> T) -> Option<T> {
        let Refused { head, handshake } = &mut self.take_refused()?;
        if handshake.is_none() {
            *handshake = Handshake::check(head).ok();
        }
        handshake.as_ref().map(|handshake| answer(head, handshake))
    }

    /// Shows the head of the refused request, unless it was taken.
    #[doc(hidden)]
    pub fn look_at_head<T>(&self, look: impl FnOnce(&Parts) -> T) -> Option<T> {
        let refused = self.head.as_ref()?.lock();
        let refused = refused.unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().map(|refused| look(&refused.head))
    }

    #[inline]
    fn take_refused(&self) -> Option<Refused> {
        self.head
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    #[inline]
    pub(crate) fn with_head(mut self, head: Parts, handshake: Option<Handshake>) -> Self {
        let refused = Refused { head, handshake };
        self.head = Some(Arc::new(Mutex::new(Some(refused))));
        self
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason(), self.detail)
    }
}

impl fmt::Debug for Rejection {
    // The head stays out, because a log must not show the rest of the request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("kind", &self.kind)
            .field("detail", &self.detail)
            .field("retry_after", &self.retry_after)
            .field("source", &self.source)
            .field("spent", &self.spent)
            .finish_non_exhaustive()
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
