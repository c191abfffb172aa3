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
        "Redis does not answer: requests that need it are refused until it does"
    );
}

#[cfg(feature = "tracing")]
pub(crate) fn listening() {
    tracing::info!(
        target: "tower_ws_auth",
        store = "redis",
        state = "listening",
        "hears the revocations of other nodes"
    );
}

#[cfg(feature = "tracing")]
pub(crate) fn deaf(error: &RedisError) {
    tracing::warn!(
        target: "tower_ws_auth",
        store = "redis",
        state = "deaf",
        error = error as &(dyn std::error::Error + 'static),
        "does not hear the revocations of other nodes: looks them up when Redis is back"
    );
}

#[cfg(feature = "tracing")]
pub(crate) fn unreadable(count: usize) {
    tracing::warn!(
        target: "tower_ws_auth",
        store = "redis",
        state = "unreadable",
        count,
        "revocations in Redis cannot be read: their keys count as revoked"
    );
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn unreadable(_: usize) {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn connected() {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn listening() {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn deaf(_: &RedisError) {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn lost(_: &RedisError) {}
