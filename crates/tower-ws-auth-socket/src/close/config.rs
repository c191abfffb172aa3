use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::close::places::Places;
use crate::frame::Close;
use crate::protocol::{Cause, Compiled, Language, Values, is_foreign};
use crate::upgrade::Limits;
use http::header::ORIGIN;
use http::request::Parts;
use http::{StatusCode, response};
use tokio::sync::Semaphore;
use tower_ws_auth_core::Rejection;

use crate::close::ClientProtocol;

/// What the layer and its services share. The closures are boxed: they run for refusals only.
#[derive(Clone)]
pub(crate) struct Config {
    /// `None`: [`is_from_a_browser`].
    pub(crate) when: Option<Arc<When>>,
    pub(crate) close: Closing,
    pub(crate) classifier: Option<Arc<Classifier>>,
    pub(crate) first_message: Option<Arc<FirstMessage>>,
    pub(crate) subprotocols: Arc<[String]>,
    /// `None`: the protocol's, else [`REJECT_DELAY`].
    pub(crate) reject_delay: Option<Duration>,
    pub(crate) limits: Limits,
    pub(crate) permits: Arc<Semaphore>,
    /// The clients that a script listens to.
    pub(crate) places: Arc<Places>,
    pub(crate) max_closing_handshakes: u32,
    pub(crate) spawner: Option<Arc<dyn Fn(ClosingHandshake) + Send + Sync>>,
}

/// What the close frame says.
#[derive(Clone)]
pub(crate) enum Closing {
    Protocol(ClientProtocol),
    Own(Arc<dyn Fn(&Rejection) -> Close + Send + Sync>),
}

type When = dyn Fn(&Rejection, &Parts) -> bool + Send + Sync;
type Classifier = dyn Fn(&response::Parts, &Parts) -> Option<Rejection> + Send + Sync;
type FirstMessage = dyn Fn(&Rejection, &Close) -> Option<String> + Send + Sync;

const MAX_CLOSING_HANDSHAKES: u32 = 1024;
pub(crate) const REJECT_DELAY: Duration = Duration::from_millis(300);

impl Default for Config {
    fn default() -> Self {
        Self {
            when: None,
            close: Closing::Protocol(ClientProtocol::plain()),
            classifier: None,
            first_message: None,
            subprotocols: Arc::new([]),
            reject_delay: None,
            limits: Limits::default(),
            permits: Arc::new(Semaphore::new(MAX_CLOSING_HANDSHAKES as usize)),
            places: Arc::default(),
            max_closing_handshakes: MAX_CLOSING_HANDSHAKES,
            spawner: None,
        }
    }
}

impl Config {
    /// Whether this rejection of a request with this head is one to convert.
    pub(crate) fn converts(&self, rejection: &Rejection, head: &Parts) -> bool {
        match &self.when {
            Some(when) => when(rejection, head),
            None => {
                is_from_a_browser(rejection, head) || !is_foreign(rejection) && self.speaks_to(head)
            }
        }
    }

    /// Whether some rejection of a request with this head may be one to convert.
    pub(crate) fn may_convert(&self, head: &Parts) -> bool {
        self.when.is_some() || head.headers.contains_key(ORIGIN) || self.speaks_to(head)
    }

    /// Whether the protocol tells a client with this head that sent no `Origin`.
    fn speaks_to(&self, head: &Parts) -> bool {
        match &self.close {
            Closing::Protocol(protocol) => protocol.speaks_to(head),
            Closing::Own(_) => false,
        }
    }

    /// The protocol that a client with this head speaks; `None` for plain.
    pub(crate) fn protocol(&self) -> Option<&ClientProtocol> {
        match &self.close {
            Closing::Protocol(protocol) if !protocol.is_plain() => Some(protocol),
            _ => None,
        }
    }

    /// The marks of the protocol in this head's query.
    pub(crate) fn marks_in(&self, head: &Parts) -> String {
        match &self.close {
            Closing::Protocol(protocol) => protocol.marks_in(head),
            Closing::Own(_) => String::new(),
        }
    }

    /// The close frame for a rejection that answered a request with this head by this status, and
    /// the language that is spoken before it. `None` where the HTTP answer stays.
    pub(crate) fn close(
        &self,
        rejection: &Rejection,
        status: StatusCode,
        head: &Parts,
    ) -> Option<(Close, Option<Box<Spoken>>)> {
        let protocol = match &self.close {
            Closing::Protocol(protocol) => protocol,
            Closing::Own(close) => return Some((close(rejection), None)),
        };
        if protocol.is_plain() {
            return Some((protocol.classified(rejection, status), None));
        }
        let protocol = protocol.of(head);
        let cause = Cause::of_response(rejection, status);
        if let Some(language) = protocol.language() {
            language.told(cause)?.script.as_ref()?;
        }
        let close = protocol.classified(rejection, status);
        let protocol = protocol.clone();
        Some((close, Some(Box::new(Spoken { protocol, cause }))))
    }
}

/// The language of a refused client, and what it is told about.
pub(crate) struct Spoken {
    pub(crate) protocol: ClientProtocol,
    cause: Cause,
}

impl Spoken {
    pub(crate) fn language(&self) -> Option<&Language> {
        self.protocol.language()
    }

    /// The frames before the close frame.
    pub(crate) fn messages(&self, values: impl FnOnce() -> Values) -> Vec<u8> {
        match self.language() {
            Some(language) => language.messages(self.cause, values),
            None => Vec::new(),
        }
    }

    /// The script, if it listens to the client.
    pub(crate) fn script(&self) -> Option<&Compiled> {
        let told = self.language()?.told(self.cause)?;
        told.script.as_ref().filter(|script| script.listens())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("reject_delay", &self.reject_delay.unwrap_or(REJECT_DELAY))
            .field("limits", &self.limits)
            .field("permits", &self.permits.available_permits())
            .finish_non_exhaustive()
    }
}

/// The default answer to "convert this rejection?": yes for a request with an `Origin`, which
/// only browsers must send, unless it is that origin that was refused.
///
/// Other clients read the HTTP status and lose it by a conversion; a foreign page must not learn
/// why.
pub fn is_from_a_browser(rejection: &Rejection, head: &Parts) -> bool {
    head.headers.contains_key(ORIGIN) && !is_foreign(rejection)
}

/// The default first message:
/// `{"type":"rejected","code":4401,"reason":"token_expired","retryable":false,"retry_after":null}`,
/// with `retry_after` in seconds where it is known.
pub fn json_message(rejection: &Rejection, close: &Close) -> String {
    // Nothing here needs escaping: the token comes from a fixed set.
    format!(
        r#"{{"type":"rejected","code":{},"reason":"{}","retryable":{},"retry_after":{}}}"#,
        close.code().get(),
        rejection.reason(),
        rejection.advice().retryable(),
        rejection
            .retry_after()
            .map_or_else(|| "null".to_owned(), |seconds| seconds.to_string()),
    )
}

/// One closing handshake, to be driven to its end by a spawned task. Dropping it drops the client.
#[must_use = "a closing handshake does nothing unless it is spawned"]
pub struct ClosingHandshake(pub(crate) Pin<Box<dyn Future<Output = ()> + Send>>);

impl Future for ClosingHandshake {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ClosingHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClosingHandshake")
    }
}
