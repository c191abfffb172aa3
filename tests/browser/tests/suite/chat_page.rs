//! The chat's page in a browser.

use std::cell::RefCell;
use std::net::SocketAddr;

use chat::{Chat, DemoTokens, Options};
use clap::Parser;
use fantoccini::{Client, Locator};
use serde::Deserialize;
use serde_json::Value;
use test_support::{until_done, until_ok};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

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

/// The newest card of the page, and the row of layers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Card {
    /// The button's name.
    pub(crate) name: String,
    pub(crate) verdict: String,
    /// Where it stopped or ended.
    pub(crate) layer: String,
    pub(crate) code: String,
    pub(crate) reason: String,
    /// All that it says.
    pub(crate) text: String,
    /// The state of each layer in the row at the top of the page.
    pub(crate) stack: Vec<String>,
    /// The answer without an `Origin`, as the card claims it.
    pub(crate) curl: Option<String>,
}

/// The chat's page, open in a browser.
pub(crate) struct Page<'a> {
    chat: SocketAddr,
    /// Tokens of the chat, for requests that do not come from the page.
    pub(crate) tokens: DemoTokens,
    server: Server,
    browser: &'a Browser,
    client: &'a Client,
}

/// A chat that serves until it is stopped.
struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(listen: &str, options: &[&str]) -> (Self, SocketAddr, DemoTokens) {
        let first = ["chat", "--listen", listen];
        let options = first.iter().chain(options);
        let options = Options::try_parse_from(options).unwrap();
        let chat = Chat::bind(options).await.unwrap();
        let (address, tokens) = (chat.address(), chat.demo_tokens().unwrap());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async {
                // An abandoned page still has its chat, and so nothing to report on the console.
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            chat.serve(stopped).await.unwrap();
        });
        (Self { stop, task }, address, tokens)
    }
}

impl<'a> Page<'a> {
    /// Starts a chat with these options and opens its page; no cookie of an earlier chat is left.
    pub(crate) async fn open(browser: &'a Browser, options: &[&str]) -> Self {
        let (server, address, tokens) = Server::start("127.0.0.1:0", options).await;
        let client = &browser.client;
        client.goto(&format!("http://{address}/")).await.unwrap();
        client.delete_all_cookies().await.unwrap();
        let page = Self {
            chat: address,
            tokens,
            server,
            browser,
            client,
        };
        page.is_drawn().await;
        page
    }

    async fn is_drawn(&self) {
        until_ok("a button", async || {
            self.find("button[data-case=valid]").await
        })
        .await;
    }

    /// Stops the chat and starts another one in its place, which knows no secret of the first.
    pub(crate) async fn restart_chat(&mut self, options: &[&str]) {
        let (next, listen) = (oneshot::channel().0, self.chat.to_string());
        let stop = std::mem::replace(&mut self.server.stop, next);
        stop.send(()).unwrap();
        (&mut self.server.task).await.unwrap();
        (self.server, self.chat, self.tokens) = Server::start(&listen, options).await;
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
        self.is_drawn().await;
    }

    /// The result of a script in the page.
    pub(crate) async fn script<T: serde::de::DeserializeOwned>(&self, script: &str) -> T {
        let result = self.client.execute(script, vec![]).await.unwrap();
        serde_json::from_value(result).unwrap()
    }

    /// The text that a GET from the page returns.
    pub(crate) async fn get(&self, path: &str) -> String {
        const SCRIPT: &str = "const [path, done] = arguments; \
            fetch(path).then((answer) => answer.text()).then(done);";
        let text = self.client.execute_async(SCRIPT, vec![path.into()]).await;
        text.unwrap().as_str().unwrap().to_owned()
    }

    pub(crate) async fn press(&self, button: &str) {
        self.click(&format!("[aria-label='{button}']")).await;
    }

    /// Waits until the newest card is so.
    pub(crate) async fn card_until(&self, done: impl Fn(&Card) -> bool) -> Card {
        until_done("the card", async || {
            let card: Option<Card> = self.script(CARD).await;
            match card {
                Some(card) if done(&card) => Ok(card),
                other => Err(other),
            }
        })
        .await
    }

    /// Clicks a button and returns its card once it says `Accepted` or `Refused`.
    pub(crate) async fn card_of(&self, button: &str) -> Card {
        self.press(button).await;
        let decided = |card: &Card| card.name == button && card.verdict != "trying";
        self.card_until(decided).await
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
        self.text_is("#status", expected).await;
    }

    /// Waits until an element has this text.
    pub(crate) async fn text_is(&self, selector: &str, expected: &str) {
        until_ok(expected, async || {
            let found = self.client.find(Locator::Css(selector)).await.ok()?;
            (found.text().await.ok()?.trim() == expected).then_some(())
        })
        .await;
    }

    /// No error is on the console, but for connections that may have failed.
    pub(crate) async fn finish_even_if_connections_failed(self) {
        let errors = self.browser.console_errors().await;
        let of_a_connection = |error: &String| error.contains("WebSocket connection");
        assert!(errors.iter().all(of_a_connection), "{errors:?}");
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

/// See [`Card`].
const CARD: &str = r"
const card = document.querySelector('#latest .card');
if (!card) return null;
const stack = [...document.querySelectorAll('#layers li')].map((layer) => layer.dataset.state);
const curl = card.querySelector('.curl')?.textContent ?? null;
const { name, verdict, layer, code, reason } = card.dataset;
return { name, verdict, layer, code, reason, text: card.innerText, stack, curl };
";
