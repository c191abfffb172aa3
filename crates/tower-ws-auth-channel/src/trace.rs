//! The one place that knows whether tracing is compiled in.

#[cfg(feature = "tracing")]
mod imp {
    use std::slice::EscapeAscii;
    use std::time::Instant;

    use tower_ws_auth_core::Rejection;

    /// Measures one decision.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Trace {
        began: Instant,
    }

    impl Trace {
        pub(crate) fn begin() -> Self {
            Self {
                began: Instant::now(),
            }
        }

        pub(crate) fn accepted(self, channel: &str) {
            tracing::debug!(
                target: "tower_ws_auth",
                strategy = "channel",
                outcome = "accepted",
                channel = %legible(channel),
                latency_us = self.latency(),
                "join accepted"
            );
        }

        pub(crate) fn refused(self, channel: &str, rejection: &Rejection) {
            let kind = rejection.reason();
            let status = rejection.status().as_u16();
            let detail = rejection.detail();
            let source = std::error::Error::source(rejection);
            // An outage concerns the operator, a refusal the client.
            if status >= 500 {
                tracing::warn!(
                    target: "tower_ws_auth",
                    strategy = "channel",
                    outcome = "refused",
                    kind,
                    status,
                    detail,
                    source,
                    channel = %legible(channel),
                    latency_us = self.latency(),
                    "join refused"
                );
            } else {
                tracing::info!(
                    target: "tower_ws_auth",
                    strategy = "channel",
                    outcome = "refused",
                    kind,
                    status,
                    detail,
                    source,
                    channel = %legible(channel),
                    latency_us = self.latency(),
                    "join refused"
                );
            }
        }

        fn latency(self) -> u64 {
            u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
        }
    }

    /// The client's text: escaped, and cut.
    fn legible(channel: &str) -> EscapeAscii<'_> {
        const LONGEST: usize = 256;
        let bytes = channel.as_bytes();
        bytes[..bytes.len().min(LONGEST)].escape_ascii()
    }
}

#[cfg(not(feature = "tracing"))]
mod imp {
    use tower_ws_auth_core::Rejection;

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Trace;

    #[expect(clippy::unused_self, reason = "stands in for the one that logs")]
    impl Trace {
        pub(crate) fn begin() -> Self {
            Self
        }

        pub(crate) fn accepted(self, _channel: &str) {}

        pub(crate) fn refused(self, _channel: &str, _rejection: &Rejection) {}
    }
}

pub(crate) use imp::Trace;
