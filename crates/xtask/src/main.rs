//! The tasks of this workspace. `cargo xtask test` sets up a fresh machine and runs the checks for
//! every commit, `cargo xtask assure` runs everything. `cargo xtask help` lists the rest.

mod autobahn;
mod bench;
mod cli;
mod console;
mod deny;
mod features;
mod fuzz;
mod mutants;
mod newcomer;
mod promises;
mod prose;
mod recipes;
mod run;
mod rust_tests;
mod sabotage;
mod setup;
mod soak;
mod steps;
mod suite;
mod supply;
mod times;
mod tree;
mod workflows;
mod workspace;

use std::path::Path;
use std::process::ExitCode;

use cli::{Assure, Task};
use steps::Session;
use times::Times;
use workspace::Workspace;

fn main() -> ExitCode {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let times = Times::read(&target);
    let task = cli::read(&times);
    match Workspace::enter().and_then(|workspace| run(task, &workspace, times)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task, workspace: &Workspace, times: Times) -> Result<ExitCode, String> {
    let session = |assure: Assure| Session::new(workspace.clone(), assure);
    match task {
        Task::Test { only } => {
            return Ok(suite::run(
                &suite::of_test(&only),
                &session(Assure::default()),
                times,
            ));
        }
        Task::Assure(assure) => {
            assure.check()?;
            return Ok(suite::run(
                &suite::of_assure(&assure.only),
                &session(assure),
                times,
            ));
        }
        Task::Lint => {
            return Ok(suite::run(
                &suite::lint(),
                &session(Assure::default()),
                times,
            ));
        }
        Task::Setup => setup::setup(&session(Assure::default()))?,
        Task::Bench(options) => bench::table(&options, workspace)?,
        Task::Fuzz(options) => fuzz::command(options, &session(Assure::default()))?,
        Task::Autobahn(options) => autobahn::command(&options, workspace)?,
        Task::Soak(options) => soak::command(options, workspace)?,
        Task::Newcomer => newcomer::command(workspace)?,
        Task::Minimal => supply::minimal(workspace)?,
        Task::Mutants(options) => mutants::command(&options, workspace)?,
        Task::Sabotage(options) => sabotage::command(&options, workspace)?,
    }
    Ok(ExitCode::SUCCESS)
}
