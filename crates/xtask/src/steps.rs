//! The steps of the suite.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::cli::Assure;
use crate::console::say;
use crate::run::{cargo, run as call};
use crate::workspace::Workspace;
use crate::{
    autobahn, bench, deny, features, fuzz, mutants, newcomer, promises, prose, recipes,
    rust_tests as tests, sabotage, setup, soak, supply, workflows,
};

pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) tier: Tier,
    pub(crate) place: Place,
    pub(crate) run: fn(&Session) -> Result<(), Stop>,
}

/// The occasion of a step: every commit, or the night and a release.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tier {
    Test,
    Assure,
}

/// The position of a step. Most tests wait more than they compute, so compilers can run beside
/// them.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Place {
    /// Before all else.
    First,
    /// One after the other, with the tests' build at the end.
    Build,
    /// In order, while the tests are built.
    BesideBuild,
    /// The tests, one after the other.
    Tests,
    /// In order, while the tests run. They wait for each other's lock, so those that use one core come
    /// first: the tests leave that one.
    BesideTests,
    /// The long tests, one after the other.
    LongTests,
    /// In order, while the long tests run.
    BesideLongTests,
    /// The sabotages, which build and wait on one core for the most part.
    Sabotage,
    /// In order, while the sabotages run.
    BesideSabotage,
    /// Measurements: one after the other, with nothing beside them.
    Alone,
}

/// Why a step did not pass.
#[derive(Debug, PartialEq)]
pub(crate) enum Stop {
    Failed(String),
    /// It cannot run on this system, or was not requested. The closing table says so.
    NotRun(String),
}

impl From<String> for Stop {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

use Place::{
    Alone, BesideBuild, BesideLongTests, BesideSabotage, BesideTests, Build, First, LongTests,
    Sabotage, Tests,
};
use Tier::{Assure as Slow, Test};

#[rustfmt::skip]
pub(crate) const STEPS: &[Step] = &[
    Step { name: "setup", tier: Test, place: First, run: setup::first, about: "installs what the build needs: rustfmt and a C compiler" },
    Step { name: "tools", tier: Test, place: BesideBuild, run: setup::rest, about: "installs the missing packages of the system, tools and client libraries" },
    Step { name: "deny", tier: Test, place: BesideBuild, run: deny::check, about: "licences, bans, sources and advisories of the dependencies" },
    Step { name: "fmt", tier: Test, place: Build, run: fmt, about: "formatting" },
    Step { name: "prose", tier: Test, place: Build, run: prose::check, about: "the words and phrases of the documents and comments" },
    Step { name: "promises", tier: Test, place: Build, run: promises::check, about: "each promise has its tests and its sabotage" },
    Step { name: "build", tier: Test, place: Build, run: tests::build, about: "builds every test" },
    Step { name: "tests", tier: Test, place: Tests, run: tests::short, about: "every Rust test, with long ones in their short form" },
    Step { name: "doctests", tier: Test, place: Tests, run: tests::documentation, about: "the examples in the documentation" },
    Step { name: "js", tier: Test, place: BesideTests, run: js, about: "the tests of the JavaScript client, and of the chat's page" },
    Step { name: "workflows", tier: Test, place: BesideTests, run: workflows::check, about: "the workflows of GitHub Actions, by zizmor and actionlint" },
    Step { name: "features", tier: Test, place: BesideTests, run: features::each, about: "each library with each of its features alone" },
    Step { name: "clippy", tier: Test, place: BesideTests, run: clippy, about: "clippy, warnings denied" },
    Step { name: "docs", tier: Test, place: BesideTests, run: docs, about: "the documentation, warnings denied" },
    Step { name: "long", tier: Slow, place: LongTests, run: tests::long, about: "the long tests in full: load, nodes, corpora, races, browsers" },
    Step { name: "valkey", tier: Slow, place: LongTests, run: tests::valkey, about: "the tests on Redis, on Valkey" },
    Step { name: "growth", tier: Slow, place: LongTests, run: bench::growth, about: "parsers of untrusted input: their work grows no faster than the input" },
    Step { name: "pairs", tier: Slow, place: BesideLongTests, run: features::pairs, about: "each library with each pair of its features" },
    Step { name: "package", tier: Slow, place: BesideLongTests, run: supply::package, about: "each library as a package, the packages by themselves, and `cargo publish --dry-run`" },
    Step { name: "msrv", tier: Slow, place: BesideLongTests, run: supply::msrv, about: "the libraries with the oldest Rust that they promise" },
    Step { name: "minimal", tier: Slow, place: BesideLongTests, run: minimal, about: "the packages with the oldest dependencies that they allow" },
    Step { name: "recipes", tier: Slow, place: BesideLongTests, run: recipes::step, about: "the recipes with large dependencies, which no other step builds: GraphQL, MCP, …" },
    Step { name: "newcomer", tier: Slow, place: BesideLongTests, run: newcomer::step, about: "the programs of README.md and docs/fitting.md, as a stranger builds and runs them" },
    Step { name: "loom", tier: Slow, place: BesideLongTests, run: loom, about: "stores, registry and leases under every interleaving of threads" },
    Step { name: "sabotage", tier: Slow, place: Sabotage, run: sabotage::tenth, about: "a tenth of the sabotages, by --seed" },
    Step { name: "fuzz", tier: Slow, place: BesideSabotage, run: fuzz::short, about: "each fuzz target for 10 s" },
    Step { name: "bench", tier: Slow, place: Alone, run: bench::step, about: "the measured goals; instructions, allocations and bytes must hold" },
    Step { name: "mutants", tier: Slow, place: Alone, run: mutants::changed, about: "the mutants of the changed lines, by --since" },
    Step { name: "soak", tier: Slow, place: Alone, run: soak::step, about: "every layer under load, by --soak" },
    Step { name: "autobahn", tier: Slow, place: Alone, run: autobahn::step, about: "the Autobahn test suite, by --wstest" },
];

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The state that the steps share.
pub(crate) struct Session {
    pub(crate) workspace: Workspace,
    pub(crate) assure: Assure,
    warnings: Mutex<Vec<String>>,
}

impl Session {
    pub(crate) fn new(workspace: Workspace, assure: Assure) -> Self {
        Self {
            workspace,
            assure,
            warnings: Mutex::default(),
        }
    }

    /// Prints a warning now, and again at the very end.
    pub(crate) fn warn(&self, warning: String) {
        say!("\n!!! {warning}\n");
        let warnings = self.warnings.lock();
        warnings
            .unwrap_or_else(PoisonError::into_inner)
            .push(warning);
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let warnings = self.warnings.lock();
        warnings.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn fmt(_: &Session) -> Result<(), Stop> {
    Ok(call(&mut cargo(&["fmt", "--all", "--check"]))?)
}

fn clippy(_: &Session) -> Result<(), Stop> {
    let all = ["--workspace", "--all-targets", "--all-features"];
    Ok(call(
        cargo(&["clippy"]).args(all).args(["--", "-D", "warnings"]),
    )?)
}

fn docs(_: &Session) -> Result<(), Stop> {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    Ok(call(doc.env("RUSTDOCFLAGS", "-D warnings"))?)
}

fn minimal(session: &Session) -> Result<(), Stop> {
    Ok(supply::minimal(&session.workspace)?)
}

/// In a folder of its own, because the flag would rebuild the other steps' build.
fn loom(_: &Session) -> Result<(), Stop> {
    let mut test = cargo(&["test", "--release", "--test", "loom"]);
    test.args(["-p", "tower-ws-auth-core", "-p", "tower-ws-auth-ticket"])
        .args(["-p", "tower-ws-auth-socket", "--target-dir", "target/loom"])
        .env("RUSTFLAGS", "--cfg loom");
    Ok(call(&mut test)?)
}

fn js(_: &Session) -> Result<(), Stop> {
    const FOLDERS: [&str; 2] = ["clients/js", "examples/chat/static"];
    let mut test = Command::new("node");
    test.arg("--test");
    for folder in FOLDERS {
        test.args(js_tests(folder)?);
    }
    Ok(call(&mut test)?)
}

/// Named one by one: before Node 22 `node --test` takes no patterns.
fn js_tests(folder: &str) -> Result<Vec<PathBuf>, Stop> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))?;
    let is_test = |path: &PathBuf| {
        path.to_str()
            .is_some_and(|path| path.ends_with(".test.mjs"))
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths.filter(is_test).collect();
    if files.is_empty() {
        return Err(Stop::Failed(format!("{folder} contains no *.test.mjs")));
    }
    files.sort();
    Ok(files)
}
