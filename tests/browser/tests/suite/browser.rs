//! A headless browser and its driver: Chromium or Firefox, by the same calls.

use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use futures_util::FutureExt;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use test_support::until_ok;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// Generous: the first start of a browser on a new machine, with other work beside it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Chromium,
    Firefox,
}

/// A running browser with one window.
pub(crate) struct Browser {
    pub(crate) kind: Kind,
    pub(crate) client: Client,
    driver: Driver,
}

impl Browser {
    /// A command of Chromium's developer tools.
    pub(crate) async fn devtools(&self, command: &'static str, parameters: Value) {
        let command = DevTools(command, parameters);
        self.client.issue_cmd(command).await.unwrap();
    }

    /// Runs a scenario in a new browser.
    pub(crate) async fn run(kind: Kind, scenario: impl AsyncFnOnce(&Self)) {
        let browser = Self::start(kind).await;
        let done = AssertUnwindSafe(scenario(&browser)).catch_unwind().await;
        // After a failure too: a browser outlives its driver.
        let closed = browser.client.close().await;
        if let Err(panic) = done {
            resume_unwind(panic);
        }
        closed.unwrap();
    }

    async fn start(kind: Kind) -> Self {
        let driver = Driver::start(kind).await;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(kind))
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .unwrap_or_else(|error| {
                panic!("{kind:?} does not start; `cargo xtask setup` installs it: {error}")
            });
        Self {
            kind,
            client,
            driver,
        }
    }

    /// The errors on the console since the last call.
    ///
    /// Chromium reports failed connections there too. Firefox's driver passes on uncaught errors of
    /// the page alone.
    pub(crate) async fn console_errors(&self) -> Vec<String> {
        // Errors arrive in order: all earlier ones have come when this one does. It also proves
        // that errors arrive at all.
        const END: &str = "no error before this one is missing";
        let script =
            "const [message] = arguments; setTimeout(() => { throw new Error(message); });";
        self.client.execute(script, vec![END.into()]).await.unwrap();
        let mut errors = Vec::new();
        loop {
            for error in self.new_console_errors().await {
                if error.contains(END) {
                    return errors;
                }
                errors.push(error);
            }
        }
    }

    /// The next ones.
    async fn new_console_errors(&self) -> Vec<String> {
        match self.kind {
            Kind::Chromium => {
                let log = until_ok("the last error on the console", async || {
                    let log = self.client.issue_cmd(ChromiumLog).await.unwrap();
                    log.as_array()
                        .is_some_and(|log| !log.is_empty())
                        .then_some(log)
                });
                let log = log.await;
                let entries = log.as_array().into_iter().flatten();
                let messages = entries.map(|entry| entry["message"].to_string());
                messages.collect()
            }
            Kind::Firefox => {
                let line = self.driver.line().await;
                // Those of Firefox's own scripts begin with `resource:` or `chrome:`.
                let of_the_page = line.starts_with("JavaScript error: http");
                of_the_page.then_some(line).into_iter().collect()
            }
        }
    }
}

fn capabilities(kind: Kind) -> Capabilities {
    let own = match kind {
        Kind::Chromium => json!({
            "goog:chromeOptions": { "args": [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
            ] },
            "goog:loggingPrefs": { "browser": "WARNING" },
        }),
        Kind::Firefox => json!({
            "moz:firefoxOptions": {
                "args": ["-headless"],
            },
        }),
    };
    let Value::Object(mut capabilities) = own else {
        unreachable!()
    };
    // The servers' certificates are their own.
    capabilities.insert("acceptInsecureCerts".to_owned(), true.into());
    let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
    let timeouts = json!({ "script": patience, "pageLoad": patience });
    capabilities.insert("timeouts".to_owned(), timeouts);
    capabilities
}

/// The process that drives a browser. Dropping it ends it, but not the browser.
struct Driver {
    port: u16,
    /// The output of the driver and its browser.
    lines: Mutex<UnboundedReceiver<String>>,
    _process: Child,
}

impl Driver {
    /// chromedriver takes a free port of IPv4, and ends if the one of IPv6 is taken. It is started
    /// again then.
    async fn start(kind: Kind) -> Self {
        let mut said = Vec::new();
        for _ in 0..5 {
            if let Some(driver) = Self::listening(kind, &mut said).await {
                return driver;
            }
        }
        panic!("each driver has ended: {said:?}");
    }

    /// `None` if it ends before it listens. Its lines say why.
    async fn listening(kind: Kind, said: &mut Vec<String>) -> Option<Self> {
        let (program, announcement) = match kind {
            Kind::Chromium => ("chromedriver", "started successfully on port "),
            Kind::Firefox => ("geckodriver", "Listening on 127.0.0.1:"),
        };
        // One pipe for both, which keeps the order.
        let (reader, writer) = std::io::pipe().unwrap();
        let process = spawn(program, |command| {
            command
                .arg("--port=0")
                .stdin(Stdio::null())
                .stdout(writer.try_clone().unwrap())
                .stderr(writer.try_clone().unwrap())
                .kill_on_drop(true);
        });
        drop(writer);
        let (sender, lines) = unbounded_channel();
        // To the end, even without a reader: a full pipe would stop the browser.
        thread::spawn(move || {
            let lines = BufReader::new(reader).split(b'\n');
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let mut driver = Self {
            port: 0,
            lines: Mutex::new(lines),
            _process: process,
        };
        while driver.port == 0 {
            let line = driver.next_line().await?;
            if let Some((_, port)) = line.split_once(announcement) {
                driver.port = port.trim_end_matches('.').parse().unwrap();
            }
            said.push(line);
        }
        Some(driver)
    }

    /// The next line.
    async fn line(&self) -> String {
        self.next_line().await.expect("the driver has ended")
    }

    async fn next_line(&self) -> Option<String> {
        let mut lines = self.lines.lock().await;
        let line = timeout(PATIENCE, lines.recv()).await;
        line.expect("the driver writes no more")
    }
}

/// Starts a program that `cargo xtask setup` has installed, in the system or in the target folder.
fn spawn(program: &str, configure: impl Fn(&mut Command)) -> Child {
    let installed = tools().join(program);
    for path in [Path::new(program), &installed] {
        let mut command = Command::new(path);
        configure(&mut command);
        match command.spawn() {
            Ok(process) => return process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
    panic!("{program} is not installed: `cargo xtask setup` installs it");
}

/// The folder in which the set-up puts programs that the system lacks: beside the build.
fn tools() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let build = test
        .ancestors()
        .find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    build.and_then(Path::parent).unwrap().join("tools/bin")
}

/// Chromedriver's own command: the console messages of the page and the browser.
#[derive(Debug)]
struct ChromiumLog;

impl WebDriverCompatibleCommand for ChromiumLog {
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

/// Chromedriver's own command: one of the developer tools, with its parameters.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/goog/cdp/execute"))
    }

    fn method_and_body(&self, _url: &url::Url) -> (http::Method, Option<String>) {
        let Self(command, parameters) = self;
        let body = json!({ "cmd": command, "params": parameters });
        (http::Method::POST, Some(body.to_string()))
    }
}
