//! The workflows of GitHub Actions: checked by zizmor and actionlint, and by rules of our own.

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::cli::Arguments;
use crate::console::say;
use crate::run::run;
use crate::steps::{Session, Stop};

const FOLDER: &str = ".github/workflows";

/// The step of the suite.
pub(crate) fn check(session: &Session) -> Result<(), Stop> {
    let workflows = read()?;
    let mut faults = Vec::new();
    for (path, text) in &workflows {
        let found = lines(text).filter_map(|(number, line)| Some((number, fault(line)?)));
        faults.extend(found.map(|(number, fault)| format!("{path}:{number}: {fault}")));
    }
    if !faults.is_empty() {
        return Err(Stop::Failed(faults.join("\n")));
    }
    let python = session.workspace.tools.with_file_name("python");
    run(zizmor(&python)?.arg(".github"))?;
    run(actionlint(&python)?.args(workflows.iter().map(|(path, _)| path)))?;
    say!("    {} workflows", workflows.len());
    Ok(())
}

/// Path and text of each workflow.
fn read() -> Result<Vec<(String, String)>, String> {
    let mut workflows = Vec::new();
    let entries = fs::read_dir(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("{FOLDER}: {error}"))?;
        let path = format!("{FOLDER}/{}", entry.file_name().to_string_lossy());
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        workflows.push((path, text));
    }
    if workflows.is_empty() {
        return Err(format!("{FOLDER} is empty"));
    }
    workflows.sort();
    Ok(workflows)
}

/// Offline: the checks that ask GitHub would make the result depend on the network.
fn zizmor(python: &Path) -> Result<Command, String> {
    let mut command = program(python, "zizmor")?;
    command.args(["--offline", "--no-progress", "--persona=auditor"]);
    Ok(command)
}

/// With shellcheck for the scripts of the steps. By its path, because actionlint silently skips a
/// missing one.
fn actionlint(python: &Path) -> Result<Command, String> {
    let shellcheck = program(python, "shellcheck")?;
    let mut command = program(python, "actionlint")?;
    command.arg("-shellcheck").arg(shellcheck.get_program());
    // No step runs Python.
    command.args(["-pyflakes", ""]);
    Ok(command)
}

/// A program that `setup` has installed as a package of Python.
fn program(python: &Path, name: &str) -> Result<Command, String> {
    let path = python.join("bin").join(name);
    if !path.is_file() {
        return Err(format!(
            "{name} is not installed: `cargo xtask setup` installs it"
        ));
    }
    let mut command = Command::new(path);
    // Some are scripts that import a module from there.
    command.env("PYTHONPATH", python);
    Ok(command)
}

/// The lines that are not comments, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = (1..).zip(text.lines().map(str::trim));
    numbered.filter(|(_, line)| !line.starts_with('#'))
}

fn fault(line: &str) -> Option<String> {
    unpinned_action(line)
        .or_else(|| unpinned_image(line))
        .or_else(|| secret(line))
        .or_else(|| unknown_command(line))
}

/// A tag can be moved to other code, a commit cannot. The version is for readers and Dependabot.
fn unpinned_action(line: &str) -> Option<String> {
    let action = value(line, "uses")?;
    let pinned = |(name, version): (&str, &str)| {
        let commit = name.rsplit_once('@').map_or("", |(_, commit)| commit);
        is_hex(commit, 40) && version.starts_with('v')
    };
    let local = action.starts_with("./");
    (!local && !action.split_once(" # ").is_some_and(pinned))
        .then(|| format!("`{action}` is not pinned: write OWNER/NAME@COMMIT # vVERSION"))
}

fn unpinned_image(line: &str) -> Option<String> {
    // `container:` alone begins a block, which has an `image:`.
    let image = value(line, "image").or_else(|| value(line, "container"))?;
    let digest = image
        .rsplit_once("@sha256:")
        .map_or("", |(_, digest)| digest);
    (!image.is_empty() && !is_hex(digest, 64))
        .then(|| format!("`{image}` is not pinned: write NAME:TAG@sha256:DIGEST"))
}

/// Trusted publishing needs no token, and everything else only the run's own.
fn secret(line: &str) -> Option<String> {
    let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
    words
        .any(|word| {
            let mut names = word.split('.');
            names.next() == Some("secrets") && names.next() != Some("GITHUB_TOKEN")
        })
        .then(|| "a secret other than GITHUB_TOKEN is named".to_owned())
}

/// Arguments that `cargo xtask` refuses. Otherwise only the nightly run would notice them.
fn unknown_command(line: &str) -> Option<String> {
    const COMMAND: &str = "cargo xtask";
    let (_, rest) = line.split_once(COMMAND)?;
    let arguments = rest.split(['|', '&', ';', '`', '#']).next()?;
    let words = std::iter::once(COMMAND).chain(arguments.split_whitespace());
    let error = Arguments::try_parse_from(words).err()?;
    // A variable has its value only when the line runs.
    let is_of_a_variable = error.kind() == ErrorKind::ValueValidation && arguments.contains('$');
    if is_of_a_variable {
        return None;
    }
    let first = error.to_string().lines().next().map(str::to_owned)?;
    Some(format!("`{COMMAND}{arguments}`: {first}"))
}

/// The value of `key: value`, which may begin a list entry.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let line = line.strip_prefix("- ").unwrap_or(line);
    Some(line.strip_prefix(key)?.strip_prefix(':')?.trim())
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn an_action_is_pinned_by_a_commit_with_its_version() {
        for good in [
            format!("- uses: actions/checkout@{COMMIT} # v7.0.1"),
            format!("uses: owner/name/folder@{COMMIT} # v1"),
            "uses: ./.github/actions/own".to_owned(),
        ] {
            assert_eq!(fault(&good), None);
        }
        for bad in [
            "uses: actions/checkout@v7".to_owned(),
            "uses: actions/checkout@main # v7".to_owned(),
            "uses: actions/checkout".to_owned(),
            format!("uses: actions/checkout@{COMMIT}"),
            format!("uses: actions/checkout@{COMMIT} # the newest"),
            format!("uses: actions/checkout@{}", &COMMIT[1..]),
            format!("- uses: actions/checkout@{} # v7.0.1", &COMMIT[1..]),
            format!("uses: actions/checkout@{COMMIT}0 # v7.0.1"),
            format!("uses: actions/checkout@g{} # v7.0.1", &COMMIT[1..]),
            "uses: docker://debian:trixie".to_owned(),
        ] {
            let fault = fault(&bad).unwrap_or_default();
            assert!(fault.contains("is not pinned"), "{bad}: {fault}");
        }
    }

    #[test]
    fn an_image_is_pinned_by_its_digest() {
        let digest = "0123456789abcdef".repeat(4);
        for good in [
            format!("image: rust:1-trixie@sha256:{digest}"),
            format!("container: rust@sha256:{digest}"),
            "container:".to_owned(),
        ] {
            assert_eq!(fault(&good), None);
        }
        for bad in [
            "image: rust:1-trixie".to_owned(),
            "container: debian:trixie".to_owned(),
            format!("image: rust@sha256:{}", &digest[1..]),
        ] {
            let fault = fault(&bad).unwrap_or_default();
            assert!(fault.contains("is not pinned"), "{bad}: {fault}");
        }
    }

    #[test]
    fn no_secret_is_named_but_the_token_of_the_run() {
        for good in [
            "GH_TOKEN: ${{ secrets.GITHUB_TOKEN }}",
            "GH_TOKEN: ${{ github.token }}",
            "name: No secrets_of_ours.here",
        ] {
            assert_eq!(fault(good), None);
        }
        for bad in [
            "TOKEN: ${{ secrets.CARGO_REGISTRY_TOKEN }}",
            "TOKEN: ${{secrets.GITHUB_TOKEN_OF_OURS}}",
            "A: ${{ secrets.GITHUB_TOKEN }}${{ secrets.B }}",
            "TOKEN: ${{ secrets['TOKEN'] }}",
            "ALL: ${{ toJSON(secrets) }}",
            "secrets: inherit",
        ] {
            let fault = fault(bad).unwrap_or_default();
            assert!(fault.starts_with("a secret other than"), "{bad}: {fault}");
        }
    }

    #[test]
    fn cargo_xtask_is_called_with_known_arguments() {
        for good in [
            "run: cargo xtask test",
            "cargo xtask lint && echo done",
            "- run: cargo xtask test --only fmt --only docs | tee log",
            "run: cargo test",
            "run: cargo xtask sabotage --part \"$PART\"",
        ] {
            assert_eq!(fault(good), None);
        }
        for bad in [
            "run: cargo xtask",
            "run: cargo xtask tset",
            "run: cargo xtask lint --fast && true",
            "cargo xtask test --only no-such-step",
            "cargo xtask sabotage --parts \"$PART\"",
            "cargo xtask sabotage --part 4/3",
        ] {
            let fault = fault(bad).unwrap_or_default();
            assert!(fault.starts_with("`cargo xtask"), "{bad}: {fault}");
        }
    }

    #[test]
    fn comments_are_not_checked() {
        let text = "on: push\n# uses: a/b@v1\n  # secrets\n\nuses: a/b@v1\n";
        let found: Vec<_> = lines(text)
            .filter(|(_, line)| fault(line).is_some())
            .collect();
        assert_eq!(found, [(5, "uses: a/b@v1")]);
    }
}
