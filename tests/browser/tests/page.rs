//! A page in real Chromium reads why it was refused.
#![cfg(feature = "browser")]

mod common;

use common::{Event, Page};

const CLOSED: &str = "close";

/// Clicks a button of the page and returns what the log shows until the socket is closed, or
/// until the welcome.
async fn click(page: &Page, case: &str) -> Vec<Event> {
    page.clear_log().await;
    page.click(&format!("button[data-strategy=jwt][data-case={case}]"))
        .await;
    page.log_until(|event| {
        event.kind == CLOSED
            || event
                .text
                .as_deref()
                .is_some_and(|text| text.contains("welcome"))
    })
    .await
}

#[tokio::test]
async fn a_valid_token_opens_the_socket_and_is_welcomed() {
    let page = Page::open(&[]).await;
    let events = click(&page, "valid").await;
    let welcome = events.last().and_then(|event| event.text.clone()).unwrap();
    let welcome: serde_json::Value = serde_json::from_str(&welcome).unwrap();
    assert_eq!(
        (&welcome["type"], &welcome["user"], &welcome["via"]),
        (&"welcome".into(), &"ada".into(), &"jwt".into())
    );
    assert!(welcome["expires_at"].as_i64().is_some());
    page.finish().await;
}

#[tokio::test]
async fn refused_ones_read_their_code_and_reason_in_a_clean_close() {
    let page = Page::open(&[]).await;
    for offer in [false, true] {
        for eager in [false, true] {
            page.set_checked("#offer-subprotocol", offer).await;
            page.set_checked("#eager", eager).await;
            for (case, reason) in [
                ("expired", "token_expired"),
                ("tampered", "token_invalid"),
                ("none", "credentials_missing"),
            ] {
                let events = click(&page, case).await;
                let what = format!("{case}, offer {offer}, eager {eager}: {events:?}");
                let close = events.last().unwrap();
                assert_eq!(close.code.as_deref(), Some("4401"), "{what}");
                assert_eq!(close.reason.as_deref(), Some(reason), "{what}");
                assert_eq!(close.clean.as_deref(), Some("true"), "{what}");
            }
        }
    }
    page.finish().await;
}

#[tokio::test]
async fn the_message_before_the_close_frame_arrives_too() {
    let page = Page::open(&["--reject-message"]).await;
    let events = click(&page, "expired").await;
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
    for case in ["valid", "expired", "none"] {
        let events = click(&page, case).await;
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
