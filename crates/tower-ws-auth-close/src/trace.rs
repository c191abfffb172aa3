//! The one place that knows whether tracing is compiled in.

use http::StatusCode;
use tower_ws_auth_core::Rejection;
use tower_ws_auth_upgrade::Outcome;
use tower_ws_auth_upgrade::frame::Close;

#[cfg(feature = "tracing")]
pub(crate) fn converted(rejection: &Rejection, status: StatusCode, close: &Close) {
    tracing::info!(
        target: "tower_ws_auth",
        kind = rejection.token(),
        status = status.as_u16(),
        code = close.code().get(),
        "rejection converted to a close frame"
    );
}

#[cfg(feature = "tracing")]
pub(crate) fn no_permit(rejection: &Rejection) {
    tracing::info!(
        target: "tower_ws_auth",
        kind = rejection.token(),
        status = rejection.status().as_u16(),
        farewell = "no_permit",
        "too many farewells: the HTTP answer stays"
    );
}

#[cfg(feature = "tracing")]
pub(crate) fn ended(outcome: &Outcome) {
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

#[cfg(not(feature = "tracing"))]
pub(crate) fn converted(_: &Rejection, _: StatusCode, _: &Close) {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn no_permit(_: &Rejection) {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn ended(_: &Outcome) {}
