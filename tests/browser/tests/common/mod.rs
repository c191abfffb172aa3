//! The chat's page in a browser.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chat::{Chat, Options};
use clap::Parser;
use fantoccini::{Client, Locator};
use serde_json::Value;
use tokio::process::Child;
use tokio::time::sleep;

use crate::driver::{PATIENCE, browser};

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
pub(crate) struct Page {
    chat: SocketAddr,
    browser: Client,
    _driver: Child,
}

impl Page {
    /// Starts a chat with these options and opens its page.
    pub(crate) async fn open(options: &[&str]) -> Self {
        let options = ["chat", "--listen", "127.0.0.1:0"].iter().chain(options);
        let chat = Chat::bind(Options::try_parse_from(options).unwrap())
            .await
            .unwrap();
        let address = chat.address();
        tokio::spawn(chat.serve(std::future::pending()));
        let (browser, driver) = browser(&[]).await;
        browser.goto(&format!("http://{address}/")).await.unwrap();
        let page = Self {
            chat: address,
            browser,
            _driver: driver,
        };
        page.wait_for("a button", async || {
            page.find("button[data-case=valid]").await
        })
        .await;
        page
    }

    /// Where the chat listens.
    pub(crate) fn chat(&self) -> SocketAddr {
        self.chat
    }

    /// Leaves the chat's page for another.
    pub(crate) async fn go_to(&self, url: &str) {
        self.browser.goto(url).await.unwrap();
    }

    /// Opens a WebSocket from the page and returns its close code.
    pub(crate) async fn close_code_of(&self, url: &str) -> u64 {
        const SCRIPT: &str = "const [url, done] = arguments; \
            new WebSocket(url).onclose = ({ code }) => done(code);";
        let code = self
            .browser
            .execute_async(SCRIPT, vec![url.into()])
            .await
            .unwrap();
        code.as_u64().unwrap()
    }

    pub(crate) async fn click(&self, selector: &str) {
        let found = self.browser.find(Locator::Css(selector)).await.unwrap();
        found.click().await.unwrap();
    }

    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        let found = self.browser.find(Locator::Css(selector)).await.unwrap();
        found.send_keys(text).await.unwrap();
    }

    pub(crate) async fn set_checked(&self, selector: &str, checked: bool) {
        let found = self.browser.find(Locator::Css(selector)).await.unwrap();
        if found.is_selected().await.unwrap() != checked {
            found.click().await.unwrap();
        }
    }

    pub(crate) async fn clear_log(&self) {
        self.click("#clear").await;
    }

    /// Waits until the log holds such an entry; the log up to it.
    pub(crate) async fn log_until(&self, done: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut last = Vec::new();
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            last = self.log().await;
            if let Some(at) = last.iter().position(&done) {
                last.truncate(at + 1);
                return last;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("the log never showed it: {last:?}");
    }

    pub(crate) async fn status_is(&self, expected: &str) {
        self.wait_for(expected, async || {
            let status = self.browser.find(Locator::Css("#status")).await.ok()?;
            (status.text().await.ok()?.trim() == expected).then_some(())
        })
        .await;
    }

    /// Ends the browser; the page has written nothing to its console.
    pub(crate) async fn finish(self) {
        let errors = self.console_errors().await;
        assert!(errors.is_empty(), "console: {errors:?}");
        self.browser.close().await.unwrap();
    }

    /// Ends the browser; it has reported failed connections, and nothing else, on the console.
    pub(crate) async fn finish_with_console_errors(self) {
        let errors = self.console_errors().await;
        assert!(!errors.is_empty());
        assert!(
            errors
                .iter()
                .all(|error| error.contains("WebSocket connection")),
            "{errors:?}"
        );
        self.browser.close().await.unwrap();
    }

    async fn console_errors(&self) -> Vec<String> {
        let log = self.browser.issue_cmd(BrowserLog).await.unwrap();
        let entries = log.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    async fn log(&self) -> Vec<Event> {
        const SCRIPT: &str =
            "return [...document.querySelectorAll('#log li')].map((li) => ({...li.dataset}))";
        let entries = self.browser.execute(SCRIPT, vec![]).await.unwrap();
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
        self.browser
            .find(Locator::Css(selector))
            .await
            .ok()
            .map(drop)
    }

    async fn wait_for<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(found) = look().await {
                return found;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("never saw {what:?}");
    }
}

/// Chromedriver's own command: what the page and the browser wrote to the console.
#[derive(Debug)]
struct BrowserLog;

impl fantoccini::wd::WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _url: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(r#"{"type":"browser"}"#.to_owned()))
    }
}
