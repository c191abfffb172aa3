use std::sync::Arc;

use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
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
        // Farewell rules: never a 101 unless the handshake holds, whatever the predicate says.
        let (mut head, handshake) = rejection.take_handshake()?;
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
        remove_refusal(headers);
        self.answer(headers);
        self.start_farewell();
        response.map(|_| ResponseBody::text(""))
    }

    fn answer(&self, headers: &mut HeaderMap) {
        if let Some(accept) = &self.accept {
            headers.insert(CONNECTION, const { HeaderValue::from_static("upgrade") });
            headers.insert(UPGRADE, const { HeaderValue::from_static("websocket") });
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
        let message = config
            .first_message
            .as_ref()
            .and_then(|message| message(&rejection, &close));
        let words = match message {
            None => close.to_bytes(),
            Some(message) => {
                let mut words = Vec::new();
                write_text(&message, &mut words);
                close.write_to(&mut words);
                words
            }
        };
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

/// Removes what belonged to the refusal: by what is there, as a rule two or three fields, and not
/// by all that there could be.
fn remove_refusal(headers: &mut HeaderMap) {
    let of_the_refusal = |name: &&HeaderName| is_of_the_refusal(name);
    while let Some(name) = headers.keys().find(of_the_refusal).cloned() {
        headers.remove(name);
    }
}

/// Whether this field belongs to the refusal, or to its body, and must not stand in an upgrade.
fn is_of_the_refusal(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "allow"
            | "content-disposition"
            | "content-encoding"
            | "content-language"
            | "content-length"
            | "content-location"
            | "content-range"
            | "content-type"
            | "etag"
            | "retry-after"
            | "sec-websocket-accept"
            | "sec-websocket-extensions"
            | "sec-websocket-protocol"
            | "sec-websocket-version"
            | "trailer"
            | "transfer-encoding"
            | "www-authenticate"
    )
}

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
