//! The Rust tests: short for every commit, in full for the slow tier.

use std::path::Path;
use std::process::Command;

use crate::run::{cargo, run, succeeds};
use crate::setup;
use crate::steps::{Session, Stop};

/// One set of features for all test builds, so that nothing is compiled twice.
const ALL: [&str; 2] = ["--workspace", "--all-features"];

/// Read by the tests that have a short and a long form.
const TIER: &str = "SUITE_TIER";

/// The packages with tests that have a longer form.
const LONG: &[&str] = &[
    "assurance-tests",
    "browser-tests",
    "express-tests",
    "load-tests",
    "model-tests",
    "node-tests",
    "tower-ws-auth-ticket",
];

pub(crate) fn build(session: &Session) -> Result<(), Stop> {
    let mut build = if nextest() {
        cargo(&["nextest", "run", "--no-run"])
    } else {
        cargo(&["test", "--no-run"])
    };
    Ok(run(
        with_tools(&mut build, &session.workspace.tools).args(ALL)
    )?)
}

pub(crate) fn short(session: &Session) -> Result<(), Stop> {
    let mut tests = runner();
    Ok(run(
        with_tools(&mut tests, &session.workspace.tools).args(ALL)
    )?)
}

/// nextest runs no documentation tests. `cargo test` has run them already.
pub(crate) fn documentation(_: &Session) -> Result<(), Stop> {
    if !nextest() {
        return Ok(());
    }
    Ok(run(cargo(&["test", "--doc"]).args(ALL))?)
}

pub(crate) fn long(session: &Session) -> Result<(), Stop> {
    let mut tests = runner();
    // Built as for the short form: with the features of the whole workspace.
    if nextest() {
        let packages: Vec<_> = LONG.iter().map(|name| format!("package({name})")).collect();
        tests.args(ALL).args(["-E", &packages.join(" | ")]);
    } else {
        tests
            .arg("--all-features")
            .args(LONG.iter().flat_map(|name| ["-p", name]));
    }
    with_tools(&mut tests, &session.workspace.tools).env(TIER, "assure");
    Ok(run(&mut tests)?)
}

/// The stores' tests, and Express's: both targets are called `redis`.
pub(crate) fn valkey(session: &Session) -> Result<(), Stop> {
    let valkey = setup::valkey(&session.workspace.tools).map_err(Stop::NotRun)?;
    let mut tests = runner();
    tests.args(ALL).args(["--test", "redis"]);
    let tests = with_tools(&mut tests, &session.workspace.tools);
    Ok(run(tests.env("TEST_REDIS_SERVER", valkey))?)
}

fn nextest() -> bool {
    succeeds(&mut cargo(&["nextest", "--version"]))
}

fn runner() -> Command {
    let mut runner = if nextest() {
        cargo(&["nextest", "run"])
    } else {
        cargo(&["test"])
    };
    runner.arg("--no-fail-fast");
    runner
}

/// Lets the tests find the tools that `setup` has installed.
pub(crate) fn with_tools<'a>(command: &'a mut Command, tools: &Path) -> &'a mut Command {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&old).chain([tools.join("bin")]);
    match std::env::join_paths(folders) {
        Ok(path) => command.env("PATH", path),
        // The folder's name has a colon. Only the system's tools are found then.
        Err(_) => command,
    }
}
