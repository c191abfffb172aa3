//! What leaves the layers for operators: the truth about every decision, and never a secret.
//!
//! With close frames the wire shows 101 for a refused client. What was decided is told here.
//!
//! # Events
//!
//! With the feature `tracing`, target [`TARGET`]. Names and values of these fields are stable:
//! what can be counted by them today can be counted tomorrow.
//!
//! | event | level | fields |
//! |---|---|---|
//! | `handshake accepted` | DEBUG | `strategy` `outcome` `latency_us` `carrier` |
//! | `handshake refused` | INFO, WARN from status 500 | `strategy` `outcome` `kind` `status` `carrier` `detail` `source` `latency_us` |
//! | `rejection converted to a close frame` | INFO | `kind` `status` `code` |
//! | `farewell ended` | DEBUG, WARN if the upgrade failed | `farewell` |
//! | `lease ended` | INFO | `ending` `code` `open_ms` |
//!
//! | field | what it says |
//! |---|---|
//! | `strategy` | the name of the strategy that decided, such as `jwt`, `session`, `ticket`; with several the one whose credential it was, and `any_of` if it was nobody's or everybody's; `origin` for the allow-list |
//! | `carrier` | where the credential travelled: `query` (lifted or not), `header`, `subprotocol`, `cookie`; absent if that is not known |
//! | `outcome` | `accepted` or `refused` |
//! | `kind` | the public token of the [`RejectionKind`](crate::RejectionKind), such as `token_expired` |
//! | `status` | the HTTP status of the refusal, also where a close frame takes its place |
//! | `code` | the close code that the client reads |
//! | `detail` | what was wrong, from a fixed set |
//! | `source` | the error behind it, such as a store's; absent if there is none |
//! | `latency_us` | microseconds from the layer's call to the decision; what the service then takes is not in it |
//! | `farewell` | how a farewell ended: `peer_closed`, `peer_gone`, `byte_cap`, `deadline`, `broken`, `upgrade_failed`, `not_upgraded`; `no_permit` if it did not begin |
//! | `ending` | why a lease ended: `token_expired`, `session_ended`, `revoked`, `too_many_connections`, `going_away`, or the application's own reason |
//! | `open_ms` | milliseconds from the acceptance to the ending |
//!
//! # Metrics
//!
//! With the feature `metrics`, for whatever recorder the program installs (the crate `metrics`
//! 0.24). Durations are in seconds.
//!
//! | name | type | labels |
//! |---|---|---|
//! | `ws_auth_decisions_total` | counter | `strategy` `outcome` `kind` (`none` for `accepted`) |
//! | `ws_auth_decision_seconds` | histogram | `strategy` |
//! | `ws_auth_farewells_total` | counter | `outcome`: the field `farewell` |
//! | `ws_auth_leases` | gauge | |
//! | `ws_auth_lease_endings_total` | counter | `ending`, and `application` for all of the application's own |
//! | `ws_auth_revocations_total` | counter | `ending`, as above: what this node was told to revoke |
//!
//! A label has as many values as the program has strategies, and otherwise few: none comes from
//! a request. [`describe`] tells a recorder what they mean.
//!
//! The names are constants here, for layers that count too.

use crate::Ending;

/// The target of all events.
pub const TARGET: &str = "tower_ws_auth";

/// Counter of decisions, by `strategy`, `outcome` and `kind`.
pub const DECISIONS: &str = "ws_auth_decisions_total";
/// Histogram of the seconds that a decision takes, by `strategy`.
pub const DECISION_SECONDS: &str = "ws_auth_decision_seconds";
/// Counter of farewells, by `outcome`.
pub const FAREWELLS: &str = "ws_auth_farewells_total";
/// Gauge of the leases that are open.
pub const LEASES: &str = "ws_auth_leases";
/// Counter of leases that ended before their client went, by `ending`.
pub const LEASE_ENDINGS: &str = "ws_auth_lease_endings_total";
/// Counter of revocations that this node was told, by `ending`.
pub const REVOCATIONS: &str = "ws_auth_revocations_total";

/// The label for an ending: its token, and `application` for all of the application's own.
pub fn ending_label(ending: &Ending) -> &'static str {
    match ending {
        Ending::TokenExpired => "token_expired",
        Ending::SessionEnded => "session_ended",
        Ending::Revoked => "revoked",
        Ending::TooManyConnections => "too_many_connections",
        Ending::GoingAway => "going_away",
        Ending::Application(_) => "application",
    }
}

/// Tells the installed recorder what the metrics mean. Call it once, after installing one.
#[cfg(feature = "metrics")]
pub fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    describe_counter!(DECISIONS, Unit::Count, "Handshakes that were decided");
    describe_histogram!(DECISION_SECONDS, Unit::Seconds, "How long a decision took");
    describe_counter!(FAREWELLS, Unit::Count, "Farewells, by how they ended");
    describe_gauge!(
        LEASES,
        Unit::Count,
        "Connections that are open under a lease"
    );
    describe_counter!(
        LEASE_ENDINGS,
        Unit::Count,
        "Leases that ended, by the reason"
    );
    describe_counter!(REVOCATIONS, Unit::Count, "Revocations told to this node");
}
