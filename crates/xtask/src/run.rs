//! Runs a command: shown, timed, bounded, and never waiting for a keyboard.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::console::{self, say};

/// Room for a cold build on two cores. A longer run hangs.
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// Incremental builds take as much space as all the libraries, and the suite changes no line.
const INCREMENTAL: &str = "CARGO_INCREMENTAL";

/// Set by the suite, not by a user.
const UNSAID: [&str; 2] = [INCREMENTAL, "PATH"];

/// `cargo` in the workspace. Without the caller's `RUSTFLAGS`: they would rebuild every dependency.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(args)
        .env_remove("RUSTFLAGS")
        .env(INCREMENTAL, "0");
    command
}

pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    run_within(LIMIT, command)
}

pub(crate) fn run_within(limit: Duration, command: &mut Command) -> Result<(), String> {
    let line = shown(command);
    say!("    $ {line}");
    let started = Instant::now();
    let status = console::redirect(command)
        .and_then(|()| {
            command
                .stdin(Stdio::null())
                // git would ask on the terminal itself.
                .env("GIT_TERMINAL_PROMPT", "0")
                .spawn()
        })
        .and_then(|mut child| wait(&mut child, started + limit))
        .map_err(|error| not_run(&line, &error))?;
    let took = started.elapsed().as_secs_f64();
    match status {
        Some(status) if status.success() => {
            say!("      {took:.1} s");
            Ok(())
        }
        Some(status) => Err(format!("`{line}` failed after {took:.1} s: {status}")),
        None => Err(format!("`{line}` was stopped: not done after {took:.0} s")),
    }
}

/// Whether the command can be run and succeeds. Its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let silent = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// The command's standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let line = shown(command);
    let done = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| not_run(&line, &error))?;
    if !done.status.success() {
        return Err(format!("`{line}` failed: {}", done.status));
    }
    String::from_utf8(done.stdout).map_err(|error| format!("`{line}` wrote {error}"))
}

fn not_run(line: &str, error: &std::io::Error) -> String {
    let advice = if error.kind() == std::io::ErrorKind::NotFound {
        "; `cargo xtask setup` installs missing tools"
    } else {
        ""
    };
    format!("`{line}` could not be run: {error}{advice}")
}

/// `None` if the deadline came first. The command and all its descendants are gone then.
fn wait(child: &mut Child, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            let orphans = descendants(&child.id().to_string());
            // The parent first: cargo would replace a dying test by the next one.
            child.kill()?;
            child.wait()?;
            succeeds(
                Command::new("sh")
                    .args(["-c", "kill -9 \"$@\"", "kill"])
                    .args(orphans),
            );
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A hung test is our grandchild. A process group of its own would reach it too, but would not
/// receive Ctrl-C. Linux only; elsewhere the list is empty.
fn descendants(parent: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{parent}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<String> = lists
        .flat_map(|list| {
            list.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let grandchildren: Vec<String> = children
        .iter()
        .flat_map(|child| descendants(child))
        .collect();
    [children, grandchildren].concat()
}

/// The command as a user would type it.
fn shown(command: &Command) -> String {
    let told = command
        .get_envs()
        .filter(|(name, _)| !UNSAID.iter().any(|unsaid| name == unsaid));
    let set = told.filter_map(|(name, value)| {
        Some(format!(
            "{}='{}'",
            name.to_string_lossy(),
            value?.to_string_lossy()
        ))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    set.chain(words.map(|word| word.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = cargo(&["doc", "--no-deps"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            shown(&command),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }

    #[test]
    fn a_command_that_reads_its_standard_input_finds_it_empty() {
        assert_eq!(run(&mut Command::new("cat")), Ok(()));
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(&mut Command::new("false")).unwrap_err();
        assert!(error.starts_with("`false` failed after "), "{error}");
        let error = run(&mut Command::new("no-such-program")).unwrap_err();
        assert!(
            error.starts_with("`no-such-program` could not be run: "),
            "{error}"
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_hung_command_is_stopped_with_all_its_children() {
        let pids = std::env::temp_dir().join(format!("xtask-hang-{}", std::process::id()));
        let script = format!(
            "sh -c 'sleep 100 & echo $! > {}; wait' & wait",
            pids.display()
        );
        // A slow machine needs longer to start the child.
        let started = [1, 5, 25].into_iter().find_map(|limit| {
            let mut command = Command::new("sh");
            let within = Duration::from_secs(limit);
            let error = run_within(within, command.arg("-c").arg(&script)).unwrap_err();
            let stopped = format!("was stopped: not done after {limit} s");
            assert!(error.contains(&stopped), "{error}");
            let started = fs::read_to_string(&pids).ok();
            started.filter(|pid| pid.ends_with('\n'))
        });
        let sleeper = started.unwrap();
        fs::remove_file(pids).unwrap();
        // Gone, or dead and not yet reaped by init. A signal takes its time.
        let state =
            || fs::read_to_string(format!("/proc/{}/stat", sleeper.trim())).unwrap_or_default();
        let dead = |_| {
            state().is_empty() || state().contains(") Z ") || {
                thread::sleep(Duration::from_millis(20));
                false
            }
        };
        assert!((0..3000).any(dead), "{}", state());
    }
}
