//! The one place that knows whether tracing is compiled in.

use crate::RedisError;

#[cfg(feature = "tracing")]
pub(crate) fn connected() {
    tracing::info!(target: "tower_ws_auth", store = "redis", state = "connected", "Redis answers");
}

#[cfg(feature = "tracing")]
pub(crate) fn lost(error: &RedisError) {
    tracing::warn!(
        target: "tower_ws_auth",
        store = "redis",
        state = "lost",
        error = error as &(dyn std::error::Error + 'static),
        "Redis does not answer: what needs it is refused until it does"
    );
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn connected() {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn lost(_: &RedisError) {}
