//! One library: its server, its script, and what is expected of it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use client_tests::{LibraryServer, Speech};
use serde_json::json;
use test_support::{of_tier, packages};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;
use tower_ws_auth::ClientProtocol;

const PATIENCE: Duration = Duration::from_secs(120);

/// How long a client may try again, once it has seen all that it should.
fn window() -> Duration {
    Duration::from_millis(of_tier(4000, 10_000))
}

pub(crate) struct Library {
    pub(crate) name: &'static str,
    pub(crate) protocol: fn() -> ClientProtocol,
    pub(crate) speech: Speech,
    /// Its token is not in the handshake.
    pub(crate) by_state: bool,
    /// Of Socket.IO; the default one if there is none here.
    pub(crate) namespaces: &'static [&'static str],
    /// What is refused or ended, what the application sees, and at most how many attempts there are
    /// in ten seconds, with the hold on and off.
    pub(crate) cases: &'static [Case],
}

pub(crate) struct Case {
    token: &'static str,
    end: Option<&'static str>,
    sees: &'static [&'static str],
    attempts: usize,
}

pub(crate) const fn refused(
    token: &'static str,
    sees: &'static [&'static str],
    attempts: usize,
) -> Case {
    Case {
        token,
        end: None,
        sees,
        attempts,
    }
}

pub(crate) const fn ended(
    end: &'static str,
    sees: &'static [&'static str],
    attempts: usize,
) -> Case {
    Case {
        token: "good",
        end: Some(end),
        sees,
        attempts,
    }
}

impl Library {
    pub(crate) async fn sees_every_reason_and_comes_back_as_it_should(&self) {
        for _ in 0..of_tier(1, 5) {
            self.sees_every_reason_once().await;
        }
    }

    async fn sees_every_reason_once(&self) {
        let cases = self.cases.iter().flat_map(|case| {
            let holds = [Duration::from_millis(300), Duration::ZERO];
            holds.map(|hold| self.run(case, hold))
        });
        let mut failures = Vec::new();
        for failure in futures_util::future::join_all(cases).await {
            failures.extend(failure);
        }
        failures.extend(self.a_crowd_keeps_the_attempts().await);
        assert!(
            failures.is_empty(),
            "{}:\n{}",
            self.name,
            failures.join("\n")
        );
    }

    /// What went wrong, if something did.
    async fn run(&self, case: &Case, hold: Duration) -> Option<String> {
        let protocol = (self.protocol)();
        let server = LibraryServer::start(protocol, self.speech, hold, self.by_state)
            .await
            .unwrap();
        let lines = self.lines(case, &server, 1).await;
        let seen = case
            .sees
            .iter()
            .all(|part| lines.iter().any(|line| line.contains(part)));
        let comes_back = case.sees.contains(&"refresh");
        let came_back = lines.iter().any(|line| line == "connected \"fresh\"");
        let attempts = server.attempts();
        let is_good = seen && attempts <= case.attempts && comes_back == came_back;
        let what = case.end.unwrap_or(case.token);
        let report = format!("{what}, hold {hold:?}: {attempts} attempts, {lines:?}");
        println!("{} {report}", self.name);
        (!is_good).then_some(report)
    }

    /// A crowd of such clients is refused, and none comes back more often than one does.
    async fn a_crowd_keeps_the_attempts(&self) -> Option<String> {
        const CLIENTS: usize = 100;
        let clients = of_tier(10, CLIENTS);
        let case = self.cases.first()?;
        let hold = Duration::from_millis(300);
        let server = LibraryServer::start((self.protocol)(), self.speech, hold, self.by_state);
        let server = server.await.unwrap();
        self.lines(case, &server, clients).await;
        let (attempts, most) = (server.attempts(), case.attempts * clients);
        let report = format!("{clients} clients: {attempts} attempts of {most}");
        println!("{} {report}", self.name);
        (attempts > most || attempts < clients).then_some(report)
    }

    fn script(&self) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let package = match self.name {
            "python-socketio" => "socketio",
            name => name.strip_suffix("-5").unwrap_or(name),
        };
        if ["gql", "python-socketio"].contains(&self.name) {
            let mut python = Command::new("python3");
            python
                .arg(scripts.join("libraries.py"))
                .env("PYTHONPATH", packages("python", package));
            return python;
        }
        let mut node = Command::new("node");
        node.arg(scripts.join("libraries.cjs"))
            .env("NODE_PATH", packages("node/node_modules", package));
        node
    }

    async fn lines(&self, case: &Case, server: &LibraryServer, clients: usize) -> Vec<String> {
        // One that comes back ends the script when it is there.
        let comes_back = case.sees.contains(&"refresh");
        let window = if comes_back { PATIENCE / 2 } else { window() };
        let job = json!({
            "library": self.name,
            "port": server.port(),
            "token": case.token,
            "namespaces": self.namespaces,
            "end": case.end,
            "clients": clients,
            "sees": case.sees,
            "patience": u64::try_from((PATIENCE / 2).as_millis()).unwrap(),
            "window": u64::try_from(window.as_millis()).unwrap(),
        });
        let mut process = self
            .script()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node or python3; `cargo xtask setup` installs them");
        let mut input = process.stdin.take().unwrap();
        input.write_all(job.to_string().as_bytes()).await.unwrap();
        drop(input);
        let output = timeout(PATIENCE, process.wait_with_output()).await;
        let output = output.expect("the client does not end").unwrap();
        serde_json::from_slice(&output.stdout).expect("lines of the script")
    }
}
