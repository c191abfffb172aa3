//! The command line, read without touching anything.

use std::fmt::Write as _;

use crate::autobahn;
use crate::bench;
use crate::fuzz;
use crate::mutants;
use crate::soak;
use crate::steps::{STEPS, Step};

pub(crate) enum Task {
    Help,
    Run(Vec<&'static Step>),
    Autobahn(autobahn::Options),
    Bench(bench::Options),
    Fuzz(fuzz::Options),
    Soak(soak::Options),
    Minimal,
    Mutants(mutants::Options),
}

pub(crate) fn parse(args: &[&str]) -> Result<Task, String> {
    match args {
        [] => Err("what to do?".to_owned()),
        ["help" | "--help" | "-h", ..] => Ok(Task::Help),
        ["test"] => Ok(Task::Run(STEPS.iter().collect())),
        ["test", options @ ..] => only(options).map(Task::Run),
        ["setup"] => Ok(Task::Run(vec![step("setup")?])),
        ["lint"] => Ok(Task::Run(STEPS.iter().filter(|step| step.lint).collect())),
        ["autobahn", options @ ..] => autobahn::options(options).map(Task::Autobahn),
        ["bench", options @ ..] => bench::options(options).map(Task::Bench),
        ["fuzz", options @ ..] => fuzz::options(options).map(Task::Fuzz),
        ["soak", options @ ..] => soak::options(options).map(Task::Soak),
        ["minimal"] => Ok(Task::Minimal),
        ["mutants", options @ ..] => mutants::options(options).map(Task::Mutants),
        ["setup" | "lint" | "minimal", extra, ..] => Err(format!("unexpected argument `{extra}`")),
        [unknown, ..] => Err(format!("unknown subcommand `{unknown}`")),
    }
}

fn only(options: &[&str]) -> Result<Vec<&'static Step>, String> {
    match options {
        [] => Ok(Vec::new()),
        ["--only", name, rest @ ..] => {
            let mut steps = vec![step(name)?];
            steps.extend(only(rest)?);
            Ok(steps)
        }
        ["--only"] => Err("`--only` wants the name of a step".to_owned()),
        [unknown, ..] => Err(format!("unexpected argument `{unknown}`")),
    }
}

fn step(name: &str) -> Result<&'static Step, String> {
    STEPS
        .iter()
        .find(|step| step.name == name)
        .ok_or_else(|| format!("unknown step `{name}`"))
}

pub(crate) fn usage() -> String {
    let mut text = "\
Usage: cargo xtask <COMMAND>

Commands:
  test                every step below, in this order; a failure stops none of those after it
  test --only STEP    that step alone (repeatable)
  setup               only gets the tools that the other steps need
  lint                the steps marked with *
  bench               the goals that are measured, as one table beside what one would use instead
    --check           fails where instructions, allocations or bytes miss a goal
    --plot FILE       draws it as SVG
  fuzz                each fuzz target for 10 s
    --minutes N       for that long
  autobahn            the Autobahn test suite against an echo server, bare and behind the layers
    --wstest FILE     the suite's program, unless it is in PATH or named by WSTEST
    --large           messages of megabytes too, which take minutes
  soak                every layer under clients of every kind for 10 min: nothing grows or stays
    --minutes N       for that long
  minimal             builds what is published with the oldest dependencies that it allows
  mutants             changes the crates that decide, each line in turn, and demands that a test fails (hours)
    --package NAME    that package alone (repeatable)
  help                this text

Steps:"
        .to_owned();
    for Step {
        name, about, lint, ..
    } in STEPS
    {
        let mark = if *lint { '*' } else { ' ' };
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {name:<9}{mark} {about}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> Vec<&'static str> {
        match parse(args) {
            Ok(Task::Run(steps)) => steps.iter().map(|step| step.name).collect(),
            Ok(
                Task::Help
                | Task::Autobahn(_)
                | Task::Bench(_)
                | Task::Fuzz(_)
                | Task::Soak(_)
                | Task::Minimal
                | Task::Mutants(_),
            ) => {
                panic!("not steps")
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn refusal(args: &[&str]) -> String {
        match parse(args) {
            Ok(_) => panic!("accepted {args:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn test_runs_every_step_and_sets_up_first() {
        let all = names(&["test"]);
        assert_eq!(all.len(), STEPS.len());
        assert_eq!(all.first(), Some(&"setup"));
    }

    #[test]
    fn lint_runs_what_needs_no_test() {
        assert_eq!(
            names(&["lint"]),
            ["fmt", "clippy", "docs", "promises", "features"]
        );
    }

    #[test]
    fn only_picks_steps_in_the_order_given() {
        assert_eq!(
            names(&["test", "--only", "js", "--only", "fmt"]),
            ["js", "fmt"]
        );
    }

    #[test]
    fn bench_takes_its_options() {
        assert!(matches!(
            parse(&["bench", "--check", "--plot", "cost.svg"]),
            Ok(Task::Bench(options)) if options != bench::Options::default()
        ));
        assert_eq!(refusal(&["bench", "--plot"]), "`--plot` wants a file");
        assert_eq!(
            refusal(&["bench", "--fast"]),
            "unexpected argument `--fast`"
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(refusal(&["tset"]), "unknown subcommand `tset`");
        assert_eq!(refusal(&["test", "--only", "all"]), "unknown step `all`");
        assert_eq!(
            refusal(&["test", "--only"]),
            "`--only` wants the name of a step"
        );
        assert_eq!(refusal(&["lint", "--fix"]), "unexpected argument `--fix`");
    }

    #[test]
    fn usage_names_every_step() {
        assert!(STEPS.iter().all(|step| usage().contains(step.name)));
    }
}
