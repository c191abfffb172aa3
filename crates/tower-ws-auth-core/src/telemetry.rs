//! Events and metrics for operators: the true outcome of every decision, and never a secret.
//!
//! With close frames the wire shows 101 for a refused client. The decision is visible here.
//!
//! # Events
//!
//! With the feature `tracing`, target [`TARGET`]. Names and values of these fields are stable
//! across releases.
//!
//! | event | level | fields |
//! |---|---|---|
//! | `handshake accepted` | DEBUG | `strategy` `outcome` `latency_us` `carrier` `connection` `who` |
//! | `handshake refused` | INFO, WARN from status 500 | `strategy` `outcome` `kind` `status` `carrier` `detail` `source` `latency_us` `origin` |
//! | `handler refused` | INFO, WARN from status 500 | `kind` `status` `detail` `source` |
//! | `rejection converted to a close frame` | INFO | `kind` `status` `code` `protocol` |
//! | `refusal of a poll converted to packets` | INFO | `kind` `status` `protocol` |
//! | `too many closing handshakes: …` | INFO | `kind` `status` `closing_handshake` |
//! | `script ended` | DEBUG | `protocol` `script` |
//! | `closing handshake ended` | DEBUG | `closing_handshake` |
//! | `the client got 101 and then nothing: …` | WARN | `closing_handshake` `error` |
//! | `lease ended` | INFO | `reason` `code` `open_ms` `protocol` `connection` `who` |
//! | `ticket refused` | INFO, WARN from status 500 | `strategy` `outcome` `kind` `status` `detail` `source` |
//! | `join accepted` | DEBUG | `strategy` `outcome` `channel` `latency_us` |
//! | `join refused` | INFO, WARN from status 500 | `strategy` `outcome` `kind` `status` `detail` `source` `channel` `latency_us` |
//! | `fetched keys …`, `a fetched key is left out` | DEBUG, INFO, WARN | `url` `keys` `index` `error` |
//! | `keys could not be fetched: …` | WARN | `url` `error` `age_seconds` |
//! | of a store: it answers, or is unavailable | INFO, WARN | `store` `state` `error` |
//! | `misconfigured route`, `no AuthLayer stands outside …` | ERROR | `error` |
//!
//! Fields that do not apply are absent, such as the `carrier` of a handshake without a credential.
//!
//! | field | meaning |
//! |---|---|
//! | `strategy` | the name of the strategy that decided, such as `jwt`, `session`, `ticket`; among several, the one whose credential decided, or `any_of` if none or all did. `origin` is the allow-list, `first_message` a first message that is late, unreadable or unexpected, `lease` a `LeaseLayer` that refuses what a strategy has accepted, `channel` the joins |
//! | `carrier` | the carrier of the credential: `query` (redacted or not), `header`, `subprotocol`, `message`, `cookie` |
//! | `connection` | the number of the accepted request: [`Validity::connection`](crate::Validity::connection) |
//! | `who` | the identity, only where [`AuthLayer::log_identity`](crate::AuthLayer::log_identity) names it |
//! | `outcome` | `accepted` or `refused` |
//! | `kind` | the public reason of the [`RejectionKind`](crate::RejectionKind), such as `token_expired` |
//! | `status` | the HTTP status of the refusal, also where a close frame takes its place |
//! | `code` | the close code that the client reads |
//! | `protocol` | the client protocol in which it is told, such as `plain` or `socket_io` |
//! | `script` | what ended a script that listened to a refused client, see below |
//! | `detail` | the cause, from a fixed set |
//! | `source` | the error behind it, such as a store's |
//! | `latency_us` | microseconds from the layer's call to the decision, without the service's own time |
//! | `origin` | the `Origin` of a refused page: escaped, at most 256 bytes of it |
//! | `channel` | the channel that a client wants to join: likewise |
//! | `closing_handshake` | how a closing handshake ended, see below |
//! | `reason` | why a lease ended: `token_expired`, `session_ended`, `revoked`, `forbidden`, `too_many_connections`, `going_away`, or the application's own reason |
//! | `open_ms` | milliseconds from the acceptance to the disconnect reason |
//! | `url` | the address of the keys, without its query |
//! | `age_seconds` | the age of the keys that stay in force |
//! | `store`, `state` | `redis`; `connected`, `lost`, `listening` or `deaf` to revocations on other nodes |
//!
//! | `closing_handshake` | the outcome for a refused client, or for one whose lease ended |
//! |---|---|
//! | `peer_closed` | it answered the close frame: it has read code and reason |
//! | `peer_gone` | it left without an answer, as most programs do, but no browser |
//! | `deadline` | it did neither in time |
//! | `byte_cap` | it sent more bytes than allowed |
//! | `broken` | the connection failed |
//! | `no_permit` | the maximum number of closing handshakes was under way: it got the HTTP answer |
//! | `upgrade_failed` | it got the 101 and no reason: the server is built without upgrades, or the client left in between |
//! | `not_upgraded` | the connection was unavailable: the service did not upgrade after all |
//!
//! | `script` | what ended the messages before a close frame |
//! |---|---|
//! | `done` | the last step |
//! | `no_answer` | the client did not send in time what the script waits for |
//! | `answers` | it was given as many answers as it may have |
//! | `closed`, `gone` | it sent its close frame, or went without one |
//! | `violation` | it sent a frame that RFC 6455 forbids |
//! | `byte_cap` | it sent more than it may |
//! | `gave_way` | its place was needed for another client, or the server goes down |
//! | `deadline` | it took no message in time |
//!
//! Two refused clients are not in this table: one that goes during the delay before its answer, and
//! one whose task the program drops.
//!
//! # Metrics
//!
//! With the feature `metrics`, for any recorder that the program installs (the crate `metrics`
//! 0.24). Durations are in seconds.
//!
//! | name | type | labels |
//! |---|---|---|
//! | `ws_auth_decisions_total` | counter | `strategy` `outcome` `kind` (`none` for `accepted`) |
//! | `ws_auth_decision_seconds` | histogram | `strategy` |
//! | `ws_auth_closing_handshakes_total` | counter | `outcome`: the field `closing_handshake` |
//! | `ws_auth_scripts_total` | counter | `protocol`, and `outcome`: the field `script` |
//! | `ws_auth_leases` | gauge | |
//! | `ws_auth_leases_ended_total` | counter | `reason`, and `application` for all of the application's own |
//! | `ws_auth_revocations_total` | counter | `reason`, as above: what this node received |
//!
//! - Each decision is counted once, with its event: by every `AuthLayer`, also on ordinary routes,
//!   and by the refusals of `OriginLayer` and `LeaseLayer`. A request that `LeaseLayer` refuses was
//!   accepted by the strategy before. The histogram has the strategies alone.
//! - The gauge has every connection that a `LeaseLayer` let pass and that is still open. A lease
//!   whose client leaves by itself counts as no ended lease. An ordinary request counts as none.
//! - The values of a label are few: the program's strategies or protocols, or a fixed set. None comes from a
//!   request. [`describe`] tells a recorder the meaning of each metric.
//!
//! The names are constants here, for layers that count too.

use crate::DisconnectReason;

/// The target of all events.
pub const TARGET: &str = "tower_ws_auth";

/// Counter of decisions, by `strategy`, `outcome` and `kind`.
pub const DECISIONS: &str = "ws_auth_decisions_total";
/// Histogram of the seconds that a decision takes, by `strategy`.
pub const DECISION_SECONDS: &str = "ws_auth_decision_seconds";
/// Counter of closing handshakes, by `outcome`.
pub const CLOSING_HANDSHAKES: &str = "ws_auth_closing_handshakes_total";
/// Counter of scripts that have listened to a refused client, by `protocol` and `outcome`.
pub const SCRIPTS: &str = "ws_auth_scripts_total";
/// Gauge of the open leases.
pub const LEASES: &str = "ws_auth_leases";
/// Counter of leases that ended before their client left, by `reason`.
pub const LEASES_ENDED: &str = "ws_auth_leases_ended_total";
/// Counter of revocations that this node received, by `reason`.
pub const REVOCATIONS: &str = "ws_auth_revocations_total";

/// The label for a disconnect reason: its public reason, and `application` for all of the
/// application's own.
pub fn reason_label(reason: &DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::TokenExpired => "token_expired",
        DisconnectReason::SessionEnded => "session_ended",
        DisconnectReason::Revoked => "revoked",
        DisconnectReason::Forbidden => "forbidden",
        DisconnectReason::TooManyConnections => "too_many_connections",
        DisconnectReason::GoingAway => "going_away",
        DisconnectReason::Application(_) => "application",
    }
}

/// Describes the metrics to the installed recorder, and starts the gauge at zero. Call it once,
/// after installing a recorder.
#[cfg(feature = "metrics")]
pub fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};

    describe_counter!(
        DECISIONS,
        Unit::Count,
        "Requests about which a layer decided"
    );
    describe_histogram!(DECISION_SECONDS, Unit::Seconds, "How long a decision took");
    describe_counter!(
        CLOSING_HANDSHAKES,
        Unit::Count,
        "Closing handshakes, by how they ended"
    );
    describe_counter!(
        SCRIPTS,
        Unit::Count,
        "Messages before a close frame, by how they ended"
    );
    describe_gauge!(
        LEASES,
        Unit::Count,
        "Connections that are open under a lease"
    );
    // Adds zero to create the series: without it a scrape looks failed.
    gauge!(LEASES).increment(0.0);
    describe_counter!(
        LEASES_ENDED,
        Unit::Count,
        "Leases that ended, by the reason"
    );
    describe_counter!(REVOCATIONS, Unit::Count, "Revocations told to this node");
}
