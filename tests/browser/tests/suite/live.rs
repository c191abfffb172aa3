//! What happens to connections of the page while they are open.

use crate::browser::{Browser, Kind};
use crate::chat_page::{Card, Event, Page};

#[tokio::test]
async fn the_page_shows_how_connections_end_in_chromium() {
    Browser::run(Kind::Chromium, the_page_shows_how_connections_end).await;
}

#[tokio::test]
async fn the_page_shows_how_connections_end_in_firefox() {
    Browser::run(Kind::Firefox, the_page_shows_how_connections_end).await;
}

async fn the_page_shows_how_connections_end(browser: &Browser) {
    a_connection_ends_with_its_token(browser).await;
    a_renewed_one_outlives_its_first_token(browser).await;
    one_that_says_nothing_is_not_waited_for(browser).await;
    a_second_tab_revokes_what_is_open_in_the_first(browser).await;
    a_logout_ends_what_is_open(browser).await;
    no_attempt_logs_the_user_out(browser).await;
    the_page_recovers_from_a_restart(browser).await;
    the_next_click_finds_out_about_a_restart(browser).await;
    two_tabs_recover_beside_each_other(browser).await;
}

const BY_LEASE: [&str; 5] = ["passed", "passed", "passed", "ended", "passed"];

async fn a_connection_ends_with_its_token(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    page.card_of("Lease: token of 5 s").await;
    let card = page.card_until(|card| card.verdict == "ended").await;
    assert_ended(&card, "4401", "token_expired");
    page.finish().await;
}

async fn a_renewed_one_outlives_its_first_token(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    page.card_of("Renewal: fresh token").await;
    page.log_until(|event| event.kind == "renewed").await;
    // Seven seconds later, or a little more. The first token had five.
    let is_later = |card: &Card| {
        let left = ["in 23 seconds", "in 22 seconds", "in 21 seconds"];
        left.iter().any(|left| card.text.contains(left))
    };
    let card = page.card_until(is_later).await;
    assert_eq!(card.verdict, "accepted", "{card:?}");
    assert_eq!(card.stack.last().unwrap(), "open", "{card:?}");
    assert!(card.text.contains("POST /ws/renew: 204"), "{card:?}");
    page.finish().await;
}

async fn one_that_says_nothing_is_not_waited_for(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    let card = page.card_of("First message: silent").await;
    let refused = "Refused 4408 message_timeout";
    assert!(card.text.starts_with(refused), "{card:?}");
    page.finish().await;
}

async fn a_second_tab_revokes_what_is_open_in_the_first(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    let card = page.card_of("Revocation: connect").await;
    assert_eq!(card.verdict, "accepted");
    let client = &browser.client;
    let first = client.window().await.unwrap();
    page.press("Revocation: open a second tab").await;
    let windows = client.windows().await.unwrap();
    let second = windows.into_iter().find(|window| *window != first);
    client.switch_to_window(second.unwrap()).await.unwrap();
    // It knows the login, and does not end it by another one.
    page.text_is("#account", "logged in as ada").await;
    page.press("Revocation: revoke").await;
    let revoked = |event: &Event| event.kind == "revoked";
    page.log_until(revoked).await;
    assert!(browser.console_errors().await.is_empty());
    client.close_window().await.unwrap();
    client.switch_to_window(first).await.unwrap();
    let card = page.card_until(|card| card.verdict == "ended").await;
    assert_ended(&card, "4403", "revoked");
    // A new login is welcome.
    let card = page.card_of("JWT: valid").await;
    assert_eq!(card.verdict, "accepted");
    page.finish().await;
}

async fn a_logout_ends_what_is_open(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    page.click("#stay").await;
    page.status_is("open as ada").await;
    page.card_of("Session: valid").await;
    page.click("#logout").await;
    let card = page.card_until(|card| card.verdict == "ended").await;
    assert_ended(&card, "4401", "session_ended");
    page.status_is("stopped: session_ended (log in)").await;
    page.finish().await;
}

#[track_caller]
fn assert_ended(card: &Card, code: &str, reason: &str) {
    let first = format!("Accepted then {code} {reason}");
    assert!(card.text.starts_with(&first), "{card:?}");
    assert_eq!(card.stack, BY_LEASE, "{card:?}");
    assert_eq!((&*card.code, &*card.reason), (code, reason));
}

async fn no_attempt_logs_the_user_out(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    page.click("#stay").await;
    page.status_is("open as ada").await;
    for (button, reason) in [
        ("Session: none", "credentials_missing"),
        ("Any: none", "credentials_missing"),
        ("Session: tampered", "session_invalid"),
    ] {
        let card = page.card_of(button).await;
        assert_eq!(card.reason, reason, "{button}");
        page.text_is("#account", "logged in as ada").await;
    }
    let card = page.card_of("Session: valid").await;
    assert_eq!(card.verdict, "accepted");
    page.status_is("open as ada").await;
    let ended =
        "return document.querySelectorAll('#log [data-source=Chat][data-event=close]').length";
    assert_eq!(page.script::<usize>(ended).await, 0);

    page.reload().await;
    page.text_is("#account", "logged in as ada").await;
    page.finish().await;
}

async fn the_page_recovers_from_a_restart(browser: &Browser) {
    let mut page = Page::open(browser, &[]).await;
    page.click("#stay").await;
    page.status_is("open as ada").await;
    page.click("#join").await;
    let joined = |event: &Event| {
        let text = event.text.as_deref().unwrap_or_default();
        event.source == "Chat" && text.contains("joined")
    };
    page.log_until(joined).await;
    page.card_of("Session: valid").await;
    page.click("#clear").await;

    page.restart_chat(&[]).await;
    // Nobody clicks anything: it connects, and is in its channel again.
    page.log_until(joined).await;
    page.status_is("open as ada").await;
    let card = page.card_until(|card| card.verdict == "ended").await;
    assert_ended(&card, "1001", "going_away");
    for button in ["Session: valid", "Ticket: valid"] {
        let card = page.card_of(button).await;
        assert_eq!(card.verdict, "accepted", "{button}");
    }
    page.finish_even_if_connections_failed().await;
}

/// No connection of the page was open, so nothing told it.
async fn the_next_click_finds_out_about_a_restart(browser: &Browser) {
    let mut page = Page::open(browser, &[]).await;
    for button in ["Session: valid", "Ticket: valid"] {
        page.click("#login").await;
        page.text_is("#account", "logged in as ada").await;
        page.restart_chat(&[]).await;
        let card = page.card_of(button).await;
        assert_eq!(card.verdict, "accepted", "{button}: {card:?}");
        page.click("#logout").await;
        page.card_until(|card| card.verdict == "ended").await;
    }
    // A browser reports each 401.
    let errors = browser.console_errors().await;
    assert!(
        errors.iter().all(|error| error.contains("401")),
        "{errors:?}"
    );
}

/// A login ends the session before it. The tabs share the session, so only one of them may log in.
async fn two_tabs_recover_beside_each_other(browser: &Browser) {
    let mut page = Page::open(browser, &[]).await;
    page.click("#stay").await;
    page.status_is("open as ada").await;
    let client = &browser.client;
    let first = client.window().await.unwrap();
    page.press("Revocation: open a second tab").await;
    let windows = client.windows().await.unwrap();
    let second = windows.into_iter().find(|window| *window != first);
    let second = second.unwrap();
    client.switch_to_window(second.clone()).await.unwrap();
    page.text_is("#account", "logged in as ada").await;
    page.click("#stay").await;
    page.status_is("open as ada").await;
    page.click("#clear").await;
    client.switch_to_window(first.clone()).await.unwrap();
    page.click("#clear").await;

    // Both tabs ask about their session before either has an answer.
    page.restart_chat(&["--hold-ms", "1500"]).await;
    let welcomed = |event: &Event| {
        let text = event.text.as_deref().unwrap_or_default();
        event.source == "Chat" && text.contains("welcome")
    };
    page.log_until(welcomed).await;
    client.switch_to_window(second).await.unwrap();
    page.log_until(welcomed).await;
    page.status_is("open as ada").await;
    client.close_window().await.unwrap();
    client.switch_to_window(first).await.unwrap();
    page.status_is("open as ada").await;
    page.finish_even_if_connections_failed().await;
}
