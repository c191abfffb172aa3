//! The page on a phone, in the dark, by the keyboard, and for a screen reader.

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde::Deserialize;
use serde_json::json;

use crate::browser::{Browser, Kind};
use crate::chat_page::Page;

#[tokio::test]
async fn the_page_is_comfortable_in_chromium() {
    Browser::run(Kind::Chromium, async |browser| {
        the_keyboard_reaches_everything_in_order(browser).await;
        every_rule_of_accessibility_holds(browser).await;
        in_the_dark_too(browser).await;
        on_a_phone_the_result_is_in_view(browser).await;
    })
    .await;
}

#[tokio::test]
async fn the_page_is_comfortable_in_firefox() {
    Browser::run(Kind::Firefox, async |browser| {
        the_keyboard_reaches_everything_in_order(browser).await;
        every_rule_of_accessibility_holds(browser).await;
    })
    .await;
}

/// The first controls of the page, and those around the result of an attempt.
async fn the_keyboard_reaches_everything_in_order(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    for name in ["user", "login", "logout", "JWT: valid"] {
        tab(browser).await;
        assert_eq!(focused(&page).await, name);
    }
    send(browser, Key::Enter).await;
    let card = page.card_until(|card| card.verdict == "accepted").await;
    assert_eq!(card.name, "JWT: valid");
    for name in ["expired", "tampered", "none"] {
        tab(browser).await;
        assert_eq!(focused(&page).await, format!("JWT: {name}"));
    }
    let mut names = Vec::new();
    while names.last().is_none_or(|last| last != "clear") {
        tab(browser).await;
        names.push(focused(&page).await);
        assert!(names.len() < 60, "{names:?}");
    }
    let end = ["Channel: none", "offer-subprotocol", "eager", "JWT: valid"];
    let at = names.iter().position(|name| name == end[0]).unwrap();
    assert_eq!(names[at..at + end.len()], end, "{names:?}");
    assert!(names.contains(&"stay".to_owned()), "{names:?}");
    page.finish().await;
}

async fn tab(browser: &Browser) {
    send(browser, Key::Tab).await;
}

async fn send(browser: &Browser, key: Key) {
    let value = key.into();
    let keys = KeyActions::new("keyboard".to_owned())
        .then(KeyAction::Down { value })
        .then(KeyAction::Up { value });
    browser.client.perform_actions(keys).await.unwrap();
}

/// The name of the focused control: its label or id; a card's is that of its button.
async fn focused(page: &Page<'_>) -> String {
    const SCRIPT: &str = "const it = document.activeElement; \
        return it.getAttribute('aria-label') ?? (it.id || it.closest('.card')?.dataset.name || it.textContent);";
    page.script(SCRIPT).await
}

/// With cards of every kind, and all of the page in view: axe judges no contrast behind an edge.
async fn every_rule_of_accessibility_holds(browser: &Browser) {
    let page = Page::open(browser, &[]).await;
    attempts_of_every_kind(&page).await;
    assert_accessible(browser, &page).await;
    page.finish_even_if_connections_failed().await;
}

async fn attempts_of_every_kind(page: &Page<'_>) {
    page.card_of("Lease: token of 5 s").await;
    page.card_until(|card| card.verdict == "ended").await;
    for button in [
        "Origin: foreign page",
        "Channel: none",
        "JWT: valid",
        "JWT: tampered",
    ] {
        page.card_of(button).await;
    }
    let opened: usize = page
        .script(
            "const all = [...document.querySelectorAll('.card')]; \
             for (const card of all) card.open = true; return all.length;",
        )
        .await;
    assert!(opened >= 5, "{opened} cards");
}

async fn in_the_dark_too(browser: &Browser) {
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.devtools("Emulation.setEmulatedMedia", dark).await;
    let page = Page::open(browser, &[]).await;
    let scheme = "return matchMedia('(prefers-color-scheme: dark)').matches";
    assert!(page.script::<bool>(scheme).await);
    attempts_of_every_kind(&page).await;
    assert_accessible(browser, &page).await;
    page.finish_even_if_connections_failed().await;
    let none = json!({ "features": [] });
    browser.devtools("Emulation.setEmulatedMedia", none).await;
}

async fn on_a_phone_the_result_is_in_view(browser: &Browser) {
    let phone = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": true });
    browser
        .devtools("Emulation.setDeviceMetricsOverride", phone)
        .await;
    let page = Page::open(browser, &[]).await;
    for button in ["JWT: tampered", "Channel: none"] {
        page.card_of(button).await;
        let place: Place = page.script(&place_of(button)).await;
        assert_eq!((place.width, place.content), (320.0, 320.0), "{place:?}");
        // The button is still there, and the result right under it.
        let in_view =
            0.0 <= place.button && place.button < place.top && place.bottom <= place.height;
        assert!(in_view, "{button}: {place:?}");
    }
    // Nothing that the keyboard reaches lies behind something else.
    page.script::<()>("document.activeElement.blur(); scrollTo(0, 0)")
        .await;
    let mut names = Vec::new();
    while names.last().is_none_or(|last| last != "clear") {
        tab(browser).await;
        names.push(focused(&page).await);
        assert!(names.len() < 60, "{names:?}");
        assert!(page.script::<bool>(FOCUS_IS_VISIBLE).await, "{names:?}");
    }
    attempts_of_every_kind(&page).await;
    assert_accessible(browser, &page).await;
    browser
        .devtools("Emulation.clearDeviceMetricsOverride", json!({}))
        .await;
    page.finish_even_if_connections_failed().await;
}

/// Where the words of the newest card are, and the pressed button.
#[derive(Debug, Deserialize)]
struct Place {
    button: f64,
    top: f64,
    bottom: f64,
    height: f64,
    width: f64,
    content: f64,
}

fn place_of(button: &str) -> String {
    format!(
        "const place = (selector) => document.querySelector(selector).getBoundingClientRect();
        const {{ top, bottom }} = place('#latest summary');
        const button = place(`[aria-label='{button}']`).top;
        const content = document.documentElement.scrollWidth;
        return {{ button, top, bottom, content, height: innerHeight, width: innerWidth }};"
    )
}

const FOCUS_IS_VISIBLE: &str = "
const it = document.activeElement;
const { left, top, width, height } = it.getBoundingClientRect();
const seen = document.elementFromPoint(left + width / 2, top + Math.min(height / 2, 20));
return it.contains(seen);
";

async fn assert_accessible(browser: &Browser, page: &Page<'_>) {
    let axe = test_support::packages("node/node_modules", "axe-core").join("axe-core/axe.min.js");
    let axe = std::fs::read_to_string(axe).unwrap();
    let script = format!("{axe}; {AXE}");
    let found = browser.client.execute_async(&script, vec![]).await.unwrap();
    let found: Vec<String> = serde_json::from_value(found).unwrap();
    assert!(found.is_empty(), "{found:#?}");
    let hosts: Vec<String> = page
        .script(
            "return performance.getEntriesByType('resource').map(({ name }) => new URL(name).host)",
        )
        .await;
    let own = page.chat().to_string();
    assert!(
        hosts.len() > 5 && hosts.iter().all(|host| *host == own),
        "{hosts:?}"
    );
}

/// The violations, and the contrasts that could not be judged.
const AXE: &str = r"
const done = arguments[arguments.length - 1];
document.querySelector('#log-box').style.height = 'auto';
Object.assign(document.querySelector('#results').style, { position: 'static', maxHeight: 'none' });
const of = ({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`);
const still = Promise.all(document.getAnimations().map((it) => it.finished));
still.then(() => window.axe.run()).then(({ violations, incomplete, passes }) => {
  const unjudged = incomplete.filter(({ id }) => id === 'color-contrast');
  const judged = passes.some(({ id }) => id === 'color-contrast');
  const missing = judged ? [] : ['no contrast was judged'];
  done([...violations, ...unjudged].flatMap(of).concat(missing));
}, (error) => done([`${error}`]));
";
