//! The measured goals: the suite in `tests/bench`, and the bench of the stores on Redis.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::console::say;
use crate::run::{cargo, output, run};
use crate::setup;
use crate::steps::{Session, Stop};
use crate::workspace::Workspace;

/// The other crates for comparison, in a workspace of their own.
const PEERS: &str = "tests/bench/peers/Cargo.toml";
/// The times of earlier runs.
const RUNS: &str = "tests/bench/runs.tsv";

#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct Options {
    /// Fails if instructions, allocations or bytes miss a goal
    #[arg(long)]
    check: bool,
    /// Draws the table as SVG
    #[arg(long, value_name = "FILE", value_parser = absolute)]
    plot: Option<PathBuf>,
    /// Adds the times of this run to tests/bench/runs.tsv, whose range the table shows
    #[arg(long)]
    record: bool,
    /// Whole servers instead: ours beside those of other languages, and nginx beside the gateway
    #[arg(long, conflicts_with_all = ["check", "plot", "record"])]
    beside: bool,
    /// Tickets on one Redis and on three masters instead
    #[arg(long, conflicts_with_all = ["beside", "check", "plot", "record"])]
    redis: bool,
}

/// Resolved before the current directory changes.
fn absolute(file: &str) -> std::io::Result<PathBuf> {
    std::path::absolute(file)
}

/// The step of the suite: the crates built here anyway, against the deterministic goals.
pub(crate) fn step(_: &Session) -> Result<(), Stop> {
    const BENCHES: &[(&str, &str, &[&str])] = &[
        ("tower-ws-auth-socket", "allocations", &["--check"]),
        ("tower-ws-auth-socket", "lease", &[]),
        ("tower-ws-auth-session", "cookies", &["--check"]),
        (
            "tower-ws-auth-ticket",
            "tickets",
            &["--ten-million", "--check"],
        ),
    ];
    for (package, bench, args) in BENCHES {
        run(cargo(&["bench", "-p", package, "--bench", bench, "--"]).args(*args))?;
    }
    let consume = ["bench", "-p", "tower-ws-auth-redis", "--bench", "consume"];
    let features = ["--features", "__test-with-redis", "--", "--check"];
    run(cargo(&consume).args(features))?;
    Ok(short()?)
}

/// The step of the suite: whether a parser's instructions grow faster than its input.
pub(crate) fn growth(_: &Session) -> Result<(), Stop> {
    Ok(of_feature("growth", "bench-growth")?)
}

/// Prints one table of all goals, beside the other crates.
pub(crate) fn table(options: &Options, workspace: &Workspace) -> Result<(), String> {
    if options.beside {
        return beside(workspace);
    }
    if options.redis {
        return at_scale(workspace);
    }
    let needed = |binary: &str| matches!(binary, "redis-server" | "valgrind");
    setup::tools(&workspace.tools, needed)?;
    let folder = workspace.tools.with_file_name("bench");
    let redis = redis(&folder)?;
    // Not `--locked`: this lock may lag behind the dependencies of our crates.
    run(cargo(&[
        "build",
        "--release",
        "--manifest-path",
        PEERS,
        "--target-dir",
    ])
    .arg(&folder))?;
    let mut suite = Command::new(folder.join("release").join("bench-peers"));
    suite.args(["--runs", RUNS]).arg("--redis").arg(redis);
    if options.record {
        suite.arg("--record");
    }
    if options.check {
        suite.arg("--check");
    }
    if let Some(file) = &options.plot {
        suite.arg("--plot").arg(file);
    }
    run(&mut suite)
}

/// Prints tables of whole servers. One that cannot be installed here says so in its row.
fn beside(workspace: &Workspace) -> Result<(), String> {
    say!("    it builds for some minutes, and then measures for 8");
    setup::for_servers(&workspace.tools);
    of_feature("beside", "bench-beside")
}

/// Prints the rates and delays of tickets on Redis.
fn at_scale(workspace: &Workspace) -> Result<(), String> {
    say!("    it builds for some minutes, and then measures for 2");
    setup::tools(&workspace.tools, |binary| binary == "redis-server")?;
    of_feature("redis", "bench-redis")
}

/// Runs a program of the suite that needs a feature of it.
fn of_feature(feature: &str, program: &str) -> Result<(), String> {
    let package = ["run", "--release", "-p", "bench-suite"];
    run(cargo(&package).args(["--features", feature, "--bin", program]))
}

/// The deterministic goals, beside the crates of this tree.
fn short() -> Result<(), String> {
    run(&mut cargo(&["build", "--release", "-p", "bench-suite"]))?;
    let suite = [
        "run",
        "--release",
        "-p",
        "bench-suite",
        "--bin",
        "bench-suite",
    ];
    run(cargo(&suite).args(["--", "--short", "--check"]))
}

/// Writes the output of the bench of the stores on Redis to a file.
fn redis(folder: &Path) -> Result<PathBuf, String> {
    let bench = ["bench", "-p", "tower-ws-auth-redis", "--all-features"];
    // Its rows then say why they were not measured, and the others are shown.
    let text = output(cargo(&bench).args(["--bench", "consume"])).unwrap_or_else(|why| why);
    println!("{text}");
    let file = folder.join("redis.txt");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, text))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}
