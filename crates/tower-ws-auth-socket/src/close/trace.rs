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
    use std::sync::{Arc, Mutex};

    use metrics::{
        Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };
    use tower_ws_auth_core::RejectionKind;

    use super::*;

    /// The series that were counted, one by one.
    #[derive(Clone, Default)]
    struct Counted(Arc<Mutex<Vec<String>>>);

    struct One(String, Counted);

    impl CounterFn for One {
        fn increment(&self, by: u64) {
            let line = format!("{} +{by}", self.0);
            self.1.0.lock().unwrap().push(line);
        }
        fn absolute(&self, _: u64) {}
    }

    impl Recorder for Counted {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            let labels = key
                .labels()
                .map(|it| format!(" {}={}", it.key(), it.value()));
            let name = key.name().to_owned() + &labels.collect::<String>();
            Counter::from_arc(Arc::new(One(name, self.clone())))
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn counts_each_that_ends_and_each_that_could_not_begin() {
        let counted = Counted::default();
        metrics::with_local_recorder(&counted, || {
            ended(&Outcome::Deadline);
            ended(&Outcome::PeerClosed);
            no_permit(&Rejection::new(RejectionKind::TokenExpired, ""));
        });
        let lines = counted.0.lock().unwrap().clone();
        let line = |outcome| format!("ws_auth_closing_handshakes_total outcome={outcome} +1");
        assert_eq!(lines, ["deadline", "peer_closed", "no_permit"].map(line));
    }
}
