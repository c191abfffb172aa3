//! The command line. Unknown words are refused with the usage.

use std::fmt::Write as _;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::steps::{STEPS, Step, Tier};
use crate::times::Times;
use crate::{autobahn, bench, fuzz, mutants, sabotage, soak};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The chores of this workspace")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, PartialEq, Subcommand)]
pub(crate) enum Task {
    /// The steps that every commit needs: tier `test`
    Test {
        /// This step alone, of either tier; may be repeated
        #[arg(long, value_name = "STEP", value_parser = step)]
        only: Vec<&'static Step>,
    },
    /// Everything: the steps of both tiers
    Assure(Assure),
    /// Installs the tools that the other steps need
    Setup,
    /// The steps that need no test: formatting, clippy, documentation, promises
    Lint,
    /// The table of measured goals, beside other crates
    Bench(bench::Options),
    /// Each fuzz target for 10 s
    Fuzz(fuzz::Options),
    /// The Autobahn test suite against an echo server, bare and behind the layers
    Autobahn(autobahn::Options),
    /// Every layer under clients of every kind: no leaks and no growth
    Soak(soak::Options),
    /// Builds the published crates with the oldest dependencies that they allow
    Minimal,
    /// Builds and runs the programs of README.md and docs/fitting.md in crates of their own,
    /// against the packages
    Newcomer,
    /// Mutates the crates that decide, and requires that a test fails (hours)
    Mutants(mutants::Options),
    /// Breaks each promise on purpose and requires that its tests fail
    Sabotage(sabotage::Options),
}

/// The options of the slow tier beside its steps.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct Assure {
    /// This step alone, of either tier; may be repeated
    #[arg(long, value_name = "STEP", value_parser = step)]
    pub(crate) only: Vec<&'static Step>,
    /// Mutants of the lines that have changed since this revision
    #[arg(long, value_name = "REV")]
    pub(crate) since: Option<String>,
    /// Chooses the tenth of the sabotages; today's number of days since 1970 if absent
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Runs the soak, for this many minutes
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) soak: Option<u32>,
    /// Runs the Autobahn test suite, with this program
    #[arg(long, value_name = "FILE", value_parser = autobahn::program)]
    pub(crate) wstest: Option<std::path::PathBuf>,
}

impl Assure {
    /// Refuses an option whose step `--only` leaves out: it would do nothing.
    pub(crate) fn check(&self) -> Result<(), String> {
        let options = [
            ("--since", "mutants", self.since.is_some()),
            ("--seed", "sabotage", self.seed.is_some()),
            ("--soak", "soak", self.soak.is_some()),
            ("--wstest", "autobahn", self.wstest.is_some()),
        ];
        let runs = |name| self.only.is_empty() || self.only.iter().any(|step| step.name == name);
        let idle = options
            .iter()
            .find(|(_, step, is_given)| *is_given && !runs(*step));
        idle.map_or(Ok(()), |(option, step, _)| {
            Err(format!(
                "{option} is for the step `{step}`, which --only leaves out"
            ))
        })
    }
}

fn step(name: &str) -> Result<&'static Step, String> {
    STEPS.iter().find(|step| step.name == name).ok_or_else(|| {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        format!("no such step; the steps are {}", names.join(", "))
    })
}

/// Reads the command line. Prints an error or the help, and ends the process.
pub(crate) fn read(times: &Times) -> Task {
    let list = list(times);
    let mut command = Arguments::command().after_help(&list);
    for tier in ["test", "assure"] {
        command = command.mut_subcommand(tier, |command| command.after_help(&list));
    }
    let matches = command.get_matches();
    match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments.task,
        Err(error) => error.exit(),
    }
}

/// The steps with their tier and last duration.
fn list(times: &Times) -> String {
    let mut text = "Steps, their tier, and what they took last time on this machine:".to_owned();
    for Step {
        name, about, tier, ..
    } in STEPS
    {
        let tier = match tier {
            Tier::Test => "test",
            Tier::Assure => "assure",
        };
        let took = times
            .of(name)
            .map_or("-".to_owned(), |took| format!("{took:.0} s"));
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {name:<10} {tier:<7} {took:>6}  {about}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Task, String> {
        let words = std::iter::once("xtask").chain(words.iter().copied());
        Arguments::try_parse_from(words)
            .map(|arguments| arguments.task)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn steps_are_picked_by_name_in_the_order_given() {
        let Ok(Task::Test { only }) = parsed(&["test", "--only", "js", "--only", "fmt"]) else {
            panic!("not accepted");
        };
        let names: Vec<_> = only.iter().map(|step| step.name).collect();
        assert_eq!(names, ["js", "fmt"]);
    }

    #[test]
    fn an_option_whose_step_does_not_run_is_refused() {
        let checked = |words: &[&str]| match parsed(words) {
            Ok(Task::Assure(assure)) => assure.check(),
            other => panic!("{other:?}"),
        };
        let seed = ["assure", "--seed", "3"];
        assert_eq!(checked(&seed), Ok(()));
        let with = |step| [&seed[..], &["--only", step]].concat();
        assert_eq!(checked(&with("sabotage")), Ok(()));
        assert_eq!(
            checked(&with("fmt")).unwrap_err(),
            "--seed is for the step `sabotage`, which --only leaves out"
        );
    }

    #[test]
    fn every_subcommand_refuses_arguments_that_it_does_not_know() {
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            for unknown in ["--fast", "everything"] {
                assert!(parsed(&[name, unknown]).is_err(), "{name} {unknown}");
            }
        }
        assert!(parsed(&["tset"]).is_err());
        assert!(parsed(&[]).is_err());
        let error = parsed(&["test", "--only", "all"]).unwrap_err();
        assert!(
            error.contains("the steps are setup, tools, deny"),
            "{error}"
        );
    }

    #[test]
    fn numbers_are_at_least_one() {
        assert_eq!(
            parsed(&["soak", "--minutes", "2"]),
            Ok(Task::Soak(soak::Options { minutes: 2 }))
        );
        assert_eq!(
            parsed(&["soak"]),
            Ok(Task::Soak(soak::Options { minutes: 10 }))
        );
        for bad in ["0", "-1", "x"] {
            assert!(parsed(&["soak", "--minutes", bad]).is_err(), "{bad}");
            assert!(parsed(&["fuzz", "--minutes", bad]).is_err(), "{bad}");
            assert!(parsed(&["sabotage", "--promise", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_help_names_every_step_its_tier_and_its_last_time() {
        let times = Times::of_steps(&[("fmt", 1.6)]);
        let list = list(&times);
        for step in STEPS {
            assert!(list.contains(step.name), "{}", step.name);
        }
        assert!(list.contains("  fmt        test       2 s  "), "{list}");
        assert!(list.contains("  pairs      assure       -  "), "{list}");
    }
}
