//! Pages of other origins read no reason.

use crate::browser::{Browser, Kind};
use crate::chat_page::Page;
use crate::elsewhere::{Wire, foreign_page};

#[tokio::test]
async fn a_foreign_page_learns_nothing_in_chromium() {
    Browser::run(Kind::Chromium, a_foreign_page_learns_nothing).await;
}

#[tokio::test]
async fn a_foreign_page_learns_nothing_in_firefox() {
    Browser::run(Kind::Firefox, a_foreign_page_learns_nothing).await;
}

async fn a_foreign_page_learns_nothing(browser: &Browser) {
    a_page_of_another_origin_learns_nothing(browser).await;
    a_page_on_another_port_brings_the_cookie_and_is_refused_all_the_same(browser).await;
}

async fn a_page_of_another_origin_learns_nothing(browser: &Browser) {
    let page = Page::open(browser, &["--origin", "https://app.example"]).await;
    for button in ["JWT: none", "Ticket: none"] {
        let events = page.attempt(button).await;
        assert_eq!(
            events.last().unwrap().code.as_deref(),
            Some("1006"),
            "{events:?}"
        );
    }
    page.finish_after_failed_connections().await;
}

async fn a_page_on_another_port_brings_the_cookie_and_is_refused_all_the_same(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    page.attempt("Session: valid").await;
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
    page.finish_after_failed_connections().await;
}
