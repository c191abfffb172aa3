use std::sync::Arc;

use http::header::{
    ALLOW, CONNECTION, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRAILER,
    TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tower_ws_auth_core::handshake::{Handshake, subprotocols};
use tower_ws_auth_core::{Rejection, ResponseBody};
use tower_ws_auth_upgrade::frame::{Close, write_text};
use tower_ws_auth_upgrade::{Socket, accept_key};

use crate::config::{Config, Farewell};
use crate::others::Interposed;
use crate::trace;

/// The HTTP status that a converted response had, in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginalStatus(pub StatusCode);

/// Everything that a refused client's upgrade and farewell need.
pub(crate) struct Conversion {
    rejection: Rejection,
    close: Close,
    /// `None` on HTTP/2 (RFC 8441 §5).
    accept: Option<HeaderValue>,
    subprotocol: Option<HeaderValue>,
    socket: Socket,
    permit: OwnedSemaphorePermit,
    runtime: Handle,
    config: Arc<Config>,
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
        let (response, body) = response.into_parts();
        let classified = config.classifier.as_ref();
        let conversion = classified
            .and_then(|classify| classify(&response, &head))
            .filter(|rejection| config.converts(rejection, &head))
            .and_then(|rejection| {
                Self::begin(
                    rejection,
                    response.status,
                    &handshake,
                    &head,
                    socket,
                    config,
                )
            });
        (Response::from_parts(response, body), conversion)
    }

    /// The client's connection is in the rejection's head, unless it is at hand.
    fn of_ours<B>(
        response: &Response<B>,
        config: &Arc<Config>,
        at_hand: Option<Socket>,
    ) -> Option<Self> {
        let rejection = response.extensions().get::<Rejection>()?.clone();
        let mut head = rejection.take_head()?;
        // Farewell rules: never a 101 unless the handshake holds, whatever the predicate says.
        let handshake = Handshake::check(&head).ok()?;
        if !config.converts(&rejection, &head) {
            return None;
        }
        let socket = at_hand.or_else(|| Socket::take(&mut head))?;
        let status = rejection.status();
        Self::begin(rejection, status, &handshake, &head, socket, config)
    }

    fn begin(
        rejection: Rejection,
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
        // No runtime, nobody to tell them farewell.
        let runtime = Handle::try_current().ok()?;
        let Ok(permit) = Arc::clone(&config.permits).try_acquire_owned() else {
            trace::no_permit(&rejection);
            return None;
        };
        Some(Self {
            close: config.close(&rejection, status),
            accept,
            subprotocol: select(head, &config.subprotocols),
            config: Arc::clone(config),
            rejection,
            socket,
            permit,
            runtime,
        })
    }

    /// Answers 101, or 200 to an extended CONNECT, and starts the farewell.
    pub(crate) fn apply<B>(self, mut response: Response<B>) -> Response<ResponseBody<B>> {
        let original = response.status();
        trace::converted(&self.rejection, original, &self.close);
        *response.status_mut() = match self.accept {
            Some(_) => StatusCode::SWITCHING_PROTOCOLS,
            None => StatusCode::OK,
        };
        let extensions = response.extensions_mut();
        extensions.insert(OriginalStatus(original));
        // Evidence for the layers further out, whoever made the response.
        extensions.get_or_insert_with(|| self.rejection.clone());
        let headers = response.headers_mut();
        for name in OF_THE_REFUSAL {
            headers.remove(name);
        }
        self.answer(headers);
        self.start_farewell();
        response.map(|_| ResponseBody::text(""))
    }

    fn answer(&self, headers: &mut HeaderMap) {
        if let Some(accept) = &self.accept {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept.clone());
        } else {
            // RFC 9113 §8.2.2: no such field on HTTP/2.
            headers.remove(CONNECTION);
            headers.remove(UPGRADE);
        }
        if let Some(subprotocol) = &self.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol.clone());
        }
    }

    fn start_farewell(self) {
        let Self {
            rejection,
            close,
            socket,
            permit,
            runtime,
            config,
            ..
        } = self;
        let mut words = Vec::new();
        let message = config
            .first_message
            .as_ref()
            .and_then(|message| message(&rejection, &close));
        if let Some(message) = message {
            write_text(&message, &mut words);
        }
        close.write_to(&mut words);
        let limits = config.limits;
        let farewell = async move {
            let outcome = socket.farewell(words, limits).await;
            trace::ended(&outcome);
            drop(permit);
        };
        match &config.spawner {
            Some(spawn) => spawn(Farewell(Box::pin(farewell))),
            None => drop(runtime.spawn(farewell)),
        }
    }
}

/// What belonged to the refusal, or to its body, and must not stand in an upgrade.
const OF_THE_REFUSAL: [HeaderName; 17] = [
    ALLOW,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_LOCATION,
    CONTENT_RANGE,
    CONTENT_TYPE,
    ETAG,
    RETRY_AFTER,
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
    TRAILER,
    TRANSFER_ENCODING,
    WWW_AUTHENTICATE,
];

/// One of the subprotocols that the client offers: without it Chromium and others fail the
/// handshake and lose the reason.
fn select(head: &Parts, preferred: &[String]) -> Option<HeaderValue> {
    let offered = || subprotocols(&head.headers);
    let best = preferred
        .iter()
        .find(|best| offered().any(|offer| offer == best.as_str()));
    let selected = best.map(String::as_str).or_else(|| offered().next())?;
    HeaderValue::from_str(selected).ok()
}
