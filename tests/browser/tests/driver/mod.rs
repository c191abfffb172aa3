//! One chromedriver, one headless Chromium.

use std::process::Stdio;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Generous: the first start of a browser on a new machine, with other work beside it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// With Chromium's own options beside the usual ones. It ends with its driver.
pub(crate) async fn browser(options: &[&str]) -> (Client, Child) {
    const USUAL: &[&str] = &[
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
    ];
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("chromedriver is not installed: `cargo xtask setup` installs it");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port: u16 = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                return port.trim_end_matches('.').parse().unwrap();
            }
        }
        panic!("chromedriver ended before it was ready");
    })
    .await
    .unwrap();
    // It goes on writing; an unread pipe would stop it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

    let options = [USUAL, options].concat();
    let capabilities = json!({
        "goog:chromeOptions": { "args": options },
        "goog:loggingPrefs": { "browser": "WARNING" },
    });
    let Value::Object(capabilities) = capabilities else {
        unreachable!()
    };
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .unwrap();
    (client, driver)
}
