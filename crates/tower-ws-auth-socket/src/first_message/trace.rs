//! The one place that knows whether tracing and metrics are compiled in.

use tower_ws_auth_core::Rejection;

use crate::upgrade::Outcome;

/// The service's events stand in the span of the handshake.
#[cfg(feature = "tracing")]
pub(super) fn in_span<F: Future>(future: F) -> impl Future<Output = F::Output> {
    tracing::Instrument::in_current_span(future)
}

#[cfg(not(feature = "tracing"))]
pub(super) fn in_span<F: Future>(future: F) -> F {
    future
}

/// This layer refuses: there was no message, or none that could be read.
pub(super) fn refused(rejection: &Rejection) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: "tower_ws_auth",
        strategy = "first_message",
        outcome = "refused",
        kind = rejection.reason(),
        status = rejection.status().as_u16(),
        detail = rejection.detail(),
        "handshake refused"
    );
    #[cfg(feature = "metrics")]
    metrics::counter!(
        tower_ws_auth_core::telemetry::DECISIONS,
        "strategy" => "first_message",
        "outcome" => "refused",
        "kind" => rejection.reason(),
    )
    .increment(1);
    let _ = rejection;
}

pub(super) fn told(outcome: &Outcome) {
    #[cfg(feature = "tracing")]
    tracing::debug!(
        target: "tower_ws_auth",
        closing_handshake = outcome.name(),
        "closing handshake ended"
    );
    #[cfg(feature = "metrics")]
    metrics::counter!(
        tower_ws_auth_core::telemetry::CLOSING_HANDSHAKES,
        "outcome" => outcome.name(),
    )
    .increment(1);
    let _ = outcome;
}
