//! The events for operators.

use test_support::Log;
use tower_ws_auth_channel::ChannelAuthLayer;
use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::support::{TestJoin, effect, join_with};

fn logged(channel: &str, decides: Result<(), RejectionKind>) -> String {
    let layer = ChannelAuthLayer::new(move |_: &TestJoin| {
        decides.map_err(|kind| Rejection::new(kind, "for a reason"))
    });
    let join = || tokio_test::block_on(effect(&layer, join_with(channel, "canary")));
    Log::during(join).1
}

#[track_caller]
fn assert_has(line: &str, parts: &[&str]) {
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    for part in parts {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("canary"), "{line}");
}

#[test]
fn a_refusal_says_why_and_shows_no_credential() {
    assert_has(
        &logged("staff", Err(RejectionKind::Forbidden)),
        &[
            " INFO tower_ws_auth: join refused",
            "strategy=\"channel\"",
            "outcome=\"refused\"",
            "kind=\"forbidden\"",
            "status=403",
            "detail=\"for a reason\"",
            "channel=staff",
            "latency_us=",
        ],
    );
}

#[test]
fn an_outage_is_a_warning_and_an_admission_for_debugging() {
    assert_has(
        &logged("lobby", Err(RejectionKind::Unavailable)),
        &[" WARN tower_ws_auth: join refused", "kind=\"unavailable\""],
    );
    assert_has(
        &logged("lobby", Ok(())),
        &["DEBUG tower_ws_auth: join accepted", "outcome=\"accepted\""],
    );
}

#[test]
fn a_channel_is_escaped_and_cut() {
    assert_has(&logged("a\n\u{1b}[31m", Ok(())), &[r"channel=a\n\x1b[31m "]);
    let line = logged(&"x".repeat(10_000), Ok(()));
    assert!(line.contains(&"x".repeat(256)) && !line.contains(&"x".repeat(257)));
}
