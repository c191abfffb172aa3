//! The suite, step by step.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::run::{cargo, run as call, succeeds};
use crate::workspace::Workspace;
use crate::{bench as suite, deny, features, fuzz, promises, setup, supply};

pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Whether `cargo xtask lint` runs it.
    pub(crate) lint: bool,
    run: fn(&mut Session) -> Result<(), String>,
}

#[rustfmt::skip]
pub(crate) const STEPS: &[Step] = &[
    Step { name: "setup", about: "gets the tools that are missing", lint: false, run: setup::setup },
    Step { name: "fmt", about: "the formatting", lint: true, run: fmt },
    Step { name: "clippy", about: "clippy, warnings denied", lint: true, run: clippy },
    Step { name: "docs", about: "the documentation, warnings denied", lint: true, run: docs },
    Step { name: "promises", about: "each test that SECURITY.md names is there", lint: true, run: promises::check },
    Step { name: "features", about: "each library alone, with each feature and each pair of them", lint: true, run: features::check },
    Step { name: "package", about: "each library as a package, and the packages by themselves", lint: false, run: supply::package },
    Step { name: "msrv", about: "what is published, with the oldest Rust that it promises", lint: false, run: supply::msrv },
    Step { name: "tests", about: "every Rust test, the browser's and the documentation's too", lint: false, run: tests },
    Step { name: "loom", about: "the memory store, the registry of connections and leases under every interleaving of three threads", lint: false, run: loom },
    Step { name: "fuzz", about: "each fuzz target for 10 s", lint: false, run: fuzz::short },
    Step { name: "bench", about: "the goals that are measured; those in instructions, allocations and bytes are demanded", lint: false, run: bench },
    Step { name: "js", about: "the tests of the chat example's page", lint: false, run: js },
    Step { name: "deny", about: "licences, bans, sources and advisories of the dependencies", lint: false, run: deny::check },
];

/// What the steps share.
pub(crate) struct Session {
    pub(crate) workspace: Workspace,
    warnings: Vec<String>,
}

impl Session {
    pub(crate) fn new(workspace: Workspace) -> Self {
        Self {
            workspace,
            warnings: Vec::new(),
        }
    }

    /// Says it now, and once more at the very end, where nobody scrolls past it.
    pub(crate) fn warn(&mut self, warning: String) {
        println!("\n!!! {warning}\n");
        self.warnings.push(warning);
    }
}

/// Runs the steps, those after a failure too: one run tells all that is wrong.
pub(crate) fn run(steps: &[&Step], session: &mut Session) -> ExitCode {
    let mut table = Vec::new();
    let mut failures = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let Step { name, about, .. } = step;
        println!("\n==> {}/{} {name}: {about}", index + 1, steps.len());
        let started = Instant::now();
        let result = (step.run)(session);
        let took = started.elapsed().as_secs_f64();
        let word = if result.is_ok() { "passed" } else { "FAILED" };
        println!("    {name} {word} after {took:.1} s");
        table.push(format!("{name:<10} {word} {took:>8.1} s"));
        if let Err(error) = result {
            println!("    {error}");
            failures.push(format!("error: step `{name}`: {error}"));
        }
    }
    println!("\n{}", table.join("\n"));
    for warning in &session.warnings {
        println!("\n!!! {warning}");
    }
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("\n{}", failures.join("\n"));
    ExitCode::FAILURE
}

fn fmt(_: &mut Session) -> Result<(), String> {
    call(&mut cargo(&["fmt", "--all", "--check"]))
}

fn clippy(_: &mut Session) -> Result<(), String> {
    call(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))
}

fn docs(_: &mut Session) -> Result<(), String> {
    call(
        cargo(&["doc", "--workspace", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn tests(session: &mut Session) -> Result<(), String> {
    let all = ["--workspace", "--all-features", "--no-fail-fast"];
    let nextest = succeeds(&mut cargo(&["nextest", "--version"]));
    let runner: &[&str] = if nextest {
        &["nextest", "run"]
    } else {
        &["test"]
    };
    call(cargo(runner).args(all))?;
    if nextest {
        // It knows no documentation tests.
        call(cargo(&["test", "--doc"]).args(all))?;
    }
    let Some(valkey) = setup::locate(setup::VALKEY, &session.workspace.tools) else {
        let absent = setup::VALKEY;
        session.warn(format!(
            "{absent} is not on this machine: the tests on Redis were not repeated on Valkey"
        ));
        return Ok(());
    };
    // The stores' tests, and Express's: both are called so. As built for the others.
    let again = [&all[..], &["--test", "redis"]].concat();
    call(cargo(runner).args(again).env("TEST_REDIS_SERVER", valkey))
}

/// In a folder of its own, or the flag would rebuild what the other steps have built.
fn loom(_: &mut Session) -> Result<(), String> {
    call(
        cargo(&["test", "--release", "--test", "loom"])
            .args(["-p", "tower-ws-auth-core", "-p", "tower-ws-auth-ticket"])
            .args(["-p", "tower-ws-auth-lease"])
            .args(["--target-dir", "target/loom"])
            .env("RUSTFLAGS", "--cfg loom"),
    )
}

fn bench(_: &mut Session) -> Result<(), String> {
    const BENCHES: &[(&str, &str, &[&str])] = &[
        ("tower-ws-auth-lease", "allocations", &["--check"]),
        ("tower-ws-auth-lease", "lease", &[]),
        ("tower-ws-auth-session", "cookies", &["--check"]),
        (
            "tower-ws-auth-ticket",
            "tickets",
            &["--ten-million", "--check"],
        ),
    ];
    for (package, bench, args) in BENCHES {
        call(cargo(&["bench", "-p", package, "--bench", bench, "--"]).args(*args))?;
    }
    let consume = ["bench", "-p", "tower-ws-auth-redis", "--bench", "consume"];
    let features = ["--features", "__test-with-redis", "--", "--check"];
    call(cargo(&consume).args(features))?;
    suite::short()
}

fn js(_: &mut Session) -> Result<(), String> {
    const FOLDER: &str = "examples/chat/static";
    let entries = std::fs::read_dir(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
    // Named one by one: before Node 22 `node --test` takes no patterns.
    let is_test = |path: &PathBuf| {
        path.to_str()
            .is_some_and(|path| path.ends_with(".test.mjs"))
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_test)
        .collect();
    if files.is_empty() {
        return Err(format!("{FOLDER} contains no *.test.mjs"));
    }
    files.sort();
    call(Command::new("node").arg("--test").args(files))
}
