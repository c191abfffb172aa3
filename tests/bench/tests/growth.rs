//! Untrusted input costs no more than in proportion to its length. The step `growth` checks the
//! same for inputs up to 1 MB.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "growth")]

use std::process::Command;

use test_support::of_tier;

fn costs_in_proportion(parsers: &[&str]) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_bench-growth"));
    program.args(["--largest", of_tier("4000", "16000")]);
    for parser in parsers {
        program.args(["--only", parser]);
    }
    let output = program.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{error}");
}

#[test]
fn a_query_costs_in_proportion_to_its_length() {
    costs_in_proportion(&["query", "redaction", "redacting"]);
}

#[test]
fn a_header_field_costs_in_proportion_to_its_length() {
    costs_in_proportion(&["handshake", "subprotocol", "authorization", "origin"]);
}

#[test]
fn a_cookie_costs_in_proportion_to_its_length() {
    costs_in_proportion(&["cookie"]);
}

#[test]
fn a_token_costs_in_proportion_to_its_length() {
    costs_in_proportion(&["compact", "header", "claims"]);
}

#[test]
fn a_key_costs_in_proportion_to_its_length() {
    costs_in_proportion(&["DER", "PEM", "JWK"]);
}

#[test]
fn a_session_costs_in_proportion_to_its_length() {
    costs_in_proportion(&["session"]);
}

#[test]
fn a_channel_costs_in_proportion_to_its_length() {
    costs_in_proportion(&["channel", "Pusher"]);
}

#[test]
fn frames_news_and_the_gateways_fields_cost_in_proportion_to_their_length() {
    costs_in_proportion(&["frames", "control frames", "news", "gateway"]);
}
