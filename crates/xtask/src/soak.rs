//! The soak: a server with every layer under clients of every kind, for minutes.

use std::process::Command;
use std::time::Duration;

use crate::run::{cargo, run, run_within};
use crate::steps::{Session, Stop};
use crate::workspace::Workspace;

#[derive(Clone, Copy, Debug, PartialEq, clap::Args)]
pub(crate) struct Options {
    /// The duration in minutes
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) minutes: u32,
}

pub(crate) fn step(session: &Session) -> Result<(), Stop> {
    let Some(minutes) = session.assure.soak else {
        return Err(Stop::NotRun("not asked for: --soak MINUTES".to_owned()));
    };
    Ok(command(Options { minutes }, &session.workspace)?)
}

pub(crate) fn command(Options { minutes }: Options, workspace: &Workspace) -> Result<(), String> {
    run(cargo(&["build", "--release"]).args(["-p", "fault-tests", "--bin", "soak"]))?;
    // It takes up to a minute to become idle.
    let limit = Duration::from_secs(60 * (u64::from(minutes) + 2));
    // Not by `cargo run`, which waits for other builds.
    let soak = workspace.tools.with_file_name("release").join("soak");
    run_within(limit, Command::new(soak).arg(minutes.to_string()))
}
