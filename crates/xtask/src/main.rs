//! The errands of this workspace. `cargo xtask test` sets a fresh machine up and runs the whole suite;
//! `cargo xtask help` lists the rest.

mod arguments;
mod autobahn;
mod bench;
mod deny;
mod features;
mod fuzz;
mod mutants;
mod promises;
mod run;
mod setup;
mod soak;
mod steps;
mod supply;
mod tree;
mod workspace;

use std::process::ExitCode;

use arguments::Task;
use steps::Session;
use workspace::Workspace;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match arguments::parse(&args) {
        Ok(Task::Help) => {
            println!("{}", arguments::usage());
            ExitCode::SUCCESS
        }
        Ok(Task::Run(steps)) => match Workspace::enter().map(Session::new) {
            Ok(mut session) => steps::run(&steps, &mut session),
            Err(error) => failure(&error, 1),
        },
        Ok(Task::Autobahn(options)) => {
            let done =
                Workspace::enter().and_then(|workspace| autobahn::command(&options, &workspace));
            match done {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failure(&error, 1),
            }
        }
        Ok(Task::Bench(options)) => {
            let done = Workspace::enter()
                .and_then(|workspace| bench::table(&options, &Session::new(workspace)));
            match done {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failure(&error, 1),
            }
        }
        Ok(Task::Fuzz(options)) => {
            let done = Workspace::enter()
                .and_then(|workspace| fuzz::command(&options, &mut Session::new(workspace)));
            match done {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failure(&error, 1),
            }
        }
        Ok(Task::Soak(options)) => {
            match Workspace::enter().and_then(|workspace| soak::command(&options, &workspace)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failure(&error, 1),
            }
        }
        Ok(Task::Minimal) => {
            match Workspace::enter().and_then(|workspace| supply::minimal(&workspace)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failure(&error, 1),
            }
        }
        Ok(Task::Mutants(options)) => {
            match Workspace::enter().and_then(|workspace| mutants::command(&options, &workspace)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failure(&error, 1),
            }
        }
        Err(error) => failure(&format!("{error}\n\n{}", arguments::usage()), 2),
    }
}

fn failure(error: &str, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}
