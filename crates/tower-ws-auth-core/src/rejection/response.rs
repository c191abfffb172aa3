use std::sync::LazyLock;

use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};

use crate::handshake::Handshake;
use crate::{Rejection, RejectionKind, ResponseBody};

impl Rejection {
    /// The plain HTTP refusal of the request with this head: status, public reason as text, the
    /// headers that belong to it, and the rejection with the head in the extensions.
    ///
    /// For authors of layers that refuse; [`AuthLayer`](crate::AuthLayer) does it by itself.
    pub fn into_response<B>(self, head: Parts) -> Response<ResponseBody<B>> {
        self.respond(head, None).map(ResponseBody::text)
    }

    /// The same of a head that may be known to be a handshake, with the body's text.
    pub(crate) fn respond(
        self,
        head: Parts,
        handshake: Option<Handshake>,
    ) -> Response<&'static str> {
        let mut response = Response::new(self.reason());
        *response.status_mut() = self.status();
        *response.headers_mut() = self.headers(&head, handshake.is_some());
        response
            .extensions_mut()
            .insert(self.with_head(head, handshake));
        response
    }

    fn headers(&self, head: &Parts, is_handshake: bool) -> HeaderMap {
        let kind = self.kind();
        // A handshake of HTTP/1 is an upgrade, as all know who have checked it.
        let closes = head.version < Version::HTTP_2 && (is_handshake || closes(head));
        let ready = READY.iter().find(|ready| ready.kind == kind);
        let mut headers = match ready {
            Some(ready) if closes => ready.closing.clone(),
            Some(ready) => ready.staying.clone(),
            None => fields(kind, closes),
        };
        if matches!(kind, RejectionKind::HandshakeInvalid(_)) {
            add_handshake_fields(&mut headers, self.status(), head.version);
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        headers
    }
}

/// The fields of the refusals that are always the same: a copy costs less than half of the making.
struct Ready {
    kind: RejectionKind,
    closing: HeaderMap,
    staying: HeaderMap,
}

static READY: LazyLock<Vec<Ready>> = LazyLock::new(|| {
    // The likely ones first.
    let kinds = [
        RejectionKind::TokenExpired,
        RejectionKind::TokenInvalid,
        RejectionKind::CredentialsMissing,
        RejectionKind::TicketInvalid,
        RejectionKind::SessionInvalid,
        RejectionKind::Forbidden,
        RejectionKind::OriginDenied,
        RejectionKind::CredentialsMalformed,
        RejectionKind::TokenNotYetValid,
        RejectionKind::RateLimited,
        RejectionKind::Unavailable,
    ];
    let ready = kinds.into_iter().map(|kind| Ready {
        kind,
        closing: fields(kind, true),
        staying: fields(kind, false),
    });
    ready.collect()
});

/// For layers, so that it is done when a server starts, and not when it first refuses.
pub(crate) fn make_ready() {
    LazyLock::force(&READY);
}

fn fields(kind: RejectionKind, closes: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(
        CONTENT_TYPE,
        const { HeaderValue::from_static("text/plain; charset=utf-8") },
    );
    headers.insert(
        CACHE_CONTROL,
        const { HeaderValue::from_static("no-store") },
    );
    if let Some(challenge) = kind.challenge() {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if closes {
        headers.insert(CONNECTION, const { HeaderValue::from_static("close") });
    }
    headers
}

/// What belongs to the refusal of a handshake that is none.
fn add_handshake_fields(headers: &mut HeaderMap, status: StatusCode, version: Version) {
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(
            ALLOW,
            if version == Version::HTTP_2 {
                const { HeaderValue::from_static("CONNECT") }
            } else {
                const { HeaderValue::from_static("GET") }
            },
        );
    }
    if status == StatusCode::UPGRADE_REQUIRED {
        headers.insert(
            SEC_WEBSOCKET_VERSION,
            const { HeaderValue::from_static("13") },
        );
    }
    if version < Version::HTTP_2 {
        // RFC 9110 §15.5.22: a 426 names the protocol to upgrade to.
        let connection = if status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(UPGRADE, const { HeaderValue::from_static("websocket") });
            const { HeaderValue::from_static("upgrade, close") }
        } else {
            const { HeaderValue::from_static("close") }
        };
        headers.insert(CONNECTION, connection);
    }
}

/// Whether a connection is done for unless this request is answered by 101: what a client sent
/// behind a refused upgrade is not another request (RFC 9110 §7.8).
pub(crate) fn closes(head: &Parts) -> bool {
    head.version < Version::HTTP_2 && head.headers.contains_key(UPGRADE)
}
