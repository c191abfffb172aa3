//! The Autobahn test suite, its fuzzing client, against one echo server twice: bare, and behind the
//! layers. A connection that is let through must behave as if nobody stood in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::run::{cargo, run, run_within, succeeds};
use crate::steps::{Session, Stop};
use crate::workspace::Workspace;

/// The ordinary cases take seconds, the large messages some minutes.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// Where the program may be named, beside the option.
const VARIABLE: &str = "WSTEST";
const ABSENT: &str = "is not the Autobahn test suite's program. It wants Python 2.7 or PyPy 2 \
    (`pip install autobahntestsuite` there), or is in the container image \
    crossbario/autobahn-testsuite, run with this machine's network and this folder mounted in its \
    place; name the program, or a script that calls it, by `--wstest FILE` or in WSTEST";

/// Compression is offered by none of the two; messages of megabytes take minutes.
const COMPRESSION: [&str; 2] = ["12.*", "13.*"];
const LARGE: &str = "9.*";

#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct Options {
    /// The suite's program, unless it is in PATH
    #[arg(long, value_name = "FILE", env = VARIABLE, value_parser = program)]
    wstest: Option<PathBuf>,
    /// Messages of megabytes too, which take minutes
    #[arg(long)]
    large: bool,
}

/// Before the current directory is changed; a bare name is looked for in `PATH`.
pub(crate) fn program(file: &str) -> std::io::Result<PathBuf> {
    if file.contains('/') {
        std::path::absolute(file)
    } else {
        Ok(PathBuf::from(file))
    }
}

/// The step of the suite.
pub(crate) fn step(session: &Session) -> Result<(), Stop> {
    let Some(wstest) = session.assure.wstest.clone() else {
        return Err(Stop::NotRun("not asked for: --wstest FILE".to_owned()));
    };
    let options = Options {
        wstest: Some(wstest),
        large: false,
    };
    Ok(command(&options, &session.workspace)?)
}

pub(crate) fn command(options: &Options, workspace: &Workspace) -> Result<(), String> {
    let wstest = options
        .wstest
        .clone()
        .unwrap_or_else(|| PathBuf::from("wstest"));
    if !succeeds(Command::new(&wstest).arg("--help")) {
        return Err(format!("`{}` {ABSENT}", wstest.display()));
    }
    let folder = workspace.tools.with_file_name("autobahn");
    fs::create_dir_all(&folder).map_err(|error| of(&folder, &error))?;
    let index = folder.join("index.json");
    // What an earlier run has left would pass for this one's.
    if index.exists() {
        fs::remove_file(&index).map_err(|error| of(&index, &error))?;
    }
    let server = Server::start(workspace)?;
    suite(&wstest, &folder, &server.urls, options.large)?;
    drop(server);
    let text = fs::read_to_string(&index).map_err(|error| of(&index, &error))?;
    let [bare, layers] = reports(&text)?;
    println!("    bare    {}", Summary(&bare));
    println!("    layers  {}", Summary(&layers));
    judge(&bare, &layers).map_err(|wrong| {
        format!(
            "{}\nthe reports are in {}",
            wrong.join("\n"),
            folder.display()
        )
    })?;
    println!("    no difference");
    Ok(())
}

/// The names of the two in the reports.
const AGENTS: [&str; 2] = ["bare", "layers"];

fn suite(wstest: &Path, folder: &Path, urls: &[String; 2], large: bool) -> Result<(), String> {
    let servers: Vec<_> = AGENTS
        .iter()
        .zip(urls)
        .map(|(agent, url)| json!({ "agent": agent, "url": url, "origin": "https://app.example" }))
        .collect();
    let excluded = COMPRESSION.into_iter().chain((!large).then_some(LARGE));
    let spec = json!({
        "outdir": folder,
        "servers": servers,
        "cases": ["*"],
        "exclude-cases": excluded.collect::<Vec<_>>(),
        "exclude-agent-cases": {},
    });
    let file = folder.join("spec.json");
    fs::write(&file, spec.to_string()).map_err(|error| of(&file, &error))?;
    let log = folder.join("wstest.log");
    let to = || File::create(&log).map_err(|error| of(&log, &error));
    let stdout = to()?;
    let stderr = stdout.try_clone().map_err(|error| of(&log, &error))?;
    let mut client = Command::new(wstest);
    client
        .args(["--mode", "fuzzingclient", "--spec"])
        .arg(&file);
    run_within(LIMIT, client.stdout(stdout).stderr(stderr))
        .map_err(|error| format!("{error}\nwhat it said is in {}", log.display()))
}

/// The echo server; it ends when this lets go of its standard input.
struct Server {
    process: Child,
    urls: [String; 2],
}

impl Server {
    fn start(workspace: &Workspace) -> Result<Self, String> {
        run(cargo(&["build"]).args(["-p", "socket-tests", "--bin", "echo"]))?;
        // Not by `cargo run`, which would wait for whoever else builds.
        let program = workspace.tools.with_file_name("debug").join("echo");
        let failed = |error: &dyn fmt::Display| format!("{}: {error}", program.display());
        let mut process = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error))?;
        let lines = process.stdout.take().map(BufReader::new);
        let mut lines = lines.into_iter().flat_map(BufReader::lines);
        let mut server = Self {
            process,
            urls: <[String; 2]>::default(),
        };
        for url in &mut server.urls {
            let line = lines.next().ok_or_else(|| failed(&"it says nothing"))?;
            *url = line.map_err(|error| failed(&error))?;
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// What came of each case.
type Report = BTreeMap<Number, Outcome>;

/// `7.1.3`, in the order in which people count.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Number(Vec<u32>);

#[derive(Debug, PartialEq)]
struct Outcome {
    behavior: String,
    /// Of the closing handshake.
    close: String,
    /// What the server sent.
    code: Option<u64>,
}

fn reports(index: &str) -> Result<[Report; 2], String> {
    let index: Value =
        serde_json::from_str(index).map_err(|error| format!("index.json: {error}"))?;
    let [bare, layers] = AGENTS.map(|agent| {
        let cases = index[agent].as_object();
        let cases = cases.ok_or_else(|| format!("index.json: nothing of `{agent}`"))?;
        cases
            .iter()
            .map(|(number, case)| {
                let outcome = outcome(case);
                Number::read(number)
                    .zip(outcome)
                    .ok_or_else(|| format!("index.json: case {number}: {case}"))
            })
            .collect::<Result<Report, String>>()
    });
    Ok([bare?, layers?])
}

fn outcome(case: &Value) -> Option<Outcome> {
    let text = |key: &str| Some(case[key].as_str()?.to_owned());
    Some(Outcome {
        behavior: text("behavior")?,
        close: text("behaviorClose")?,
        code: case["remoteCloseCode"].as_u64(),
    })
}

/// Every case passes on both sides and comes out the same.
fn judge(bare: &Report, layers: &Report) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    for (agent, report) in AGENTS.iter().zip([bare, layers]) {
        let failed = report.iter().filter(|(_, outcome)| !outcome.passes());
        wrong.extend(failed.map(|(number, outcome)| format!("{agent}: {number}: {outcome}")));
    }
    let numbers: BTreeSet<_> = bare.keys().chain(layers.keys()).collect();
    for number in numbers {
        match (bare.get(number), layers.get(number)) {
            (Some(one), Some(other)) if one.is_like(other) => {}
            (Some(one), Some(other)) => {
                wrong.push(format!("{number}: {one} bare, {other} behind the layers"));
            }
            (Some(_), None) => wrong.push(format!("{number}: was not run behind the layers")),
            (None, _) => wrong.push(format!("{number}: was not run bare")),
        }
    }
    if bare.is_empty() {
        wrong.push("no case was run".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

impl Outcome {
    const OK: &str = "OK";
    /// Good, but later than it could be; whether it is depends on timing alone.
    const NON_STRICT: &str = "NON-STRICT";
    const INFORMATIONAL: &str = "INFORMATIONAL";

    fn passes(&self) -> bool {
        let good = [Self::OK, Self::NON_STRICT, Self::INFORMATIONAL];
        good.contains(&&*self.behavior) && good.contains(&&*self.close)
    }

    fn is_like(&self, other: &Self) -> bool {
        let kind = |behavior: &str| match behavior {
            Self::NON_STRICT => Self::OK.to_owned(),
            other => other.to_owned(),
        };
        kind(&self.behavior) == kind(&other.behavior)
            && self.close == other.close
            && self.code == other.code
    }
}

impl Number {
    fn read(text: &str) -> Option<Self> {
        let parts = text.split('.').map(|part| part.parse().ok());
        parts.collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            behavior, close, ..
        } = self;
        let code = self
            .code
            .map_or_else(|| "none".to_owned(), |code| code.to_string());
        write!(f, "{behavior}, close {close}, code {code}")
    }
}

struct Summary<'a>(&'a Report);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = BTreeMap::<&str, usize>::new();
        for outcome in self.0.values() {
            *kinds.entry(&outcome.behavior).or_default() += 1;
        }
        let kinds = kinds.iter().map(|(kind, count)| format!("{kind} {count}"));
        let kinds: Vec<_> = kinds.collect();
        write!(f, "{} cases: {}", self.0.len(), kinds.join(", "))
    }
}

fn of(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(bare: &[(&str, &str)], layers: &[(&str, &str)]) -> String {
        let side = |cases: &[(&str, &str)]| {
            let case = |behavior| json!({ "behavior": behavior, "behaviorClose": "OK", "remoteCloseCode": 1000 });
            cases
                .iter()
                .map(|(number, behavior)| ((*number).to_owned(), case(*behavior)))
                .collect::<serde_json::Map<_, _>>()
        };
        json!({ "bare": side(bare), "layers": side(layers) }).to_string()
    }

    fn judged(bare: &[(&str, &str)], layers: &[(&str, &str)]) -> Result<(), Vec<String>> {
        let [bare, layers] = reports(&index(bare, layers)).unwrap();
        judge(&bare, &layers)
    }

    #[test]
    fn what_comes_out_the_same_is_no_difference_and_timing_is_none_either() {
        let bare = [
            ("1.1.1", "OK"),
            ("3.2", "NON-STRICT"),
            ("7.1.6", "INFORMATIONAL"),
        ];
        let layers = [("1.1.1", "OK"), ("3.2", "OK"), ("7.1.6", "INFORMATIONAL")];
        assert_eq!(judged(&bare, &layers), Ok(()));
    }

    #[test]
    fn a_case_that_fails_or_differs_or_was_not_run_is_told() {
        let wrong = judged(&[("1.1", "OK"), ("10.1", "OK")], &[("1.1", "FAILED")]).unwrap_err();
        assert_eq!(
            wrong,
            [
                "layers: 1.1: FAILED, close OK, code 1000",
                "1.1: OK, close OK, code 1000 bare, FAILED, close OK, code 1000 behind the layers",
                "10.1: was not run behind the layers",
            ]
        );
        assert_eq!(judged(&[], &[]).unwrap_err(), ["no case was run"]);
    }

    #[test]
    fn cases_are_counted_by_what_came_of_them() {
        let text = index(&[("2.1", "OK"), ("10.1", "OK"), ("9.1", "NON-STRICT")], &[]);
        let [bare, _] = reports(&text).unwrap();
        assert_eq!(Summary(&bare).to_string(), "3 cases: NON-STRICT 1, OK 2");
        let numbers: Vec<_> = bare.keys().map(Number::to_string).collect();
        assert_eq!(numbers, ["2.1", "9.1", "10.1"]);
    }
}
