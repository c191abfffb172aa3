//! The Autobahn test suite: its fuzzing client against one echo server twice, bare and behind the
//! layers. Behind the layers an accepted connection must behave as if they were absent.

mod report;

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::run::{cargo, run, run_within, succeeds};
use crate::steps::{Session, Stop};
use crate::workspace::Workspace;
use report::{AGENTS, Summary, judge, reports};

/// The ordinary cases take seconds, the large messages some minutes.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// The environment variable that names the program, beside the option.
const VARIABLE: &str = "WSTEST";
const ABSENT: &str = "is not the Autobahn test suite's program. It wants Python 2.7 or PyPy 2 \
    (`pip install autobahntestsuite` there), or is in the container image \
    crossbario/autobahn-testsuite, run with this machine's network and this folder mounted in its \
    place; name the program, or a script that calls it, by `--wstest FILE` or in WSTEST";

/// Neither side offers compression. Messages of megabytes take minutes.
const COMPRESSION: [&str; 2] = ["12.*", "13.*"];
const LARGE: &str = "9.*";

#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct Options {
    /// The suite's program, unless it is in PATH
    #[arg(long, value_name = "FILE", env = VARIABLE, value_parser = program)]
    wstest: Option<PathBuf>,
    /// Also messages of megabytes, which take minutes
    #[arg(long)]
    large: bool,
}

/// Resolved before the current directory changes. A bare name is looked up in `PATH`.
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
    // Reports of an earlier run would pass for this one's.
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

/// The echo server. It ends when this closes its standard input.
struct Server {
    process: Child,
    urls: [String; 2],
}

impl Server {
    fn start(workspace: &Workspace) -> Result<Self, String> {
        run(cargo(&["build"]).args(["-p", "socket-tests", "--bin", "echo"]))?;
        // Not by `cargo run`, which would wait for other builds.
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

fn of(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
