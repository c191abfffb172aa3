//! The one place that knows whether tracing is compiled in.

#[cfg(feature = "tracing")]
mod imp {
    use std::time::Instant;

    use crate::Rejection;

    /// Measures one decision.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Decision {
        strategy: &'static str,
        began: Instant,
    }

    impl Decision {
        pub(crate) fn begin(strategy: &'static str) -> Self {
            Self {
                strategy,
                began: Instant::now(),
            }
        }

        pub(crate) fn accepted(self) {
            tracing::debug!(
                target: "tower_ws_auth",
                strategy = self.strategy,
                outcome = "accepted",
                latency_us = self.latency(),
                "handshake accepted"
            );
        }

        pub(crate) fn refused(self, rejection: &Rejection) {
            let kind = rejection.token();
            let status = rejection.status().as_u16();
            let source = std::error::Error::source(rejection);
            // An outage is the operator's business, a refusal the client's.
            if status >= 500 {
                tracing::warn!(
                    target: "tower_ws_auth",
                    strategy = self.strategy,
                    outcome = "refused",
                    kind,
                    status,
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

    #[cfg(feature = "axum")]
    pub(crate) fn unguarded(error: &(dyn std::error::Error + 'static)) {
        tracing::error!(target: "tower_ws_auth", error, "misconfigured route");
    }
}

#[cfg(not(feature = "tracing"))]
mod imp {
    use crate::Rejection;

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Decision;

    #[expect(clippy::unused_self, reason = "stands in for the one that logs")]
    impl Decision {
        pub(crate) fn begin(_strategy: &'static str) -> Self {
            Self
        }

        pub(crate) fn accepted(self) {}

        pub(crate) fn refused(self, _rejection: &Rejection) {}
    }

    #[cfg(feature = "axum")]
    pub(crate) fn unguarded(_error: &(dyn std::error::Error + 'static)) {}
}

pub(crate) use imp::Decision;
#[cfg(feature = "axum")]
pub(crate) use imp::unguarded;
