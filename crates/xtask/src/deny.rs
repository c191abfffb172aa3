//! The audit of what we depend on: licences, bans and sources always, advisories when their database can be had.

use std::process::Command;
use std::time::Duration;

use crate::run::{run, run_within};
use crate::setup::locate;
use crate::steps::Session;

/// The database is a few megabytes.
const FETCH_LIMIT: Duration = Duration::from_secs(3 * 60);

pub(crate) fn check(session: &mut Session) -> Result<(), String> {
    let path = locate("cargo-deny", &session.workspace.tools)
        .ok_or("there is no cargo-deny; `cargo xtask setup` installs it")?;
    let deny = |args: &[&str]| {
        let mut command = Command::new(&path);
        command.args(args);
        command
    };
    // Without the graphs: a thousand lines for duplicates that are only warned of would bury an error.
    run(&mut deny(&[
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))?;
    // Fetched by a command of its own, so that no network and a vulnerable dependency cannot be confused.
    match run_within(FETCH_LIMIT, &mut deny(&["fetch", "db"])) {
        Ok(()) => run(&mut deny(&["--offline", "check", "advisories"])),
        Err(error) => {
            session.warn(format!(
                "ADVISORIES NOT CHECKED: the advisory database could not be fetched ({error})"
            ));
            Ok(())
        }
    }
}
