use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::frame::Close;
use crate::upgrade::Limits;
use http::header::ORIGIN;
use http::request::Parts;
use http::{StatusCode, response};
use tokio::sync::Semaphore;
use tower_ws_auth_core::{Rejection, RejectionKind};

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
    pub(crate) reject_delay: Duration,
    pub(crate) limits: Limits,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) max_closing_handshakes: u32,
    pub(crate) spawner: Option<Arc<dyn Fn(ClosingHandshake) + Send + Sync>>,
}

/// What the close frame says.
#[derive(Clone)]
pub(crate) enum Closing {
    ClientProtocol(ClientProtocol),
    Own(Arc<dyn Fn(&Rejection) -> Close + Send + Sync>),
}

type When = dyn Fn(&Rejection, &Parts) -> bool + Send + Sync;
type Classifier = dyn Fn(&response::Parts, &Parts) -> Option<Rejection> + Send + Sync;
type FirstMessage = dyn Fn(&Rejection, &Close) -> Option<String> + Send + Sync;

const MAX_FAREWELLS: u32 = 1024;

impl Default for Config {
    fn default() -> Self {
        Self {
            when: None,
            close: Closing::ClientProtocol(ClientProtocol::Http),
            classifier: None,
            first_message: None,
            subprotocols: Arc::new([]),
            reject_delay: Duration::from_millis(300),
            limits: Limits::default(),
            permits: Arc::new(Semaphore::new(MAX_FAREWELLS as usize)),
            max_closing_handshakes: MAX_FAREWELLS,
            spawner: None,
        }
    }
}

impl Config {
    /// Whether this rejection of a request with this head is one to convert.
    pub(crate) fn converts(&self, rejection: &Rejection, head: &Parts) -> bool {
        match &self.when {
            Some(when) => when(rejection, head),
            None => is_from_a_browser(rejection, head),
        }
    }

    /// Whether some rejection of a request with this head may be one to convert.
    pub(crate) fn may_convert(&self, head: &Parts) -> bool {
        self.when.is_some() || head.headers.contains_key(ORIGIN)
    }

    /// The close frame for a rejection that answered with this status.
    pub(crate) fn close(&self, rejection: &Rejection, status: StatusCode) -> Close {
        match &self.close {
            Closing::ClientProtocol(palette) => palette.classified(rejection, status),
            Closing::Own(close) => close(rejection),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("reject_delay", &self.reject_delay)
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
    head.headers.contains_key(ORIGIN) && rejection.kind() != RejectionKind::OriginDenied
}

/// The default close frame: code 4000 + the HTTP status, and the public reason as reason;
/// [`ClientProtocol::Http`].
pub fn status_and_reason(rejection: &Rejection) -> Close {
    ClientProtocol::Http.rejection(rejection)
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

/// One closing handshake, to be driven to its end by whoever spawns it. Dropping it drops the client.
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
