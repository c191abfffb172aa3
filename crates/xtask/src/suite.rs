//! Runs steps: selects and orders them, runs some beside others, and prints the table.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::console::{self, say};
use crate::steps::{Place, STEPS, Session, Step, Stop, Tier};
use crate::times::Times;

/// Steps in the groups in which they run. The second list runs beside the first.
pub(crate) type Plan = Vec<[Vec<&'static Step>; 2]>;

pub(crate) fn of_test(only: &[&'static Step]) -> Plan {
    picked(only).unwrap_or_else(|| plan(|step| step.tier == Tier::Test))
}

pub(crate) fn of_assure(only: &[&'static Step]) -> Plan {
    picked(only).unwrap_or_else(|| plan(|_| true))
}

pub(crate) fn lint() -> Plan {
    let lint = ["fmt", "prose", "promises", "clippy", "docs"];
    let step = |name: &str| STEPS.iter().find(|step| step.name == name);
    vec![[lint.iter().copied().filter_map(step).collect(), Vec::new()]]
}

/// Steps that are named on the command line run in that order.
fn picked(only: &[&'static Step]) -> Option<Plan> {
    (!only.is_empty()).then(|| vec![[only.to_vec(), Vec::new()]])
}

fn plan(wanted: impl Fn(&Step) -> bool) -> Plan {
    let at = |place: Place| {
        let steps = STEPS
            .iter()
            .filter(|step| step.place == place && wanted(step));
        steps.collect::<Vec<_>>()
    };
    vec![
        [at(Place::First), Vec::new()],
        [at(Place::Build), at(Place::BesideBuild)],
        [at(Place::Tests), at(Place::BesideTests)],
        [at(Place::LongTests), at(Place::BesideLongTests)],
        [at(Place::Sabotage), at(Place::BesideSabotage)],
        [at(Place::Alone), Vec::new()],
    ]
}

struct Outcome {
    step: &'static Step,
    seconds: f64,
    result: Result<(), Stop>,
}

/// Runs the steps, also those after a failure, so that one run finds every fault.
pub(crate) fn run(plan: &Plan, session: &Session, times: Times) -> ExitCode {
    let started = Instant::now();
    let times = Mutex::new(times);
    let mut outcomes = Vec::new();
    for [steps, beside] in plan {
        let done = thread::scope(|scope| {
            let beside = scope.spawn(|| all(beside, session, &times, true));
            let mut done = all(steps, session, &times, false);
            // A step that panics is a bug of ours. Then there is no table to print.
            done.extend(beside.join().unwrap_or_default());
            done
        });
        outcomes.extend(done);
    }
    let steps: usize = plan.iter().flatten().map(Vec::len).sum();
    println!("\n{}", table(&outcomes));
    println!("{:<10} {:>14.1} s", "all", started.elapsed().as_secs_f64());
    for warning in session.warnings() {
        println!("\n!!! {warning}");
    }
    let mut failures = failures(&outcomes);
    if outcomes.len() != steps {
        failures.push("error: a step ended without a result".to_owned());
    }
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("\n{}", failures.join("\n"));
    ExitCode::FAILURE
}

fn all(
    steps: &[&'static Step],
    session: &Session,
    times: &Mutex<Times>,
    beside: bool,
) -> Vec<Outcome> {
    let one = |step: &&'static Step| {
        let Step { name, about, .. } = step;
        let started = Instant::now();
        let result = if beside {
            logged(step, session)
        } else {
            println!("\n==> {name}: {about}");
            (step.run)(session)
        };
        let seconds = started.elapsed().as_secs_f64();
        println!("    {name} {} after {seconds:.1} s", word(&result));
        match &result {
            Ok(()) => {
                let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
                times.remember(name, seconds);
            }
            Err(Stop::Failed(why) | Stop::NotRun(why)) => println!("    {why}"),
        }
        Outcome {
            step,
            seconds,
            result,
        }
    };
    steps.iter().map(one).collect()
}

/// The output of a step beside another one goes to a file, which is printed if the step fails.
fn logged(step: &Step, session: &Session) -> Result<(), Stop> {
    let name = step.name;
    let log = log_file(session, name);
    let failed = |error: std::io::Error| Stop::Failed(format!("{}: {error}", log.display()));
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    console::log_to(&log).map_err(failed)?;
    println!(
        "\n==> {name}: {}; its output is in {}",
        step.about,
        log.display()
    );
    say!("==> {name}");
    let result = (step.run)(session);
    if matches!(result, Err(Stop::Failed(_))) {
        let text = std::fs::read(&log).map_err(failed)?;
        println!("\n{}", String::from_utf8_lossy(&text));
    }
    result
}

fn log_file(session: &Session, step: &str) -> PathBuf {
    let folder = session.workspace.tools.with_file_name("xtask");
    folder.join(step).with_extension("log")
}

fn word(result: &Result<(), Stop>) -> &'static str {
    match result {
        Ok(()) => "passed",
        Err(Stop::Failed(_)) => "FAILED",
        Err(Stop::NotRun(_)) => "NOT RUN",
    }
}

fn table(outcomes: &[Outcome]) -> String {
    let row = |outcome: &Outcome| {
        let word = word(&outcome.result);
        let row = format!(
            "{:<10} {word:<7} {:>6.1} s",
            outcome.step.name, outcome.seconds
        );
        match &outcome.result {
            Err(Stop::NotRun(why)) => format!("{row}  {why}"),
            _ => row,
        }
    };
    outcomes.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn failures(outcomes: &[Outcome]) -> Vec<String> {
    let failure = |outcome: &Outcome| match &outcome.result {
        Err(Stop::Failed(why)) => Some(format!("error: step `{}`: {why}", outcome.step.name)),
        _ => None,
    };
    outcomes.iter().filter_map(failure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(plan: &Plan) -> Vec<&'static str> {
        plan.iter()
            .flatten()
            .flatten()
            .map(|step| step.name)
            .collect()
    }

    #[test]
    fn assure_is_test_and_everything_else() {
        let (test, assure) = (names(&of_test(&[])), names(&of_assure(&[])));
        assert_eq!(test.first(), Some(&"setup"));
        assert!(test.iter().all(|name| assure.contains(name)));
        assert!(!test.contains(&"bench"));
        assert_eq!(assure.len(), STEPS.len());
    }

    #[test]
    fn nothing_runs_beside_a_measurement_or_the_setup() {
        for [steps, beside] in of_assure(&[]) {
            let quiet = |step: &&Step| matches!(step.place, Place::First | Place::Alone);
            assert!(!steps.iter().any(quiet) || beside.is_empty());
        }
    }

    #[test]
    fn a_named_step_runs_alone() {
        let js = STEPS.iter().find(|step| step.name == "js").unwrap();
        assert_eq!(names(&of_test(&[js])), ["js"]);
    }

    #[test]
    fn the_table_names_the_skipped_steps_with_reasons() {
        let outcome = |name: &str, result| Outcome {
            step: STEPS.iter().find(|step| step.name == name).unwrap(),
            seconds: 1.25,
            result,
        };
        let outcomes = [
            outcome("fmt", Ok(())),
            outcome("soak", Err(Stop::NotRun("ask by --soak".to_owned()))),
            outcome("js", Err(Stop::Failed("no node".to_owned()))),
        ];
        assert_eq!(
            table(&outcomes),
            "fmt        passed     1.2 s\n\
             soak       NOT RUN    1.2 s  ask by --soak\n\
             js         FAILED     1.2 s"
        );
        assert_eq!(failures(&outcomes), ["error: step `js`: no node"]);
    }
}
