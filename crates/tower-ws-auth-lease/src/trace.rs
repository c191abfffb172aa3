//! The one place that knows whether tracing is compiled in.

use tower_ws_auth_core::revocation::Ending;
use tower_ws_auth_upgrade::Farewell;

#[cfg(feature = "tracing")]
pub(crate) fn ended(ending: &Ending) {
    tracing::info!(target: "tower_ws_auth", ending = ending.token(), "lease ended");
}

#[cfg(feature = "tracing")]
pub(crate) async fn farewell(farewell: Farewell) {
    let outcome = farewell.await;
    tracing::debug!(target: "tower_ws_auth", farewell = outcome.name(), "farewell ended");
}

#[cfg(feature = "tracing")]
pub(crate) fn no_grant() {
    tracing::error!(
        target: "tower_ws_auth",
        "no AuthLayer stands outside of the LeaseLayer: everything is refused"
    );
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn ended(_: &Ending) {}

#[cfg(not(feature = "tracing"))]
pub(crate) async fn farewell(farewell: Farewell) {
    farewell.await;
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn no_grant() {}
