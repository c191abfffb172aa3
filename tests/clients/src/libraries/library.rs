//! One library: its server, its script, and what is expected of it.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::of_tier;
use tower_ws_auth::ClientProtocol;

use super::server::{LibraryServer, Speech};

/// How long a script may take. It gives up after half of it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How long a client may try again, once it has seen all that it should.
fn window() -> Duration {
    Duration::from_millis(of_tier(4000, 10_000))
}

/// A client library, and what its application sees.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    /// Its package, or the name of its script.
    pub name: &'static str,
    /// The protocol that it is told in.
    pub protocol: fn() -> ClientProtocol,
    /// What its server says.
    pub speech: Speech,
    /// Its token is not in the handshake.
    pub by_state: bool,
    /// Of Socket.IO; the default one if there is none here.
    pub namespaces: &'static [&'static str],
    /// What is refused or ended.
    pub cases: &'static [Case],
}

/// What is refused or ended, what the application sees, and at most how many attempts there are in
/// ten seconds, with the hold on and off.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    token: &'static str,
    end: Option<&'static str>,
    sees: &'static [&'static str],
    attempts: usize,
}

pub(super) const fn refused(
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

pub(super) const fn ended(
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
    /// Runs each case with the hold on and off, all at once. `play` runs the script with a job, and
    /// returns its lines.
    ///
    /// # Panics
    ///
    /// A client did not see a reason, came back too often, or did not come back.
    pub async fn sees_every_reason_and_comes_back_as_it_should(
        &self,
        play: impl AsyncFn(&LibraryServer, &Value) -> Vec<String>,
    ) {
        let cases = self.cases.iter().flat_map(|case| {
            let holds = [Duration::from_millis(300), Duration::ZERO];
            holds.map(|hold| self.run(case, hold, &play))
        });
        let failures: Vec<_> = join_all(cases).await.into_iter().flatten().collect();
        assert!(
            failures.is_empty(),
            "{}:\n{}",
            self.name,
            failures.join("\n")
        );
    }

    /// What went wrong, if something did.
    async fn run(
        &self,
        case: &Case,
        hold: Duration,
        play: impl AsyncFn(&LibraryServer, &Value) -> Vec<String>,
    ) -> Option<String> {
        let server = self.server(hold).await;
        let lines = play(&server, &self.job(case, &server, 1)).await;
        let seen = case
            .sees
            .iter()
            .all(|part| lines.iter().any(|line| line.contains(part)));
        let comes_back = case.sees.contains(&"refresh");
        let came_back = lines.iter().any(|line| line == "connected \"fresh\"");
        let attempts = server.attempts();
        let keeps = (1..=case.attempts).contains(&attempts);
        let is_good = seen && keeps && comes_back == came_back;
        let what = case.end.unwrap_or(case.token);
        let report = format!("{what}, hold {hold:?}: {attempts} attempts, {lines:?}");
        println!("{} {report}", self.name);
        (!is_good).then_some(report)
    }

    /// Refuses a crowd of such clients.
    ///
    /// # Panics
    ///
    /// Some did not see the reason, or they came back more often than that many single clients.
    pub async fn a_crowd_sees_the_reason_and_keeps_the_attempts(
        &self,
        play: impl AsyncFn(&LibraryServer, &Value) -> Vec<String>,
    ) {
        let clients = of_tier(10, 100);
        let case = &self.cases[0];
        let server = self.server(Duration::from_millis(300)).await;
        let lines = play(&server, &self.job(case, &server, clients)).await;
        let (attempts, most) = (server.attempts(), case.attempts * clients);
        let report = format!(
            "{}, {clients} clients: {attempts} attempts of {most}",
            self.name
        );
        println!("{report}");
        assert!((clients..=most).contains(&attempts), "{report}");
        for part in case.sees {
            let seen = lines.iter().filter(|line| line.contains(part)).count();
            assert!(seen >= clients, "{report}, {seen} times {part}");
        }
    }

    async fn server(&self, hold: Duration) -> LibraryServer {
        LibraryServer::start((self.protocol)(), self.speech, hold, self.by_state)
            .await
            .unwrap()
    }

    fn job(&self, case: &Case, server: &LibraryServer, clients: usize) -> Value {
        // One that comes back ends the script when it is there.
        let comes_back = case.sees.contains(&"refresh");
        let window = if comes_back { PATIENCE / 2 } else { window() };
        json!({
            "library": self.name,
            "port": server.port(),
            "token": case.token,
            "namespaces": self.namespaces,
            "end": case.end,
            "clients": clients,
            "sees": case.sees,
            "patience": u64::try_from((PATIENCE / 2).as_millis()).unwrap(),
            "window": u64::try_from(window.as_millis()).unwrap(),
        })
    }
}
