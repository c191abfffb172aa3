mod headers;
mod subprotocol;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::frame::Close;
use crate::upgrade::{Outcome, Socket, accept_key};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tower_ws_auth_core::handshake::Handshake;
use tower_ws_auth_core::{Rejection, ResponseBody};

use self::headers::remove_refusal;
use self::subprotocol::select;
use crate::close::config::{ClosingHandshake, Config, REJECT_DELAY, Spoken};
use crate::close::error_responses::Interposed;
use crate::close::{telling, trace};

/// The HTTP status that a converted response had, in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginalStatus(pub StatusCode);

/// Everything that a refused client's upgrade and closing handshake need, beside the rejection in
/// the response's extensions.
pub(crate) struct Conversion {
    pub(super) close: Close,
    /// `None`: plain, or the application's own close frame.
    pub(super) spoken: Option<Box<Spoken>>,
    /// `None` on HTTP/2 (RFC 8441 §5).
    accept: Option<HeaderValue>,
    subprotocol: Option<HeaderValue>,
    pub(super) socket: Socket,
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) runtime: Handle,
    pub(super) config: Arc<Config>,
}

impl Conversion {
    /// `None` where the response has to stay what it is.
    pub(crate) fn of<B>(response: &Response<B>, config: &Arc<Config>) -> Option<Self> {
        Self::of_ours(response, config, None)
    }

    /// The same for a service that was given a connection that can be taken back.
    pub(crate) fn of_any<B>(
        response: Response<B>,
        config: &Arc<Config>,
        interposed: Interposed,
    ) -> (Response<B>, Option<Self>) {
        if interposed.is_accepted_by(response.status()) {
            interposed.accept();
            return (response, None);
        }
        let (socket, handshake, head) = interposed.reclaim();
        if response.extensions().get::<Rejection>().is_some() {
            let conversion = Self::of_ours(&response, config, Some(socket));
            return (response, conversion);
        }
        let (mut response, body) = response.into_parts();
        let classified = config.classifier.as_ref();
        let conversion = classified
            .and_then(|classify| classify(&response, &head))
            .filter(|rejection| config.converts(rejection, &head))
            .and_then(|rejection| {
                let conversion = Self::begin(
                    &rejection,
                    response.status,
                    &handshake,
                    &head,
                    socket,
                    config,
                )?;
                // Evidence for the layers further out, whichever layer made the response.
                response.extensions.insert(rejection);
                Some(conversion)
            });
        (Response::from_parts(response, body), conversion)
    }

    /// The client's connection is in the rejection's head, unless it is at hand.
    fn of_ours<B>(
        response: &Response<B>,
        config: &Arc<Config>,
        at_hand: Option<Socket>,
    ) -> Option<Self> {
        let rejection = response.extensions().get::<Rejection>()?;
        // Closing handshake rules: never a 101 unless the handshake holds, whatever the predicate says.
        let conversion = rejection.take_handshake(|head, handshake| {
            if !config.converts(rejection, head) {
                return None;
            }
            let socket = at_hand.or_else(|| Socket::take(head))?;
            let status = rejection.status();
            Self::begin(rejection, status, handshake, head, socket, config)
        });
        conversion.flatten()
    }

    fn begin(
        rejection: &Rejection,
        status: StatusCode,
        handshake: &Handshake,
        head: &Parts,
        socket: Socket,
        config: &Arc<Config>,
    ) -> Option<Self> {
        let accept = match handshake {
            Handshake::Http1 { key } => Some(accept_key(key)),
            Handshake::Http2 => None,
            _ => return None,
        };
        // No runtime, nobody to tell them closing handshake.
        let runtime = Handle::try_current().ok()?;
        let (close, spoken) = config.close(rejection, status, head)?;
        let Ok(permit) = Arc::clone(&config.permits).try_acquire_owned() else {
            // The next one finds room.
            config.places.free_one();
            trace::no_permit(rejection);
            return None;
        };
        let language = spoken.as_ref().and_then(|spoken| spoken.language());
        let subprotocols = language.map(|language| &language.subprotocols[..]);
        Some(Self {
            subprotocol: select(head, &config.subprotocols, subprotocols.unwrap_or_default()),
            close,
            spoken,
            accept,
            config: Arc::clone(config),
            socket,
            permit,
            runtime,
        })
    }

    /// How long the answer is held.
    pub(crate) fn reject_delay(&self) -> Duration {
        let of_the_protocol = || self.spoken.as_ref()?.language()?.reject_delay;
        self.config
            .reject_delay
            .or_else(of_the_protocol)
            .unwrap_or(REJECT_DELAY)
    }

    /// Answers 101, or 200 to an extended CONNECT, and starts the closing handshake.
    pub(crate) fn apply<B>(mut self, mut response: Response<B>) -> Response<ResponseBody<B>> {
        let original = response.status();
        if let Some(rejection) = response.extensions().get() {
            trace::converted(rejection, original, &self.close, self.spoken.as_deref());
        }
        *response.status_mut() = match self.accept {
            Some(_) => StatusCode::SWITCHING_PROTOCOLS,
            None => StatusCode::OK,
        };
        response.extensions_mut().insert(OriginalStatus(original));
        let headers = response.headers_mut();
        remove_refusal(headers);
        self.answer(headers);
        if let Some(rejection) = response.extensions().get() {
            self.start_closing_handshake(rejection);
        }
        response.map(|_| ResponseBody::text(""))
    }

    fn answer(&mut self, headers: &mut HeaderMap) {
        // RFC 9113 §8.2.2: none of these on HTTP/2.
        if let Some(accept) = self.accept.take() {
            headers.insert(CONNECTION, const { HeaderValue::from_static("upgrade") });
            headers.insert(UPGRADE, const { HeaderValue::from_static("websocket") });
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(subprotocol) = self.subprotocol.take() {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
    }

    fn start_closing_handshake(self, rejection: &Rejection) {
        if let Some(spoken) = &self.spoken
            && spoken.script().is_some()
        {
            return self.start_script(rejection);
        }
        let Self {
            close,
            spoken,
            socket,
            permit,
            runtime,
            config,
            ..
        } = self;
        let message = config
            .first_message
            .as_ref()
            .and_then(|message| message(rejection, &close));
        let words = match (message, spoken) {
            (None, None) => close.to_bytes(),
            (message, spoken) => telling::words(message, spoken, rejection, &close),
        };
        let closing_handshake = Told {
            closing_handshake: socket.closing_handshake(words, config.limits),
            _permit: permit,
        };
        match &config.spawner {
            Some(spawn) => spawn(ClosingHandshake(Box::pin(closing_handshake))),
            None => drop(runtime.spawn(closing_handshake)),
        }
    }
}

pin_project! {
    /// A closing handshake that is counted.
    struct Told<F> {
        #[pin]
        closing_handshake: F,
        _permit: OwnedSemaphorePermit,
    }
}

impl<F: Future<Output = Outcome>> Future for Told<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        trace::ended(&ready!(self.project().closing_handshake.poll(cx)));
        Poll::Ready(())
    }
}
