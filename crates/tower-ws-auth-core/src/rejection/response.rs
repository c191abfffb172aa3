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
    /// The plain HTTP refusal of the request with this head. It has the status, the public reason
    /// as text, the matching headers, and the rejection with the head in its extensions.
    ///
    /// For authors of layers that refuse; [`AuthLayer`](crate::AuthLayer) does it by itself.
    pub fn into_response<B>(self, head: Parts) -> Response<ResponseBody<B>> {
        self.respond(head, None).map(ResponseBody::text)
    }

    /// The same without a head, so that nobody can answer the handshake after all.
    #[cfg(feature = "axum")]
    fn headless(self) -> Response<&'static str> {
        let (head, ()) = http::Request::new(()).into_parts();
        let mut response = self.respond(head, None);
        response.extensions_mut().remove::<Self>();
        response
    }

    /// The same, with the body's text, for a head that may already be checked as a handshake.
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
        // A valid HTTP/1 handshake always asks for an upgrade.
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

/// For handlers and `axum::middleware::from_fn`: the status, and the public reason as text. It is
/// no evidence for a `CloseFrameLayer`, which converts it like any other response
/// (`convert_error_responses`).
#[cfg(feature = "axum")]
impl axum::response::IntoResponse for Rejection {
    fn into_response(self) -> axum::response::Response {
        crate::trace::answered(&self);
        self.headless().map(axum::body::Body::from)
    }
}

/// The fields of refusals that never vary: a copy costs less than half as much as a new map.
struct Ready {
    kind: RejectionKind,
    closing: HeaderMap,
    staying: HeaderMap,
}

static READY: LazyLock<Vec<Ready>> = LazyLock::new(|| {
    // The frequent ones first.
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

/// For layers, so that this happens when a server starts and not at the first refusal.
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

/// Adds the fields for the refusal of an invalid handshake.
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

/// Whether the connection must close unless the answer is 101. Bytes behind a refused upgrade are
/// not another request (RFC 9110 §7.8).
pub(crate) fn closes(head: &Parts) -> bool {
    head.version < Version::HTTP_2 && head.headers.contains_key(UPGRADE)
}
