use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::request::Parts;
use tower_ws_auth_core::revocation::DisconnectReason;
use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::frame::{Close, CloseCode};
use crate::protocol::cause::is_timeout;
use crate::protocol::message::Values;
use crate::protocol::script::{Compiled, Ready};
use crate::protocol::{Cause, ClientProtocolBuilder, Mark, Polling};

/// How clients are told that they are refused or ended: in the language of their library.
///
/// One value, given to [`CloseFrameLayer::client_protocol`] and to [`LeaseLayer::client_protocol`].
/// It is cheap to clone. The [module](crate::protocol) has the table of clients.
///
/// ```
/// use tower_ws_auth_core::{DisconnectReason, Rejection, RejectionKind};
/// use tower_ws_auth_socket::close::{ClientProtocol, CloseFrameLayer};
///
/// let protocol = ClientProtocol::centrifugo();
/// let layer = CloseFrameLayer::new().client_protocol(protocol.clone());
/// # let _ = layer;
///
/// // Come back with a new token ...
/// let expired = Rejection::new(RejectionKind::TokenExpired, "`exp` has passed");
/// assert_eq!(protocol.rejection(&expired).code().get(), 3014);
/// // ... and do not come back at all.
/// let forbidden = Rejection::new(RejectionKind::Forbidden, "not an editor");
/// assert_eq!(protocol.rejection(&forbidden).code().get(), 3507);
/// assert_eq!(protocol.disconnect(&DisconnectReason::Revoked).code().get(), 3503);
///
/// // The default is 4000 + the HTTP status.
/// assert_eq!(ClientProtocol::plain().rejection(&forbidden).code().get(), 4403);
/// ```
///
/// [`CloseFrameLayer::client_protocol`]: crate::close::CloseFrameLayer::client_protocol
/// [`LeaseLayer::client_protocol`]: crate::lease::LeaseLayer::client_protocol
#[derive(Clone, Default)]
pub struct ClientProtocol(pub(crate) Option<Arc<Kind>>);

pub(crate) enum Kind {
    One(Language),
    Detect(Vec<ClientProtocol>),
}

/// What one library understands.
pub(crate) struct Language {
    pub(crate) name: &'static str,
    /// By [`Cause::index`].
    pub(crate) told: Vec<Told>,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) reject_delay: Option<Duration>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) without_origin: bool,
    /// Of a protocol that has an HTTP transport too.
    pub(crate) polling: Option<Polling>,
}

/// What is told for one cause.
pub(crate) struct Told {
    /// `None`: that of the plain protocol.
    pub(crate) code: Option<CloseCode>,
    /// `None`: the HTTP answer stays.
    pub(crate) script: Option<Compiled>,
}

impl ClientProtocol {
    /// For a browser's own `WebSocket` and what is close to it: code 4000 + the HTTP status, and
    /// the public reason. The default.
    pub const fn plain() -> Self {
        Self(None)
    }

    /// A protocol of an application's own clients. `name` is for telemetry.
    ///
    /// ```
    /// use tower_ws_auth_socket::protocol::{ClientProtocol, Message, NextStep, Script};
    ///
    /// let acme = ClientProtocol::builder("acme")
    ///     .refusals(|_| Script::new().send(Message::text(r#"{"bye":"${reason}"}"#)).into())
    ///     .endings(|_| vec![Message::text(r#"{"bye":"${reason}"}"#)])
    ///     .close_codes(|cause| (cause.next_step() == NextStep::Stop).then_some(1000))
    ///     .build()?;
    /// # let _ = acme;
    /// // A bad code is an error of the configuration, not of a request.
    /// assert!(ClientProtocol::builder("acme").close_codes(|_| Some(1006)).build().is_err());
    /// # Ok::<(), tower_ws_auth_socket::protocol::ClientProtocolError>(())
    /// ```
    pub fn builder(name: &'static str) -> ClientProtocolBuilder {
        ClientProtocolBuilder::new(name)
    }

    /// The first of these protocols whose [mark](Mark) a handshake has; without one the first that
    /// has no marks, else [`plain`](Self::plain).
    ///
    /// Detection changes wording alone: who is refused is decided before.
    pub fn any_of(protocols: impl IntoIterator<Item = Self>) -> Self {
        Self(Some(Arc::new(Kind::Detect(
            protocols.into_iter().collect(),
        ))))
    }

    /// The close frame for a rejection. A [detecting](Self::detect) protocol has seen no
    /// handshake here, and answers as without a mark.
    pub fn rejection(&self, rejection: &Rejection) -> Close {
        self.classified(rejection, rejection.status())
    }

    /// The close frame for the disconnect reason of an open connection; see
    /// [`rejection`](Self::rejection).
    pub fn disconnect(&self, reason: &DisconnectReason) -> Close {
        // Each of them is one that may be sent; a test holds that.
        let plain = || CloseCode::new(reason.code()).unwrap_or(CloseCode::POLICY);
        let code = match (reason, self.unmarked()) {
            // An application's code was judged when the disconnect reason was made.
            (DisconnectReason::Application(_), _) | (_, None) => plain(),
            (_, Some(language)) => language
                .told(Cause::of_reason(reason))
                .and_then(|told| told.code)
                .unwrap_or_else(plain),
        };
        Close::new(code, reason.reason().to_owned())
    }

    /// The close frame for a response with this status that was classified as this rejection.
    pub(crate) fn classified(&self, rejection: &Rejection, status: StatusCode) -> Close {
        let plain = || {
            CloseCode::from_status(if is_timeout(rejection, status) {
                status
            } else {
                rejection.status()
            })
        };
        let code = match self.unmarked() {
            None => plain(),
            Some(language) => language
                .told(Cause::of_response(rejection, status))
                .and_then(|told| told.code)
                .unwrap_or_else(plain),
        };
        Close::new(code, rejection.reason())
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.0.is_none()
    }

    /// The protocol of the client that sent this head.
    pub(crate) fn of(&self, head: &Parts) -> &Self {
        const PLAIN: &ClientProtocol = &ClientProtocol::plain();
        let Some(Kind::Detect(among)) = self.0.as_deref() else {
            return self;
        };
        among
            .iter()
            .map(|one| one.of(head))
            .find(|one| one.is_marked(head))
            .or_else(|| among.iter().find(|one| one.has_no_marks()))
            .unwrap_or(PLAIN)
    }

    /// Whether a client with this head is told although it sent no `Origin`.
    pub(crate) fn speaks_to(&self, head: &Parts) -> bool {
        if self.is_plain() {
            return false;
        }
        let one = self.of(head);
        one.is_marked(head) || one.language().is_some_and(|one| one.without_origin)
    }

    /// The pairs in this head's query that are marks: nothing that the configuration does not hold.
    pub(crate) fn marks_in(&self, head: &Parts) -> String {
        let mut pairs = String::new();
        if let Some(language) = self.of(head).language() {
            for mark in language.marks.iter().filter(|mark| mark.is_on(head)) {
                if let Some(pair) = mark.pair() {
                    pairs.push(if pairs.is_empty() { '?' } else { '&' });
                    pairs.push_str(pair);
                }
            }
        }
        pairs
    }

    /// The one language that is spoken, once the client is known; `None` for plain.
    pub(crate) fn language(&self) -> Option<&Language> {
        match self.0.as_deref()? {
            Kind::One(language) => Some(language),
            Kind::Detect(_) => None,
        }
    }

    /// The language that is spoken to a client that nothing is known about.
    fn unmarked(&self) -> Option<&Language> {
        match self.0.as_deref()? {
            Kind::One(language) => Some(language),
            Kind::Detect(among) => {
                let one = among.iter().find(|one| one.has_no_marks())?;
                one.unmarked()
            }
        }
    }

    fn is_marked(&self, head: &Parts) -> bool {
        self.language()
            .is_some_and(|language| language.marks.iter().any(|mark| mark.is_on(head)))
    }

    fn has_no_marks(&self) -> bool {
        match self.0.as_deref() {
            None => true,
            Some(Kind::One(language)) => language.marks.is_empty(),
            Some(Kind::Detect(_)) => false,
        }
    }

    /// The name, for telemetry.
    #[cfg_attr(not(any(feature = "tracing", feature = "metrics")), expect(dead_code))]
    pub(crate) fn name(&self) -> &'static str {
        match self.0.as_deref() {
            None => "plain",
            Some(Kind::One(language)) => language.name,
            Some(Kind::Detect(_)) => "detect",
        }
    }
}

impl Language {
    pub(crate) fn told(&self, cause: Cause) -> Option<&Told> {
        self.told.get(cause.index())
    }

    /// The frames before the close frame, of a script that does not listen.
    pub(crate) fn messages(&self, cause: Cause, values: impl FnOnce() -> Values) -> Vec<u8> {
        let mut frames = Vec::new();
        let script = self.told(cause).and_then(|told| told.script.as_ref());
        let steps = script.map(|script| &script.steps[..]).unwrap_or_default();
        if !steps.is_empty() {
            let values = values();
            for step in steps {
                if let Ready::Send(message) = step {
                    message.write(&values, &mut frames);
                }
            }
        }
        frames
    }
}

impl fmt::Debug for ClientProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_deref() {
            None => f.write_str("plain"),
            Some(Kind::One(language)) => f.write_str(language.name),
            Some(Kind::Detect(among)) => f.debug_tuple("detect").field(among).finish(),
        }
    }
}

/// Never: a foreign page must not learn why.
pub(crate) fn is_foreign(rejection: &Rejection) -> bool {
    rejection.kind() == RejectionKind::OriginDenied
}
