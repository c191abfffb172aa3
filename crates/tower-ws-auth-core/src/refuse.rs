use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};

use crate::{Rejection, RejectionKind, ResponseBody};

impl Rejection {
    /// The plain HTTP refusal of the request with this head: status, public token as text, the
    /// headers that belong to it, and the rejection with the head in the extensions.
    ///
    /// For authors of layers that refuse; [`AuthLayer`](crate::AuthLayer) does it by itself.
    pub fn into_response<B>(self, head: Parts) -> Response<ResponseBody<B>> {
        self.into_response_to(head, false)
    }

    pub(crate) fn into_response_to<B>(
        self,
        head: Parts,
        is_handshake: bool,
    ) -> Response<ResponseBody<B>> {
        let mut response = Response::new(ResponseBody::text(self.token()));
        *response.status_mut() = self.status();
        *response.headers_mut() = self.headers(&head);
        response
            .extensions_mut()
            .insert(self.with_head(head, is_handshake));
        response
    }

    fn headers(&self, head: &Parts) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(6);
        let mut set = |name: HeaderName, value: HeaderValue| headers.insert(name, value);
        set(
            CONTENT_TYPE,
            const { HeaderValue::from_static("text/plain; charset=utf-8") },
        );
        set(
            CACHE_CONTROL,
            const { HeaderValue::from_static("no-store") },
        );
        if let Some(challenge) = self.kind().challenge() {
            set(WWW_AUTHENTICATE, challenge);
        }
        let status = self.status();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            set(
                ALLOW,
                if head.version == Version::HTTP_2 {
                    const { HeaderValue::from_static("CONNECT") }
                } else {
                    const { HeaderValue::from_static("GET") }
                },
            );
        }
        if status == StatusCode::UPGRADE_REQUIRED {
            set(
                SEC_WEBSOCKET_VERSION,
                const { HeaderValue::from_static("13") },
            );
        }
        if head.version < Version::HTTP_2 {
            // RFC 9110 §15.5.22: a 426 names the protocol to upgrade to.
            if status == StatusCode::UPGRADE_REQUIRED {
                set(UPGRADE, const { HeaderValue::from_static("websocket") });
                set(
                    CONNECTION,
                    const { HeaderValue::from_static("upgrade, close") },
                );
            } else if closes(head) || matches!(self.kind(), RejectionKind::HandshakeInvalid(_)) {
                set(CONNECTION, const { HeaderValue::from_static("close") });
            }
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        headers
    }
}

/// Whether a connection is done for unless this request is answered by 101: what a client sent
/// behind a refused upgrade is not another request (RFC 9110 §7.8).
pub(crate) fn closes(head: &Parts) -> bool {
    head.version < Version::HTTP_2 && head.headers.contains_key(UPGRADE)
}
