//! A client in Node that tells what it sees, and does what it is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "only tests use it, and they fail by panicking"
)]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use test_support::packages;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// The client, and what it says.
#[derive(Debug)]
pub struct Page {
    _process: Child,
    input: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
}

impl Page {
    /// Runs this script with a job and the packages of npm, among them `package`.
    pub fn open(script: &str, job: &Value, package: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let mut process = Command::new("node")
            .arg(folder.join(script))
            .arg(job.to_string())
            .env("NODE_PATH", packages("node/node_modules", package))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node; `cargo xtask setup` installs it");
        let input = process.stdin.take().unwrap();
        let events = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            _process: process,
            input,
            events,
        }
    }

    /// The next event.
    pub async fn next(&mut self) -> Value {
        let line = timeout(PATIENCE, self.events.next_line()).await;
        let line = line.expect("the client says nothing").unwrap();
        serde_json::from_str(&line.expect("the client has ended")).unwrap()
    }

    /// The next events have at least these members.
    pub async fn shows(&mut self, expected: &[Value]) {
        for expected in expected {
            let event = self.next().await;
            for (name, value) in expected.as_object().unwrap() {
                assert_eq!(&event[name], value, "{name} of {event}, not {expected}");
            }
        }
    }

    /// Gives a command to the script.
    pub async fn command(&mut self, command: &str) {
        let line = format!("{command}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
    }

    /// Tells it to leave, and fails if it says another word.
    pub async fn leaves(mut self) {
        self.command("leave").await;
        let line = timeout(PATIENCE, self.events.next_line()).await;
        assert_eq!(line.unwrap().unwrap(), None);
    }
}
