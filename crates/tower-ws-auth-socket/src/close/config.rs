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

use crate::close::Palette;

/// What the layer and its services share. The closures are boxed: they run for refusals only.
#[derive(Clone)]
pub(crate) struct Config {
    /// `None`: [`is_from_a_browser`].
    pub(crate) when: Option<Arc<When>>,
    pub(crate) close: Closing,
    pub(crate) classifier: Option<Arc<Classifier>>,
    pub(crate) first_message: Option<Arc<FirstMessage>>,
    pub(crate) subprotocols: Arc<[String]>,
    pub(crate) hold: Duration,
    pub(crate) limits: Limits,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) max_farewells: u32,
    pub(crate) spawner: Option<Arc<dyn Fn(Farewell) + Send + Sync>>,
}

/// What the close frame says.
#[derive(Clone)]
pub(crate) enum Closing {
    Palette(Palette),
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
            close: Closing::Palette(Palette::Http),
            classifier: None,
            first_message: None,
            subprotocols: Arc::new([]),
            hold: Duration::from_millis(300),
            limits: Limits::default(),
            permits: Arc::new(Semaphore::new(MAX_FAREWELLS as usize)),
            max_farewells: MAX_FAREWELLS,
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
            Closing::Palette(palette) => palette.classified(rejection, status),
            Closing::Own(close) => close(rejection),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("hold", &self.hold)
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

/// The default close frame: code 4000 + the HTTP status, and the public token as reason;
/// [`Palette::Http`].
pub fn status_and_token(rejection: &Rejection) -> Close {
    Palette::Http.rejection(rejection)
}

/// The default first message:
/// `{"type":"rejected","code":4401,"reason":"token_expired","retryable":false,"retry_after":null}`,
/// with `retry_after` in seconds where it is known.
pub fn json_message(rejection: &Rejection, close: &Close) -> String {
    // Nothing here needs escaping: the token comes from a fixed set.
    format!(
        r#"{{"type":"rejected","code":{},"reason":"{}","retryable":{},"retry_after":{}}}"#,
        close.code().get(),
        rejection.token(),
        rejection.advice().retryable(),
        rejection
            .retry_after()
            .map_or_else(|| "null".to_owned(), |seconds| seconds.to_string()),
    )
}

/// One farewell, to be driven to its end by whoever spawns it. Dropping it drops the client.
#[must_use = "a farewell does nothing unless it is spawned"]
pub struct Farewell(pub(crate) Pin<Box<dyn Future<Output = ()> + Send>>);

impl Future for Farewell {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Farewell")
    }
}
