//! The chat's page shows the outcome of every credential.

use crate::browser::{Browser, Kind};
use crate::chat_page::{Event, Page};
use test_support::of_tier;

#[tokio::test]
async fn the_chats_page_shows_every_outcome_in_chromium() {
    Browser::run(Kind::Chromium, every_outcome_is_shown).await;
}

#[tokio::test]
async fn the_chats_page_shows_every_outcome_in_firefox() {
    Browser::run(Kind::Firefox, every_outcome_is_shown).await;
}

async fn every_outcome_is_shown(browser: &Browser) {
    every_valid_credential_opens_the_socket_and_is_welcomed(browser).await;
    refused_ones_read_their_code_and_reason_in_a_clean_close(browser).await;
    a_ticket_opens_one_socket_and_its_replay_is_refused(browser).await;
    the_message_before_the_close_frame_arrives_too(browser).await;
    the_reconnecting_client_stays_and_talks(browser).await;
}

#[track_caller]
fn assert_closed(events: &[Event], code: &str, reason: &str) {
    let close = events.last().unwrap();
    assert_eq!(close.code.as_deref(), Some(code), "{events:?}");
    assert_eq!(close.reason.as_deref(), Some(reason), "{events:?}");
    assert_eq!(close.clean.as_deref(), Some("true"), "{events:?}");
}

async fn every_valid_credential_opens_the_socket_and_is_welcomed(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    for (button, via) in [
        ("JWT: valid", "jwt"),
        ("Session: valid", "session"),
        ("Ticket: valid", "ticket"),
        ("Any: valid", "session"),
        ("First message: valid", "jwt"),
        ("First message: ticket", "ticket"),
    ] {
        let events = page.attempt(button).await;
        let welcome = events.last().and_then(|event| event.text.clone()).unwrap();
        let welcome: serde_json::Value = serde_json::from_str(&welcome).unwrap();
        assert_eq!(welcome["type"], "welcome", "{button}");
        assert_eq!(welcome["user"], "ada", "{button}");
        assert_eq!(welcome["via"], via, "{button}");
        assert!(
            welcome["expires_at"].as_i64().is_some(),
            "{button}: {welcome}"
        );
    }
    page.finish().await;
}

async fn refused_ones_read_their_code_and_reason_in_a_clean_close(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    let all = [(true, true), (true, false), (false, true), (false, false)];
    for (offer, eager) in &all[..of_tier(1, all.len())] {
        page.set_checked("#offer-subprotocol", *offer).await;
        page.set_checked("#eager", *eager).await;
        for (button, reason) in [
            ("JWT: expired", "token_expired"),
            ("JWT: tampered", "token_invalid"),
            ("JWT: none", "credentials_missing"),
            ("Session: tampered", "session_invalid"),
            ("Session: none", "credentials_missing"),
            ("Ticket: tampered", "ticket_invalid"),
            ("Ticket: none", "credentials_missing"),
            ("Any: expired", "token_expired"),
            ("Any: none", "credentials_missing"),
            ("First message: expired", "token_expired"),
            ("First message: tampered", "token_invalid"),
            ("First message: none", "credentials_missing"),
        ] {
            let events = page.attempt(button).await;
            assert_closed(&events, "4401", reason);
        }
    }
    page.finish().await;
}

async fn a_ticket_opens_one_socket_and_its_replay_is_refused(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    for button in ["Ticket: replayed", "Any: replayed"] {
        let events = page.attempt(button).await;
        assert_closed(&events, "4401", "ticket_invalid");
    }
    page.finish().await;
}

async fn the_message_before_the_close_frame_arrives_too(browser: &Browser) {
    let page = Page::open(browser, &["--reject-message"]).await;
    let events = page.attempt("JWT: tampered").await;
    let message = events.iter().find(|event| event.kind == "message").unwrap();
    let message: serde_json::Value =
        serde_json::from_str(message.text.as_deref().unwrap()).unwrap();
    assert_eq!(
        (&message["type"], &message["code"]),
        (&"rejected".into(), &4401.into())
    );
    assert_eq!(events.last().unwrap().code.as_deref(), Some("4401"));
    page.finish().await;
}

async fn the_reconnecting_client_stays_and_talks(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    page.click("#stay").await;
    page.status_is("open as ada").await;
    page.click("#join").await;
    page.log_until(|event| {
        event
            .text
            .as_deref()
            .is_some_and(|text| text.contains("joined"))
    })
    .await;
    page.type_into("#text", "hello from a browser").await;
    page.click("#say").await;
    page.log_until(|event| {
        event.text.as_deref().is_some_and(|text| {
            text.contains(r#""type":"message""#) && text.contains("hello from a browser")
        })
    })
    .await;
    page.click("#leave").await;
    page.finish().await;
}
