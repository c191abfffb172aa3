//! The card of each attempt, and the row of layers that lights up.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::browser::{Browser, Kind};
use crate::chat_page::Page;

#[tokio::test]
async fn a_card_says_what_happened_and_where_in_chromium() {
    Browser::run(Kind::Chromium, a_card_says_what_happened_and_where).await;
}

#[tokio::test]
async fn a_card_says_what_happened_and_where_in_firefox() {
    Browser::run(Kind::Firefox, a_card_says_what_happened_and_where).await;
}

async fn a_card_says_what_happened_and_where(browser: &Browser) {
    the_row_of_layers_lights_up_where_a_handshake_stops(browser).await;
    a_program_without_an_origin_gets_the_answer_on_the_card(browser).await;
    a_replayed_ticket_shows_its_first_use_too(browser).await;
    a_channel_ticket_opens_one_channel_once(browser).await;
    a_foreign_page_stops_at_the_origin(browser).await;
}

const ACCEPTED: [&str; 5] = ["passed", "passed", "passed", "passed", "open"];
const AT_ORIGIN: [&str; 5] = ["passed", "stopped", "unreached", "unreached", "unreached"];
const AT_AUTH: [&str; 5] = ["passed", "passed", "stopped", "unreached", "unreached"];
const AT_HANDLER: [&str; 5] = ["passed", "passed", "passed", "passed", "stopped"];

async fn the_row_of_layers_lights_up_where_a_handshake_stops(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    for button in [
        "JWT: valid",
        "Session: valid",
        "Ticket: valid",
        "Any: valid",
    ] {
        let card = page.card_of(button).await;
        assert!(card.text.starts_with("Accepted"), "{card:?}");
        assert_eq!(card.stack, ACCEPTED, "{button}");
        assert!(card.text.contains("ada, by"), "{card:?}");
        assert!(card.text.contains("Open until"), "{card:?}");
    }
    for (button, reason) in [
        ("JWT: expired", "token_expired"),
        ("Session: tampered", "session_invalid"),
        ("Ticket: none", "credentials_missing"),
    ] {
        let card = page.card_of(button).await;
        let first = format!("Refused 4401 {reason}");
        assert!(card.text.starts_with(&first), "{card:?}");
        assert_eq!(card.stack, AT_AUTH, "{button}");
        assert_eq!((&*card.layer, &*card.code), ("auth", "4401"), "{button}");
    }
    page.finish().await;
}

async fn a_program_without_an_origin_gets_the_answer_on_the_card(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    let (expired, tampered) = (page.tokens.expired.clone(), page.tokens.tampered.clone());
    for (button, target) in [
        ("JWT: valid", format!("/ws/jwt?token={}", page.tokens.valid)),
        ("JWT: expired", format!("/ws/jwt?token={expired}")),
        ("JWT: tampered", format!("/ws/jwt?token={tampered}")),
        ("JWT: none", "/ws/jwt".to_owned()),
        ("Session: tampered", "/ws/session".to_owned()),
        ("Session: none", "/ws/session".to_owned()),
        ("Ticket: tampered", "/ws/ticket?ticket=unknown".to_owned()),
        ("Ticket: none", "/ws/ticket".to_owned()),
        ("Any: tampered", format!("/ws/any?token={tampered}")),
        ("Any: none", "/ws/any".to_owned()),
        ("First message: none", "/ws/first".to_owned()),
    ] {
        let card = page.card_of(button).await;
        let claimed = card.curl.as_deref().unwrap_or_default();
        let mut claimed = claimed.lines();
        let answer = answer_without_origin(page.chat(), &target).await;
        let status = format!("HTTP/1.1 {}\r\n", claimed.next().unwrap());
        assert!(answer.starts_with(&status), "{button}: {status} {answer}");
        if card.verdict == "refused" {
            let body = claimed.next().unwrap();
            assert!(answer.ends_with(body), "{button}: {body} {answer}");
        }
    }
    page.finish().await;
}

/// The head of the answer, and the body of a refusal.
async fn answer_without_origin(server: std::net::SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let is_upgrade = |answer: &[u8]| answer.starts_with(b"HTTP/1.1 101");
    while stream.read_buf(&mut answer).await.unwrap() > 0 && !is_upgrade(&answer) {}
    String::from_utf8_lossy(&answer).into_owned()
}

async fn a_replayed_ticket_shows_its_first_use_too(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    let card = page.card_of("Ticket: replayed").await;
    assert!(
        card.text.starts_with("Refused 4401 ticket_invalid"),
        "{card:?}"
    );
    assert_eq!(card.stack, AT_AUTH);
    let earlier: Vec<String> = page
        .script("return [...document.querySelectorAll('#cards summary')].map((it) => it.innerText)")
        .await;
    assert_eq!(earlier.len(), 1, "{earlier:?}");
    assert!(earlier[0].starts_with("Accepted 101"), "{earlier:?}");
    assert!(earlier[0].contains("Ticket: first use"), "{earlier:?}");
    // An earlier card lights the row up again.
    page.click("#cards summary").await;
    page.text_is("#stack-caption", "Ticket: first use – passed every layer.")
        .await;
    page.finish().await;
}

async fn a_channel_ticket_opens_one_channel_once(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    let card = page.card_of("Channel: valid").await;
    assert!(
        card.text.starts_with("Accepted joined ticket-backstage"),
        "{card:?}"
    );
    assert_eq!(card.stack, ACCEPTED);
    for (button, reason) in [
        ("Channel: replayed", "ticket_invalid"),
        ("Channel: none", "credentials_missing"),
    ] {
        let card = page.card_of(button).await;
        let first = format!("Refused denied {reason}");
        assert!(card.text.starts_with(&first), "{card:?}");
        assert_eq!(card.stack, AT_HANDLER, "{button}");
        assert!(
            card.text.contains("The socket itself stays open."),
            "{card:?}"
        );
    }
    page.finish().await;
}

/// Its token is valid, so nothing but its origin can stop it.
async fn a_foreign_page_stops_at_the_origin(browser: &Browser) {
    let page = Page::open(browser, &["--metrics"]).await;
    let card = page.card_of("Origin: foreign page").await;
    assert!(card.text.starts_with("Refused 1006"), "{card:?}");
    assert_eq!(card.stack, AT_ORIGIN);
    let metrics = page.get("/metrics").await;
    assert!(metrics.contains("origin_denied"), "{metrics}");
    page.finish_even_if_connections_failed().await;
}
