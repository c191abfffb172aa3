//! The goals that are measured: the suite in `tests/bench`, and the bench of the stores on Redis.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{cargo, output, run};
use crate::setup;
use crate::steps::Session;

/// Where the crates are that one would use instead, in a workspace of their own.
const PEERS: &str = "tests/bench/peers/Cargo.toml";

/// What `cargo xtask bench` was told.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    check: bool,
    plot: Option<PathBuf>,
}

pub(crate) fn options(args: &[&str]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "--check" => options.check = true,
            "--plot" => {
                let file = args.next().ok_or("`--plot` wants a file")?;
                // Before the current directory is changed.
                let file = std::path::absolute(file).map_err(|error| format!("{file}: {error}"))?;
                options.plot = Some(file);
            }
            unknown => return Err(format!("unexpected argument `{unknown}`")),
        }
    }
    Ok(options)
}

/// Prints one table of all goals, beside everything that one would use instead.
pub(crate) fn table(options: &Options, session: &Session) -> Result<(), String> {
    let needed = |binary: &str| matches!(binary, "redis-server" | "valgrind");
    setup::tools(&session.workspace.tools, needed)?;
    let folder = session.workspace.tools.with_file_name("bench");
    let redis = redis(&folder)?;
    // Not `--locked`: this lock need not know at once what a crate of ours has come to need.
    run(cargo(&[
        "build",
        "--release",
        "--manifest-path",
        PEERS,
        "--target-dir",
    ])
    .arg(&folder))?;
    let mut suite = Command::new(folder.join("release").join("bench-peers"));
    suite.arg("--redis").arg(redis);
    if options.check {
        suite.arg("--check");
    }
    if let Some(file) = &options.plot {
        suite.arg("--plot").arg(file);
    }
    run(&mut suite)
}

/// The goals that come out the same each time, beside what is in the tree anyway.
pub(crate) fn short() -> Result<(), String> {
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

/// What the bench of the stores on Redis prints, in a file.
fn redis(folder: &Path) -> Result<PathBuf, String> {
    let bench = ["bench", "-p", "tower-ws-auth-redis", "--all-features"];
    let text = output(cargo(&bench).args(["--bench", "consume"]))?;
    println!("{text}");
    let file = folder.join("redis.txt");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, text))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}
