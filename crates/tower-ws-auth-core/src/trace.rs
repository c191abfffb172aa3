//! The one place that knows whether tracing and metrics are compiled in.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::auth::Label;
use crate::{DisconnectReason, Rejection};

/// One decision, with its strategy and its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decision {
    strategy: &'static str,
    carrier: Option<&'static str>,
    /// Another `AuthLayer` has granted the request before.
    is_inner: bool,
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    began: std::time::Instant,
}

impl Decision {
    pub(crate) fn begin(strategy: &'static str) -> Self {
        Self {
            strategy,
            carrier: None,
            is_inner: false,
            #[cfg(any(feature = "tracing", feature = "metrics"))]
            began: std::time::Instant::now(),
        }
    }

    /// A credential was presented: this strategy decides about it.
    pub(crate) fn about(&mut self, strategy: &'static str, carrier: Option<&'static str>) {
        self.strategy = strategy;
        self.carrier = carrier;
    }

    pub(crate) fn inside_of_another(&mut self) {
        self.is_inner = true;
    }

    /// Why no credential was found.
    pub(crate) fn missing(self, headers: &HeaderMap) -> &'static str {
        if self.is_inner {
            "another AuthLayer further out has taken the credential: use one per path, and combine \
             strategies with `or`"
        } else if headers.contains_key(AUTHORIZATION) {
            "no credential in any configured carrier: `Authorization` has another scheme, \
             which `header_scheme` names"
        } else {
            "no credential in any configured carrier"
        }
    }

    pub(crate) fn accepted(self, label: &Label) {
        self.log_acceptance(label);
        self.count("accepted", "none");
    }

    /// Returns the rejection with the deciding strategy.
    pub(crate) fn refused(mut self, rejection: Rejection) -> Rejection {
        let rejection = match self.carrier {
            Some(carrier) => rejection.found_in(carrier),
            None => rejection,
        };
        let rejection = rejection.decided_by(self.strategy);
        self.strategy = rejection.strategy().unwrap_or(self.strategy);
        self.log_refusal(&rejection);
        self.count("refused", rejection.reason());
        rejection
    }
}

#[cfg(feature = "tracing")]
impl Decision {
    fn log_acceptance(self, label: &Label) {
        tracing::debug!(
            target: "tower_ws_auth",
            strategy = self.strategy,
            outcome = "accepted",
            latency_us = self.latency(),
            carrier = self.carrier,
            connection = label.connection.map(std::num::NonZeroU64::get),
            who = label.who.as_deref(),
            "handshake accepted"
        );
    }

    fn log_refusal(self, rejection: &Rejection) {
        let kind = rejection.reason();
        let status = rejection.status().as_u16();
        let source = std::error::Error::source(rejection);
        // An outage concerns the operator, a refusal the client.
        if status >= 500 {
            tracing::warn!(
                target: "tower_ws_auth",
                strategy = self.strategy,
                outcome = "refused",
                kind,
                status,
                carrier = rejection.carrier(),
                detail = rejection.detail(),
                source,
                latency_us = self.latency(),
                "handshake refused"
            );
        } else {
            tracing::info!(
                target: "tower_ws_auth",
                strategy = self.strategy,
                outcome = "refused",
                kind,
                status,
                carrier = rejection.carrier(),
                detail = rejection.detail(),
                source,
                latency_us = self.latency(),
                "handshake refused"
            );
        }
    }

    fn latency(self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(not(feature = "tracing"))]
#[expect(clippy::unused_self, reason = "stands in for the one that logs")]
impl Decision {
    fn log_acceptance(self, _label: &Label) {}

    fn log_refusal(self, _rejection: &Rejection) {}
}

#[cfg(feature = "metrics")]
impl Decision {
    fn count(self, outcome: &'static str, kind: &'static str) {
        use crate::telemetry::{DECISION_SECONDS, DECISIONS};

        let strategy = self.strategy;
        metrics::counter!(DECISIONS, "strategy" => strategy, "outcome" => outcome, "kind" => kind)
            .increment(1);
        metrics::histogram!(DECISION_SECONDS, "strategy" => strategy).record(self.began.elapsed());
    }
}

#[cfg(not(feature = "metrics"))]
#[expect(clippy::unused_self, reason = "stands in for the one that counts")]
impl Decision {
    fn count(self, _outcome: &'static str, _kind: &'static str) {}
}

#[cfg(feature = "metrics")]
pub(crate) fn revoked(reason: &DisconnectReason) {
    use crate::telemetry::{REVOCATIONS, reason_label};

    metrics::counter!(REVOCATIONS, "reason" => reason_label(reason)).increment(1);
}

#[cfg(not(feature = "metrics"))]
pub(crate) fn revoked(_reason: &DisconnectReason) {}

/// A handler or a middleware of the application refuses with a rejection.
#[cfg(all(feature = "axum", feature = "tracing"))]
pub(crate) fn answered(rejection: &Rejection) {
    let (kind, status) = (rejection.reason(), rejection.status().as_u16());
    let detail = rejection.detail();
    let source = std::error::Error::source(rejection);
    if status >= 500 {
        tracing::warn!(target: "tower_ws_auth", kind, status, detail, source, "handler refused");
    } else {
        tracing::info!(target: "tower_ws_auth", kind, status, detail, source, "handler refused");
    }
}

#[cfg(all(feature = "axum", not(feature = "tracing")))]
pub(crate) fn answered(_rejection: &Rejection) {}

#[cfg(all(feature = "axum", feature = "tracing"))]
pub(crate) fn missing_auth_layer(error: &(dyn std::error::Error + 'static)) {
    tracing::error!(target: "tower_ws_auth", error, "misconfigured route");
}

#[cfg(all(feature = "axum", not(feature = "tracing")))]
pub(crate) fn missing_auth_layer(_error: &(dyn std::error::Error + 'static)) {}
