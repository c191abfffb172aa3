//! What operators read.

use std::io;
use std::sync::{Arc, Mutex};

use tower_ws_auth_channel::ChannelAuthLayer;
use tower_ws_auth_core::{Rejection, RejectionKind};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{TestJoin, join_with, verdict};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(channel: &str, decides: Result<(), RejectionKind>) -> String {
    let layer = ChannelAuthLayer::new(move |_: &TestJoin| {
        decides.map_err(|kind| Rejection::new(kind, "for a reason"))
    });
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        tokio_test::block_on(verdict(&layer, join_with(channel, "canary")));
    });
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
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
