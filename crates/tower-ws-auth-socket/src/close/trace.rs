//! The one place that knows whether tracing and metrics are compiled in.

use crate::close::config::Spoken;
use crate::frame::Close;
use crate::protocol::ClientProtocol;
use crate::upgrade::{Ended, Outcome};
use http::StatusCode;
use tower_ws_auth_core::Rejection;

/// The closing handshake of a client that gets none: as many are told it as may be.
#[cfg(any(feature = "tracing", feature = "metrics"))]
const NO_PERMIT: &str = "no_permit";

pub(crate) fn converted(
    rejection: &Rejection,
    status: StatusCode,
    close: &Close,
    spoken: Option<&Spoken>,
) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: "tower_ws_auth",
        kind = rejection.reason(),
        status = status.as_u16(),
        code = close.code().get(),
        protocol = spoken.map_or("plain", |spoken| spoken.protocol.name()),
        "rejection converted to a close frame"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (rejection, status, close, spoken);
}

pub(crate) fn polled(rejection: &Rejection, protocol: &ClientProtocol) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: "tower_ws_auth",
        kind = rejection.reason(),
        status = rejection.status().as_u16(),
        protocol = protocol.name(),
        "refusal of a poll converted to packets"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (rejection, protocol);
}

pub(crate) fn no_permit(rejection: &Rejection) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: "tower_ws_auth",
        kind = rejection.reason(),
        status = rejection.status().as_u16(),
        closing_handshake = NO_PERMIT,
        "too many closing handshakes: the HTTP answer stays"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = rejection;
    #[cfg(feature = "metrics")]
    count(NO_PERMIT);
}

/// A script that has listened to a client is over; its closing handshake has an event of its own.
pub(crate) fn script_ended(protocol: &ClientProtocol, ended: Ended) {
    #[cfg(feature = "tracing")]
    tracing::debug!(
        target: "tower_ws_auth",
        protocol = protocol.name(),
        script = ended.name(),
        "script ended"
    );
    #[cfg(feature = "metrics")]
    metrics::counter!(
        tower_ws_auth_core::telemetry::SCRIPTS,
        "protocol" => protocol.name(),
        "outcome" => ended.name(),
    )
    .increment(1);
    #[cfg(not(any(feature = "tracing", feature = "metrics")))]
    let _ = (protocol, ended);
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
            closing_handshake = outcome.name(),
            error = error as &(dyn std::error::Error + 'static),
            "the client got 101 and then nothing: is the server built with upgrades?"
        ),
        _ => {
            tracing::debug!(target: "tower_ws_auth", closing_handshake = outcome.name(), "closing handshake ended");
        }
    }
}

#[cfg(feature = "metrics")]
fn count(outcome: &'static str) {
    use tower_ws_auth_core::telemetry::CLOSING_HANDSHAKES;

    metrics::counter!(CLOSING_HANDSHAKES, "outcome" => outcome).increment(1);
}

#[cfg(test)]
#[cfg(feature = "metrics")]
mod the_counter_of_closing_handshakes {
    use test_support::Counts;
    use tower_ws_auth_core::RejectionKind;

    use super::*;

    #[test]
    fn counts_each_that_ends_and_each_that_could_not_begin() {
        let counted = Counts::during(|| {
            ended(&Outcome::Deadline);
            ended(&Outcome::PeerClosed);
            no_permit(&Rejection::new(RejectionKind::TokenExpired, ""));
        });
        let one = |outcome| {
            (
                format!("ws_auth_closing_handshakes_total outcome={outcome}"),
                1.0,
            )
        };
        assert_eq!(counted, ["deadline", "no_permit", "peer_closed"].map(one));
    }
}
