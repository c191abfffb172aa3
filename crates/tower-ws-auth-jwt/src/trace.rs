//! The one place that knows whether tracing is compiled in.
//!
//! No event shows a query of an URL, nor anything that stands in a key.

use std::error::Error;
use std::time::Duration;

use http::Uri;

#[cfg(feature = "tracing")]
use crate::KeyError;
use crate::jwks::Skipped;

#[cfg(feature = "tracing")]
pub(crate) fn fetched(url: &Uri, keys: usize, changed: bool) {
    let url = bare(url);
    if changed {
        tracing::info!(target: "tower_ws_auth", url, keys, "fetched keys are in force");
    } else {
        tracing::debug!(target: "tower_ws_auth", url, keys, "fetched keys are the same as before");
    }
}

/// A key for something else is nothing to worry about, a bad one is.
#[cfg(feature = "tracing")]
pub(crate) fn skipped(url: &Uri, key: &Skipped) {
    let Skipped { index, kid, reason } = key;
    let error = reason as &(dyn Error + 'static);
    let url = bare(url);
    if matches!(reason, KeyError::Foreign(_)) {
        tracing::info!(target: "tower_ws_auth", url, index, ?kid, error, "a fetched key is left out");
    } else {
        tracing::warn!(target: "tower_ws_auth", url, index, ?kid, error, "a fetched key is left out");
    }
}

#[cfg(feature = "tracing")]
pub(crate) fn failed(url: &Uri, error: &(dyn Error + 'static), age: Option<Duration>) {
    tracing::warn!(
        target: "tower_ws_auth",
        url = bare(url),
        error,
        age_seconds = age.map(|age| age.as_secs()),
        "keys could not be fetched: those from before stay"
    );
}

/// Without its query, which may hold somebody's API key; userinfo never gets this far.
#[cfg(feature = "tracing")]
fn bare(url: &Uri) -> String {
    let host = url.authority().map_or("", |authority| authority.as_str());
    format!("{}://{host}{}", url.scheme_str().unwrap_or(""), url.path())
}

/// A logout at the identity provider; `None` if it was done.
#[cfg(all(feature = "backchannel-logout", feature = "tracing"))]
pub(crate) fn logged_out(refused: Option<&tower_ws_auth_core::Rejection>) {
    let Some(rejection) = refused else {
        tracing::info!(target: "tower_ws_auth", outcome = "accepted", "back-channel logout");
        return;
    };
    let kind = rejection.reason();
    let detail = rejection.detail();
    let source = rejection.source();
    tracing::warn!(
        target: "tower_ws_auth",
        outcome = "refused",
        kind,
        detail,
        source,
        "back-channel logout"
    );
}

#[cfg(all(feature = "backchannel-logout", not(feature = "tracing")))]
pub(crate) fn logged_out(_: Option<&tower_ws_auth_core::Rejection>) {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn fetched(_: &Uri, _: usize, _: bool) {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn skipped(_: &Uri, _: &Skipped) {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn failed(_: &Uri, _: &(dyn Error + 'static), _: Option<Duration>) {}
