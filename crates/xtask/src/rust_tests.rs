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
    "bench-suite",
    "browser-tests",
    "client-tests",
    "express-tests",
    "load-tests",
    "model-tests",
    "node-tests",
    "tower-ws-auth-redis",
    "tower-ws-auth-socket",
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

/// nextest runs none of them.
pub(crate) fn documentation(_: &Session) -> Result<(), Stop> {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Whether a Rust file below this folder asks for the tier.
    fn has_two_forms(folder: &Path) -> bool {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).any(|path| {
            if path.is_dir() {
                return !path.ends_with("target") && has_two_forms(&path);
            }
            let is_rust = path.extension().is_some_and(|extension| extension == "rs");
            let asks =
                |text: String| text.contains("of_tier(") || text.contains("var_os(\"SUITE_TIER");
            is_rust && fs::read_to_string(&path).is_ok_and(asks)
        })
    }

    fn name(package: &Path) -> String {
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        let line = manifest
            .lines()
            .find_map(|line| line.strip_prefix("name = "));
        line.unwrap().trim_matches('"').to_owned()
    }

    #[test]
    fn the_long_step_has_every_package_with_a_longer_form_and_no_other() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut found = Vec::new();
        for folder in ["crates", "examples", "tests"] {
            for entry in fs::read_dir(root.join(folder)).unwrap() {
                let package = entry.unwrap().path();
                let is_package = package.join("Cargo.toml").exists();
                if is_package && has_two_forms(&package) {
                    found.push(name(&package));
                }
            }
        }
        // One defines it, and the other looks for it.
        found.retain(|name| name != "test-support" && name != "xtask");
        found.sort();
        assert_eq!(found, LONG);
    }
}
