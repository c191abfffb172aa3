//! A page in real Chromium reads why it was refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "browser")]

mod common;
mod driver;
mod elsewhere;

use common::{Event, Page};
use elsewhere::{Wire, foreign_page};

/// Clicks a button, such as `JWT: valid`, and returns what the log shows of it until its socket
/// is closed, or until the welcome.
async fn click(page: &Page, button: &str) -> Vec<Event> {
    page.clear_log().await;
    page.click(&format!("button[aria-label='{button}']")).await;
    let of_it = |event: &Event| event.source == button;
    let welcome = |event: &Event| {
        event
            .text
            .as_ref()
            .is_some_and(|text| text.contains("welcome"))
    };
    let log = page.log_until(|event| of_it(event) && (event.kind == "close" || welcome(event)));
    log.await.into_iter().filter(of_it).collect()
}

fn assert_closed(events: &[Event], code: &str, reason: &str) {
    let close = events.last().unwrap();
    assert_eq!(close.code.as_deref(), Some(code), "{events:?}");
    assert_eq!(close.reason.as_deref(), Some(reason), "{events:?}");
    assert_eq!(close.clean.as_deref(), Some("true"), "{events:?}");
}

#[tokio::test]
async fn every_valid_credential_opens_the_socket_and_is_welcomed() {
    let page = Page::open(&[]).await;
    for (button, via) in [
        ("JWT: valid", "jwt"),
        ("Session: valid", "session"),
        ("Ticket: valid", "ticket"),
        ("Any: valid", "session"),
    ] {
        let events = click(&page, button).await;
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

#[tokio::test]
async fn refused_ones_read_their_code_and_reason_in_a_clean_close() {
    let page = Page::open(&[]).await;
    for offer in [false, true] {
        for eager in [false, true] {
            page.set_checked("#offer-subprotocol", offer).await;
            page.set_checked("#eager", eager).await;
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
            ] {
                let events = click(&page, button).await;
                assert_closed(&events, "4401", reason);
            }
        }
    }
    page.finish().await;
}

#[tokio::test]
async fn a_ticket_opens_one_socket_and_its_replay_is_refused() {
    let page = Page::open(&[]).await;
    for button in ["Ticket: replayed", "Any: replayed"] {
        let events = click(&page, button).await;
        assert_closed(&events, "4401", "ticket_invalid");
    }
    page.finish().await;
}

#[tokio::test]
async fn the_message_before_the_close_frame_arrives_too() {
    let page = Page::open(&["--reject-message"]).await;
    let events = click(&page, "JWT: expired").await;
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

#[tokio::test]
async fn a_page_of_another_origin_learns_nothing() {
    let page = Page::open(&["--origin", "https://app.example"]).await;
    for button in ["JWT: none", "Ticket: none"] {
        let events = click(&page, button).await;
        assert_eq!(
            events.last().unwrap().code.as_deref(),
            Some("1006"),
            "{events:?}"
        );
    }
    // The browser itself reports the failed connections on its console.
    page.finish_with_console_errors().await;
}

#[tokio::test]
async fn a_page_on_another_port_brings_the_cookie_and_is_refused_all_the_same() {
    let page = Page::open(&[]).await;
    click(&page, "Session: valid").await;
    let wire = Wire::to(page.chat()).await;
    let foreign = foreign_page().await;
    page.go_to(&format!("http://{foreign}/")).await;
    let code = page
        .close_code_of(&format!("ws://{}/ws/session", wire.address))
        .await;
    assert_eq!(code, 1006);
    let (request, answer) = wire.seen();
    assert!(
        request.contains(&format!("Origin: http://{foreign}\r\n")),
        "{request}"
    );
    assert!(request.contains("Cookie: connect.sid=s%3A"), "{request}");
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\norigin_denied"), "{answer}");
    page.finish_with_console_errors().await;
}

#[tokio::test]
async fn the_reconnecting_client_stays_and_talks() {
    let page = Page::open(&[]).await;
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
