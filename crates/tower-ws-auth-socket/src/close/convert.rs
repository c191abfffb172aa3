use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::frame::Close;
use crate::upgrade::{Outcome, Socket, accept_key};
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, RETRY_AFTER,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRAILER, TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tower_ws_auth_core::handshake::{Handshake, subprotocols};
use tower_ws_auth_core::{Rejection, ResponseBody};

use crate::close::config::{ClosingHandshake, Config, REJECT_DELAY, Spoken};
use crate::close::error_responses::Interposed;
use crate::close::{telling, trace};

/// The HTTP status that a converted response had, in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginalStatus(pub StatusCode);

/// Everything that a refused client's upgrade and closing handshake need.
pub(crate) struct Conversion {
    pub(super) rejection: Rejection,
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
                Self::begin(
                    rejection,
                    response.status,
                    &handshake,
                    &head,
                    socket,
                    config,
                )
            });
        if let Some(conversion) = &conversion {
            // Evidence for the layers further out, whichever layer made the response.
            response.extensions.insert(conversion.rejection.clone());
        }
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
            let (rejection, status) = (rejection.clone(), rejection.status());
            Self::begin(rejection, status, handshake, head, socket, config)
        });
        conversion.flatten()
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
        // No runtime, nobody to tell them closing handshake.
        let runtime = Handle::try_current().ok()?;
        let (close, spoken) = config.close(&rejection, status, head)?;
        let Ok(permit) = Arc::clone(&config.permits).try_acquire_owned() else {
            // The next one finds room.
            config.places.free_one();
            trace::no_permit(&rejection);
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
            rejection,
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
        trace::converted(
            &self.rejection,
            original,
            &self.close,
            self.spoken.as_deref(),
        );
        *response.status_mut() = match self.accept {
            Some(_) => StatusCode::SWITCHING_PROTOCOLS,
            None => StatusCode::OK,
        };
        response.extensions_mut().insert(OriginalStatus(original));
        let headers = response.headers_mut();
        remove_refusal(headers);
        self.answer(headers);
        self.start_closing_handshake();
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

    fn start_closing_handshake(self) {
        if let Some(spoken) = &self.spoken
            && spoken.script().is_some()
        {
            return self.start_script();
        }
        let Self {
            rejection,
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
            .and_then(|message| message(&rejection, &close));
        let words = match (message, spoken) {
            (None, None) => close.to_bytes(),
            (message, spoken) => telling::words(message, spoken, &rejection, &close),
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

/// Removes what belonged to the refusal, which is as a rule all that there is.
fn remove_refusal(headers: &mut HeaderMap) {
    if headers.keys().all(is_of_the_refusal) {
        return headers.clear();
    }
    let of_the_refusal = |name: &&HeaderName| is_of_the_refusal(name);
    while let Some(name) = headers.keys().find(of_the_refusal).cloned() {
        headers.remove(name);
    }
}

/// Whether this field belongs to the refusal, to its body or to its connection, and must not stand
/// in an upgrade. Nor has that use for a word on caches: no 101 (RFC 9111 §3) and no answer to
/// CONNECT (RFC 9110 §9.3.6) is ever stored.
fn is_of_the_refusal(name: &HeaderName) -> bool {
    matches!(
        *name,
        ALLOW
            | CACHE_CONTROL
            | CONNECTION
            | CONTENT_DISPOSITION
            | CONTENT_ENCODING
            | CONTENT_LANGUAGE
            | CONTENT_LENGTH
            | CONTENT_LOCATION
            | CONTENT_RANGE
            | CONTENT_TYPE
            | ETAG
            | RETRY_AFTER
            | SEC_WEBSOCKET_ACCEPT
            | SEC_WEBSOCKET_EXTENSIONS
            | SEC_WEBSOCKET_PROTOCOL
            | SEC_WEBSOCKET_VERSION
            | TRAILER
            | TRANSFER_ENCODING
            | UPGRADE
            | WWW_AUTHENTICATE
    )
}

/// One of the subprotocols that the client offers: without it Chromium and others fail the
/// handshake and lose the reason.
fn select(head: &Parts, preferred: &[String], of_the_protocol: &[String]) -> Option<HeaderValue> {
    if !head.headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return None;
    }
    let offered = || subprotocols(&head.headers);
    let best = preferred
        .iter()
        .chain(of_the_protocol)
        .find(|best| offered().any(|offer| offer == best.as_str()));
    let selected = best
        .map(String::as_str)
        .or_else(|| offered().find(|offer| is_plain_name(offer)))?;
    HeaderValue::from_str(selected).ok()
}

/// Whether an offer that the configuration does not name reads like a subprotocol's name, and like
/// no credential: a client that is configured wrongly may offer one, and it must not travel back.
///
/// IANA's registered names are words in small letters with a version, such as `v12.stomp`. Session
/// ids, tickets and keys have capitals, many digits or no end.
fn is_plain_name(offer: &str) -> bool {
    const LONGEST: usize = 32;
    const LONGEST_WORD: usize = 16;
    const MOST_DIGITS: usize = 6;
    let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    offer.len() <= LONGEST
        && offer.starts_with(|first: char| first.is_ascii_lowercase())
        && offer
            .bytes()
            .all(|byte| small(byte) || b".-_".contains(&byte))
        && offer.bytes().filter(u8::is_ascii_digit).count() <= MOST_DIGITS
        && offer
            .split(['.', '-', '_'])
            .all(|word| word.len() <= LONGEST_WORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_of(fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        remove_refusal(&mut headers);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_of_a_refusal_is_left_and_everything_else() {
        let refusal = [
            ("content-type", "text/plain"),
            ("cache-control", "no-store"),
            ("www-authenticate", "Bearer"),
            ("www-authenticate", "Basic"),
            ("connection", "close"),
            ("retry-after", "1"),
        ];
        let of_others = [
            ("vary", "origin"),
            ("access-control-allow-origin", "*"),
            ("x-request-id", "1"),
            ("set-cookie", "a=b"),
        ];
        let names: Vec<_> = of_others.iter().map(|(name, _)| *name).collect();
        assert!(left_of(&refusal).is_empty());
        assert_eq!(left_of(&of_others), names);
        assert_eq!(
            left_of(&[&refusal[..], &of_others].concat()).len(),
            names.len()
        );
        assert_eq!(
            left_of(&[&of_others[..], &refusal].concat()).len(),
            names.len()
        );
    }

    /// A ticket, as ours are written.
    const TICKET: &str = "mJ3vP0bq5yq0C8l2iT1xw9ZrQk7uHn4sYd6fEaGgLoM";

    #[test]
    fn a_subprotocol_is_selected_only_if_it_is_offered() {
        for (offered, preferred, selected) in [
            ("a, b", &["b", "a"][..], Some("b")),
            ("a", &["b", "a"], Some("a")),
            ("x", &["b"], Some("x")),
            ("x, y", &[], Some("x")),
            ("", &["b"], None),
            // What may be a credential never travels back.
            ("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", &["b"], None),
            ("eyJhbGciOiJIUzI1NiJ9.e30.c2ln, x", &[], Some("x")),
            (TICKET, &[], None),
            // Unless the service calls it a subprotocol.
            (TICKET, &[TICKET], Some(TICKET)),
        ] {
            let mut head = http::Request::new(()).into_parts().0;
            let offered = HeaderValue::from_static(offered);
            head.headers.insert(SEC_WEBSOCKET_PROTOCOL, offered);
            let preferred: Vec<_> = preferred.iter().map(ToString::to_string).collect();
            let found = select(&head, &preferred, &[]);
            assert_eq!(
                found.as_ref().map(HeaderValue::as_bytes),
                selected.map(str::as_bytes)
            );
        }
    }

    #[test]
    fn registered_subprotocols_read_like_names() {
        for name in [
            "chat.v1",
            "phoenix",
            "graphql-transport-ws",
            "graphql-ws",
            "actioncable-v1-json",
            "v12.stomp",
            "mqtt",
            "ocpp2.0.1",
            "wamp.2.json",
            "v5.channel.k8s.io",
            "soap",
            "binary",
        ] {
            assert!(is_plain_name(name), "{name}");
        }
    }

    #[test]
    fn credentials_do_not_read_like_names() {
        for credential in [
            TICKET,
            "V1StGXR8_Z5jdHi6B-myTA",
            "9b2d6c1f5e0a47388d1c2b3a4f5e6d7c",
            "c3a1f0d2b4e59687",
            "s.hqbzwkdmcnyrtvxgplf",
            "9b2d6c1f-5e0a-4738-8d1c-2b3a4f5e6d7c",
            "sk_live_4eC39HqLyjWDarjtT1",
            "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
            "",
            "-",
            "4711",
        ] {
            assert!(!is_plain_name(credential), "{credential}");
        }
    }
}
