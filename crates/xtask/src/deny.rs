//! The audit of the dependencies: licences, bans and sources always, advisories if their database
//! can be fetched.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::run::{run, run_within};
use crate::setup::{self, DENY, locate};
use crate::steps::{Session, Stop};

/// The database is a few megabytes.
const FETCH_LIMIT: Duration = Duration::from_secs(3 * 60);

/// Set to `required` if a database that cannot be fetched is an error: in the nightly run.
const VARIABLE: &str = "ADVISORIES";

pub(crate) fn check(session: &Session) -> Result<(), Stop> {
    let path = program(session)?;
    let deny = |args: &[&str]| {
        let mut command = Command::new(&path);
        command.args(args);
        command
    };
    // Without the graphs: a thousand lines for mere warnings would bury an error.
    run(&mut deny(&[
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))?;
    // Fetched separately, to tell a missing network from a vulnerable dependency.
    match run_within(FETCH_LIMIT, &mut deny(&["fetch", "db"])) {
        Ok(()) => Ok(run(&mut deny(&["--offline", "check", "advisories"]))?),
        Err(error) if std::env::var_os(VARIABLE).is_some_and(|value| value == "required") => {
            Err(Stop::Failed(format!(
                "{VARIABLE}=required, and the advisory database could not be fetched: {error}"
            )))
        }
        Err(error) => {
            session.warn(format!(
                "ADVISORIES NOT CHECKED: the advisory database could not be fetched ({error})"
            ));
            Ok(())
        }
    }
}

/// Checks the licences and sources of a workspace of its own, by the `deny.toml` beside its manifest.
pub(crate) fn licences(session: &Session, manifest: &str) -> Result<(), Stop> {
    let mut deny = Command::new(program(session)?);
    deny.args(["--manifest-path", manifest, "check"]);
    deny.args(["--hide-inclusion-graph", "licenses", "sources"]);
    Ok(run(&mut deny)?)
}

fn program(session: &Session) -> Result<PathBuf, Stop> {
    let tools = &session.workspace.tools;
    setup::tools(tools, |tool| tool == DENY)?;
    let path = locate(DENY, tools).ok_or_else(|| format!("{DENY} does not start"))?;
    Ok(path)
}
