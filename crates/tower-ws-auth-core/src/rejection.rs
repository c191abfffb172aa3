//! Why a request is refused: the rejection, its kind, and the HTTP response that it becomes.

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
/// What the client may read is [`token`](Self::reason) and [`status`](Self::status), both from a
/// fixed set. What only the log may read is [`detail`](Self::detail) and
/// [`source`](Error::source). Whoever builds the response, the rejection is found in its
/// extensions:
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

/// The head of the refused request, and the handshake that it is known to be.
struct Refused {
    head: Parts,
    handshake: Option<Handshake>,
}

impl Rejection {
    /// A rejection of this kind; `detail` tells the operator what was wrong and never reaches
    /// the client.
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

    /// Tells the client when to come back at the earliest (`Retry-After`, whole seconds rounded
    /// up).
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// Says that what was refused is a credential that the browser sent by itself, such as a
    /// cookie. Another strategy's explicit credential then decides before it.
    #[must_use]
    pub fn about_ambient(mut self) -> Self {
        self.ambient = true;
        self
    }

    /// Says that the credential is used up, or may be: the client needs another one in any case.
    #[must_use]
    pub fn with_spent_credential(mut self) -> Self {
        self.spent = true;
        self
    }

    pub(crate) fn is_about_ambient(&self) -> bool {
        self.ambient
    }

    /// Says which strategy decided, unless that is known.
    pub(crate) fn decided_by(mut self, strategy: &'static str) -> Self {
        self.strategy.get_or_insert(strategy);
        self
    }

    /// Says where the refused credential travelled, unless that is known.
    pub(crate) fn found_in(mut self, carrier: &'static str) -> Self {
        self.carrier.get_or_insert(carrier);
        self
    }

    /// The name of the strategy that decided, once an [`AuthLayer`](crate::AuthLayer) has
    /// answered; `any_of` if none of several did.
    pub fn strategy(&self) -> Option<&'static str> {
        self.strategy
    }

    /// Where the refused credential travelled, as far as that is known: `query`, `header`,
    /// `subprotocol`, `message` or `cookie`.
    pub fn carrier(&self) -> Option<&'static str> {
        self.carrier
    }

    /// The kind, to match on.
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The HTTP status that says it.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The public reason that says it, such as `token_expired`.
    pub fn reason(&self) -> &'static str {
        self.kind.reason()
    }

    /// What a client should do now: as the kind says, but never to come back with a credential
    /// that [is used up](Self::with_spent_credential).
    pub fn advice(&self) -> Advice {
        match self.kind.advice() {
            Advice::Wait | Advice::BackOff if self.spent => Advice::RefreshLater,
            advice => advice,
        }
    }

    /// What was wrong, for the log only.
    pub fn detail(&self) -> &'static str {
        self.detail
    }

    /// When the client may come back, in whole seconds, if that is known.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after.map(|pause| {
            pause
                .as_secs()
                .saturating_add(u64::from(pause.subsec_nanos() > 0))
        })
    }

    /// Takes the head of the refused request, once: its credentials are removed, its extensions
    /// hold the only handle on the client's connection.
    ///
    /// This is what a layer needs that answers the handshake after all, in order to close it
    /// with a reason. `None` if another one took it already, or the rejection never passed a
    /// layer.
    pub fn take_head(&self) -> Option<Parts> {
        self.take_refused().map(|refused| refused.head)
    }

    /// Takes the head like [`take_head`](Self::take_head), and shows it to `answer` with the
    /// handshake that it is: checked here, unless the layer that refused has done so. `None` also
    /// where it is none; the head is lost then.
    #[inline]
    pub fn take_handshake<T>(&self, answer: impl FnOnce(&mut Parts, &Handshake) -> T) -> Option<T> {
        let Refused { head, handshake } = &mut self.take_refused()?;
        if handshake.is_none() {
            *handshake = Handshake::check(head).ok();
        }
        handshake.as_ref().map(|handshake| answer(head, handshake))
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
    // The head stays out: what is left of the request is nobody's business in a log.
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
