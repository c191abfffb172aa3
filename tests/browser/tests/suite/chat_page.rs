//! The chat's page in a browser.

use std::cell::RefCell;
use std::net::SocketAddr;

use chat::{Chat, Options};
use clap::Parser;
use fantoccini::{Client, Locator};
use serde_json::Value;
use test_support::until_ok;

use crate::browser::{Browser, Kind};

/// An entry of the page's log.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The button's name, or `Chat`.
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) text: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) clean: Option<String>,
}

/// The chat's page, open in a browser.
pub(crate) struct Page<'a> {
    chat: SocketAddr,
    browser: &'a Browser,
    client: &'a Client,
}

impl<'a> Page<'a> {
    /// Starts a chat with these options and opens its page; no cookie of an earlier chat is left.
    pub(crate) async fn open(browser: &'a Browser, options: &[&str]) -> Self {
        let options = ["chat", "--listen", "127.0.0.1:0"].iter().chain(options);
        let chat = Chat::bind(Options::try_parse_from(options).unwrap())
            .await
            .unwrap();
        let address = chat.address();
        tokio::spawn(chat.serve(std::future::pending()));
        let client = &browser.client;
        client.goto(&format!("http://{address}/")).await.unwrap();
        client.delete_all_cookies().await.unwrap();
        let page = Self {
            chat: address,
            browser,
            client,
        };
        until_ok("a button", async || {
            page.find("button[data-case=valid]").await
        })
        .await;
        page
    }

    /// The address of the chat.
    pub(crate) fn chat(&self) -> SocketAddr {
        self.chat
    }

    /// Leaves the chat's page for another.
    pub(crate) async fn go_to(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Opens a WebSocket from the page and returns its close code.
    pub(crate) async fn close_code_of(&self, url: &str) -> u64 {
        const SCRIPT: &str = "const [url, done] = arguments; \
            new WebSocket(url).onclose = ({ code }) => done(code);";
        let code = self
            .client
            .execute_async(SCRIPT, vec![url.into()])
            .await
            .unwrap();
        code.as_u64().unwrap()
    }

    /// Clicks a button, such as `JWT: valid`, and returns what the log shows of it until its socket
    /// is closed, or until the welcome.
    pub(crate) async fn attempt(&self, button: &str) -> Vec<Event> {
        self.click("#clear").await;
        self.click(&format!("button[aria-label='{button}']")).await;
        let of_it = |event: &Event| event.source == button;
        let is_welcome = |event: &Event| {
            let text = event.text.as_ref();
            text.is_some_and(|text| text.contains("welcome"))
        };
        let log =
            self.log_until(|event| of_it(event) && (event.kind == "close" || is_welcome(event)));
        log.await.into_iter().filter(of_it).collect()
    }

    pub(crate) async fn click(&self, selector: &str) {
        let found = self.client.find(Locator::Css(selector)).await.unwrap();
        found.click().await.unwrap();
    }

    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        let found = self.client.find(Locator::Css(selector)).await.unwrap();
        found.send_keys(text).await.unwrap();
    }

    pub(crate) async fn set_checked(&self, selector: &str, checked: bool) {
        let found = self.client.find(Locator::Css(selector)).await.unwrap();
        if found.is_selected().await.unwrap() != checked {
            found.click().await.unwrap();
        }
    }

    /// Waits until the log holds such an entry; the log up to it.
    pub(crate) async fn log_until(&self, done: impl Fn(&Event) -> bool) -> Vec<Event> {
        let last = RefCell::default();
        until_ok(
            || format!("an entry of the log {last:?}"),
            async || {
                let mut log = self.log().await;
                let found = log.iter().position(&done);
                log.truncate(found.map_or(log.len(), |at| at + 1));
                last.replace(log);
                found.is_some()
            },
        )
        .await;
        last.into_inner()
    }

    pub(crate) async fn status_is(&self, expected: &str) {
        until_ok(expected, async || {
            let status = self.client.find(Locator::Css("#status")).await.ok()?;
            (status.text().await.ok()?.trim() == expected).then_some(())
        })
        .await;
    }

    /// No error is on the console.
    pub(crate) async fn finish(self) {
        let errors = self.browser.console_errors().await;
        assert!(errors.is_empty(), "console: {errors:?}");
    }

    /// Only failed connections are on the console.
    pub(crate) async fn finish_after_failed_connections(self) {
        let errors = self.browser.console_errors().await;
        let of_a_connection = |error: &String| error.contains("WebSocket connection");
        assert!(errors.iter().all(of_a_connection), "{errors:?}");
        let reported = self.browser.kind == Kind::Chromium;
        assert_eq!(!errors.is_empty(), reported, "{errors:?}");
    }

    async fn log(&self) -> Vec<Event> {
        const SCRIPT: &str =
            "return [...document.querySelectorAll('#log li')].map((li) => ({...li.dataset}))";
        let entries = self.client.execute(SCRIPT, vec![]).await.unwrap();
        let text = |entry: &Value, name: &str| entry[name].as_str().map(ToOwned::to_owned);
        let event = |entry: &Value| Event {
            source: text(entry, "source").unwrap_or_default(),
            kind: text(entry, "event").unwrap_or_default(),
            text: text(entry, "text"),
            code: text(entry, "code"),
            reason: text(entry, "reason"),
            clean: text(entry, "clean"),
        };
        entries.as_array().unwrap().iter().map(event).collect()
    }

    async fn find(&self, selector: &str) -> Option<()> {
        self.client
            .find(Locator::Css(selector))
            .await
            .ok()
            .map(drop)
    }
}
