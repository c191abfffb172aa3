//! The one place that knows whether tracing and metrics are compiled in.

use http::StatusCode;
use tower_ws_auth_core::Rejection;
use tower_ws_auth_upgrade::Outcome;
use tower_ws_auth_upgrade::frame::Close;

/// The farewell of a client that gets none: as many are told it as may be.
#[cfg(any(feature = "tracing", feature = "metrics"))]
const NO_PERMIT: &str = "no_permit";

pub(crate) fn converted(rejection: &Rejection, status: StatusCode, close: &Close) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: "tower_ws_auth",
        kind = rejection.token(),
        status = status.as_u16(),
        code = close.code().get(),
        "rejection converted to a close frame"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (rejection, status, close);
}

pub(crate) fn no_permit(rejection: &Rejection) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: "tower_ws_auth",
        kind = rejection.token(),
        status = rejection.status().as_u16(),
        farewell = NO_PERMIT,
        "too many farewells: the HTTP answer stays"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = rejection;
    #[cfg(feature = "metrics")]
    count(NO_PERMIT);
}

pub(crate) fn ended(outcome: &Outcome) {
    #[cfg(feature = "tracing")]
    log(outcome);
    #[cfg(feature = "metrics")]
    count(outcome.name());
    #[cfg(not(any(feature = "tracing", feature = "metrics")))]
    let _ = outcome;
}

#[cfg(feature = "tracing")]
fn log(outcome: &Outcome) {
    match outcome {
        Outcome::UpgradeFailed(error) => tracing::warn!(
            target: "tower_ws_auth",
            farewell = outcome.name(),
            error = error as &(dyn std::error::Error + 'static),
            "the client got 101 and then nothing: is the server built with upgrades?"
        ),
        _ => {
            tracing::debug!(target: "tower_ws_auth", farewell = outcome.name(), "farewell ended");
        }
    }
}

#[cfg(feature = "metrics")]
fn count(outcome: &'static str) {
    use tower_ws_auth_core::telemetry::FAREWELLS;

    metrics::counter!(FAREWELLS, "outcome" => outcome).increment(1);
}
