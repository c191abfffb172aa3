//! The one place that knows whether tracing is compiled in.

use http::StatusCode;
use tower_ws_auth_core::Rejection;

/// A request for a ticket is refused by the application or by the store.
pub(crate) fn refused(rejection: &Rejection) {
    let source = std::error::Error::source(rejection);
    let (kind, detail) = (rejection.reason(), rejection.detail());
    log(kind, rejection.status(), Some(detail), source);
}

/// A request for a ticket is refused by itself, such as one by another method.
pub(crate) fn malformed(kind: &'static str, status: StatusCode) {
    log(kind, status, None, None);
}

#[cfg(feature = "tracing")]
fn log(
    kind: &'static str,
    status: StatusCode,
    detail: Option<&'static str>,
    source: Option<&(dyn std::error::Error + 'static)>,
) {
    let status = status.as_u16();
    // An outage concerns the operator, a refusal the client.
    if status >= 500 {
        tracing::warn!(
            target: "tower_ws_auth",
            strategy = "ticket",
            outcome = "refused",
            kind,
            status,
            detail,
            source,
            "ticket refused"
        );
    } else {
        tracing::info!(
            target: "tower_ws_auth",
            strategy = "ticket",
            outcome = "refused",
            kind,
            status,
            detail,
            source,
            "ticket refused"
        );
    }
}

#[cfg(not(feature = "tracing"))]
fn log(
    _: &'static str,
    _: StatusCode,
    _: Option<&'static str>,
    _: Option<&(dyn std::error::Error + 'static)>,
) {
}
