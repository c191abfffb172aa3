//! The soak: a server with every layer under clients of every kind, for minutes.

use std::process::Command;
use std::time::Duration;

use crate::run::{cargo, run, run_within};
use crate::workspace::Workspace;

/// What `cargo xtask soak` was told.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    minutes: u32,
}

pub(crate) fn options(args: &[&str]) -> Result<Options, String> {
    match args {
        [] => Ok(Options { minutes: 10 }),
        ["--minutes", text] => match text.parse() {
            Ok(minutes @ 1..) => Ok(Options { minutes }),
            _ => Err(format!("`--minutes` wants a number, not `{text}`")),
        },
        ["--minutes"] => Err("`--minutes` wants a number".to_owned()),
        [unknown, ..] => Err(format!("unexpected argument `{unknown}`")),
    }
}

pub(crate) fn command(options: &Options, workspace: &Workspace) -> Result<(), String> {
    run(cargo(&["build", "--release"]).args(["-p", "fault-tests", "--bin", "soak"]))?;
    let minutes = options.minutes;
    // It takes up to a minute to come to rest.
    let limit = Duration::from_secs(60 * (u64::from(minutes) + 2));
    // Not by `cargo run`: who waits for somebody else's build does not soak meanwhile.
    let soak = workspace.tools.with_file_name("release").join("soak");
    run_within(limit, Command::new(soak).arg(minutes.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_minutes_unless_it_is_told_otherwise() {
        assert_eq!(options(&[]), Ok(Options { minutes: 10 }));
        assert_eq!(options(&["--minutes", "2"]), Ok(Options { minutes: 2 }));
        for bad in [
            &["--minutes"][..],
            &["--minutes", "0"],
            &["--minutes", "x"],
            &["2"],
        ] {
            assert!(options(bad).is_err(), "{bad:?}");
        }
    }
}
