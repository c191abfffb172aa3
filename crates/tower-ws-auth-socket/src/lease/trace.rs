//! The one place that knows whether tracing and metrics are compiled in.

use crate::frame::Close;
use crate::protocol::ClientProtocol;
use crate::upgrade::{ClosingHandshake, Outcome};
use tower_ws_auth_core::Rejection;
use tower_ws_auth_core::private::Label;
use tower_ws_auth_core::revocation::DisconnectReason;

/// A connection that is open under a lease.
#[derive(Debug)]
pub(crate) struct Opened {
    #[cfg(feature = "tracing")]
    at: std::time::Instant,
    #[cfg(feature = "tracing")]
    label: Label,
}

impl Opened {
    pub(crate) fn now(label: Label) -> Self {
        // Only events show it.
        let _ = &label;
        Self {
            #[cfg(feature = "tracing")]
            at: std::time::Instant::now(),
            #[cfg(feature = "tracing")]
            label,
        }
    }

    /// The lease ends before its client has gone; `close` is what that one is told, unless the
    /// handler does it.
    pub(crate) fn ended(
        &self,
        reason: &DisconnectReason,
        close: Option<&Close>,
        protocol: &ClientProtocol,
    ) {
        self.log(reason, close, protocol);
        #[cfg(feature = "metrics")]
        {
            use tower_ws_auth_core::telemetry::{LEASES_ENDED, reason_label};
            metrics::counter!(LEASES_ENDED, "reason" => reason_label(reason)).increment(1);
        }
    }

    #[cfg(feature = "tracing")]
    fn log(&self, reason: &DisconnectReason, close: Option<&Close>, protocol: &ClientProtocol) {
        let open = self.at.elapsed().as_millis();
        tracing::info!(
            target: "tower_ws_auth",
            reason = reason.reason(),
            code = close.map(|close| close.code().get()),
            open_ms = u64::try_from(open).unwrap_or(u64::MAX),
            protocol = close.map(|_| protocol.name()),
            connection = self.label.connection.map(std::num::NonZeroU64::get),
            who = self.label.who.as_deref(),
            "lease ended"
        );
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "stands in for the one that logs")]
    fn log(&self, _: &DisconnectReason, _: Option<&Close>, _: &ClientProtocol) {}
}

/// Counted among the open leases until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(());

impl Counted {
    pub(crate) fn begin() -> Self {
        #[cfg(feature = "metrics")]
        metrics::gauge!(tower_ws_auth_core::telemetry::LEASES).increment(1);
        Self(())
    }
}

#[cfg(feature = "metrics")]
impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!(tower_ws_auth_core::telemetry::LEASES).decrement(1);
    }
}

pub(crate) async fn closing_handshake(closing_handshake: ClosingHandshake) {
    told(&closing_handshake.await);
}

fn told(outcome: &Outcome) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "tower_ws_auth", closing_handshake = outcome.name(), "closing handshake ended");
    #[cfg(feature = "metrics")]
    metrics::counter!(tower_ws_auth_core::telemetry::CLOSING_HANDSHAKES, "outcome" => outcome.name())
        .increment(1);
    let _ = outcome;
}

/// The layer refuses what a strategy has accepted: it was revoked meanwhile, or there are too many.
pub(crate) fn refused(rejection: &Rejection) {
    log_refusal(rejection);
    #[cfg(feature = "metrics")]
    {
        use tower_ws_auth_core::telemetry::DECISIONS;
        let kind = rejection.reason();
        metrics::counter!(DECISIONS, "strategy" => "lease", "outcome" => "refused", "kind" => kind)
            .increment(1);
    }
}

#[cfg(feature = "tracing")]
fn log_refusal(rejection: &Rejection) {
    let kind = rejection.reason();
    let status = rejection.status().as_u16();
    let detail = rejection.detail();
    let source = std::error::Error::source(rejection);
    // An outage is the operator's business, a refusal the client's.
    if status >= 500 {
        tracing::warn!(
            target: "tower_ws_auth",
            strategy = "lease",
            outcome = "refused",
            kind,
            status,
            detail,
            source,
            "handshake refused"
        );
    } else {
        tracing::info!(
            target: "tower_ws_auth",
            strategy = "lease",
            outcome = "refused",
            kind,
            status,
            detail,
            source,
            "handshake refused"
        );
    }
}

#[cfg(not(feature = "tracing"))]
fn log_refusal(_: &Rejection) {}

#[cfg(all(feature = "axum", feature = "tracing"))]
pub(crate) fn missing_lease_layer(error: &(dyn std::error::Error + 'static)) {
    tracing::error!(target: "tower_ws_auth", error, "misconfigured route");
}

#[cfg(all(feature = "axum", not(feature = "tracing")))]
pub(crate) fn missing_lease_layer(_: &(dyn std::error::Error + 'static)) {}

#[cfg(feature = "tracing")]
pub(crate) fn no_grant() {
    tracing::error!(
        target: "tower_ws_auth",
        "no AuthLayer stands outside of the LeaseLayer: everything is refused. Add \
         `.layer(AuthLayer::new(…))` before it"
    );
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn no_grant() {}
