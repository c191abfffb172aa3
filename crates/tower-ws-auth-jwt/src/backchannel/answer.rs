//! What a provider reads.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Empty;
use tower_ws_auth_core::{Rejection, RejectionKind, ResponseBody};

use crate::keys::NO_KEY;
use crate::trace;

pub(super) type Answer = Response<ResponseBody<Empty<Bytes>>>;

/// RFC 8935 §2.2 to §2.4.
pub(super) fn respond_to_event(result: Result<(), Rejection>) -> Answer {
    trace::logged_out(result.as_ref().err());
    let Err(rejection) = result else {
        return answer(StatusCode::ACCEPTED, "");
    };
    if rejection.kind() == RejectionKind::Unavailable {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "");
    }
    let text = match rejection.detail() {
        detail if detail.starts_with("`iss` is") => {
            r#"{"err":"invalid_issuer","description":"the issuer is not known here"}"#
        }
        detail if detail.starts_with("`aud` is") => {
            r#"{"err":"invalid_audience","description":"the audience is another application"}"#
        }
        detail if detail == NO_KEY || detail.contains("the signature is not good") => {
            r#"{"err":"invalid_key","description":"no key of the issuer has signed this"}"#
        }
        _ => r#"{"err":"invalid_request","description":"this is no valid security event"}"#,
    };
    let mut response = answer(StatusCode::BAD_REQUEST, text);
    let language = HeaderValue::from_static("en");
    response.headers_mut().insert(CONTENT_LANGUAGE, language);
    response
}

/// OpenID Connect Back-Channel Logout 1.0 §2.8.
pub(super) fn respond(result: Result<(), Rejection>) -> Answer {
    trace::logged_out(result.as_ref().err());
    match result {
        Ok(()) => answer(StatusCode::OK, ""),
        // The only status for a failure (§2.8), with an error of RFC 6749.
        Err(rejection) => answer(
            StatusCode::BAD_REQUEST,
            match rejection.kind() {
                RejectionKind::Unavailable => r#"{"error":"temporarily_unavailable"}"#,
                _ => r#"{"error":"invalid_request"}"#,
            },
        ),
    }
}

fn answer(status: StatusCode, text: &'static str) -> Answer {
    let mut response = Response::new(ResponseBody::text(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !text.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}
