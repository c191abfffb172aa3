//! The copy of the tree that is broken, and the tests that run in it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::SystemTime;

use super::patch::{self, Patch};
use super::selection::{filter, is_loom, selection};
use crate::promises::{Named, Promise};
use crate::run::{cargo, output, succeeds};
use crate::rust_tests::with_tools;
use crate::workspace::Workspace;

/// nextest's exit codes.
const TEST_FAILED: i32 = 100;
const BUILD_FAILED: i32 = 101;

/// rustc's own words. An incremental build meets such a fault now and then, and a fresh one never did.
const COMPILER_FAULT: &str = "the compiler unexpectedly panicked";

#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Noticed,
    Unnoticed,
}

pub(crate) struct Place<'a> {
    workspace: &'a Workspace,
    tree: PathBuf,
    logs: PathBuf,
}

impl<'a> Place<'a> {
    /// Copies all files that git tracks or does not ignore. Unchanged files keep their time.
    pub(crate) fn new(workspace: &'a Workspace) -> Result<Self, String> {
        if !succeeds(&mut cargo(&["nextest", "--version"])) {
            return Err(
                "cargo-nextest is not installed: cargo install --locked cargo-nextest".into(),
            );
        }
        let folder = workspace.tools.with_file_name("sabotage");
        let place = Self {
            workspace,
            tree: folder.join("tree"),
            logs: folder.join("logs"),
        };
        for folder in [&place.tree, &place.logs] {
            fs::create_dir_all(folder).map_err(|error| of(folder, &error))?;
        }
        let files = ["ls-files", "--cached", "--others", "--exclude-standard"];
        let files = output(Command::new("git").args(files))?;
        let files: HashSet<&Path> = files
            .lines()
            .map(Path::new)
            .filter(|file| file.is_file())
            .collect();
        for file in &files {
            place.copy(file)?;
        }
        remove_others(&place.tree, Path::new(""), &files)?;
        Ok(place)
    }

    fn copy(&self, file: &Path) -> Result<(), String> {
        let to = self.tree.join(file);
        let text = fs::read(file).map_err(|error| of(file, &error))?;
        if fs::read(&to).is_ok_and(|there| there == text) {
            return Ok(());
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(|error| of(folder, &error))?;
        }
        // With its permissions, because some files are programs.
        fs::copy(file, &to)
            .map(drop)
            .map_err(|error| of(&to, &error))
    }

    /// To be called after the last patch.
    pub(crate) fn end(self) -> Result<(), String> {
        outdate(&self.tree)
    }

    /// Requires that the tests of these promises pass while nothing is broken: a test that fails
    /// anyway notices nothing.
    pub(crate) fn check<'p>(
        &self,
        promises: impl Iterator<Item = &'p Promise>,
    ) -> Result<(), String> {
        let mut together: Vec<(Vec<String>, bool, Vec<String>)> = Vec::new();
        for named in promises.flat_map(|promise| &promise.tests) {
            let (selection, is_loom) = (selection(named, self.workspace)?, is_loom(named));
            let same = |(other, ..): &&mut (Vec<String>, _, _)| *other == selection;
            match together.iter_mut().find(same) {
                Some((_, _, filters)) => filters.push(filter(named)),
                None => together.push((selection, is_loom, vec![filter(named)])),
            }
        }
        let log = self.logs.join("unbroken.log");
        for (selection, is_loom, filters) in together {
            let filter = filters.join(" | ");
            let arguments = ["--profile", "sabotage", "--no-fail-fast", "-E", &filter];
            let status = self.test(&selection, is_loom, &arguments, &log)?;
            if !status.success() {
                return Err(format!(
                    "a test fails although nothing is broken; see {}",
                    log.display()
                ));
            }
        }
        Ok(())
    }

    /// Whether one of the tests that the promise names fails with the patch.
    pub(crate) fn judge(&self, patch: &Patch, promise: &Promise) -> Result<Verdict, String> {
        self.apply(patch, &[])?;
        let verdict = self.first_failure(patch, promise);
        self.apply(patch, &["--reverse"])?;
        verdict
    }

    pub(crate) fn apply(&self, patch: &Patch, options: &[&str]) -> Result<(), String> {
        let diff = patch::absolute(&patch.file)?;
        let mut apply = super::git_apply(&self.tree);
        output(apply.args(options).arg(diff)).map(drop)
    }

    /// The errors of the compiler, each with its file before it.
    pub(crate) fn errors(&self) -> Result<Vec<String>, String> {
        let mut check = cargo(&["check", "--workspace", "--all-features", "--lib", "--bins"]);
        check.args(["--keep-going", "--message-format", "short"]);
        let check = self.in_tree(&mut check, false).output();
        let check = check.map_err(|error| format!("cargo check could not be run: {error}"))?;
        let text = String::from_utf8_lossy(&check.stderr);
        let is_error = |line: &&str| line.contains(": error");
        let errors: Vec<_> = text.lines().filter(is_error).map(str::to_owned).collect();
        if errors.is_empty() && !check.status.success() {
            return Err(format!("cargo check: {}\n{text}", check.status));
        }
        Ok(errors)
    }

    fn first_failure(&self, patch: &Patch, promise: &Promise) -> Result<Verdict, String> {
        for named in &promise.tests {
            if self.fails(patch, named)? {
                return Ok(Verdict::Noticed);
            }
        }
        Ok(Verdict::Unnoticed)
    }

    fn fails(&self, patch: &Patch, named: &Named) -> Result<bool, String> {
        let log = self.logs.join(patch.name()).with_extension("log");
        let (selection, is_loom) = (selection(named, self.workspace)?, is_loom(named));
        let filter = filter(named);
        let arguments = ["--profile", "sabotage", "-E", &filter];
        let status = self.test(&selection, is_loom, &arguments, &log)?;
        match status.code() {
            Some(0) => Ok(false),
            Some(TEST_FAILED) => Ok(true),
            Some(BUILD_FAILED) => Err(format!("it does not compile; see {}", log.display())),
            _ => Err(format!("{status}; see {}", log.display())),
        }
    }

    /// Runs selected tests of the copy, and once more without the kept parts of earlier builds if
    /// those made the compiler fail.
    fn test(
        &self,
        selection: &[String],
        is_loom: bool,
        arguments: &[&str],
        log: &Path,
    ) -> Result<ExitStatus, String> {
        let status = self.nextest(selection, is_loom, arguments, log)?;
        if status.code() != Some(BUILD_FAILED) || !ends_in(log, COMPILER_FAULT) {
            return Ok(status);
        }
        let kept = self.build(is_loom).join("debug/incremental");
        fs::remove_dir_all(&kept).map_err(|error| of(&kept, &error))?;
        self.nextest(selection, is_loom, arguments, log)
    }

    /// Its output goes to the log.
    fn nextest(
        &self,
        selection: &[String],
        is_loom: bool,
        arguments: &[&str],
        log: &Path,
    ) -> Result<ExitStatus, String> {
        let mut command = cargo(&["nextest", "run"]);
        with_tools(&mut command, &self.workspace.tools);
        command.args(selection).args(arguments);
        self.in_tree(&mut command, is_loom);
        if is_loom {
            command.env("RUSTFLAGS", "--cfg loom");
        }
        let file = File::options().create(true).append(true).open(log);
        let file = file.map_err(|error| of(log, &error))?;
        let copy = file.try_clone().map_err(|error| of(log, &error))?;
        let status = command.stdout(file).stderr(copy).status();
        status.map_err(|error| format!("cargo nextest could not be run: {error}"))
    }

    /// The folder of the build. loom's is its own, as for the step `loom`.
    fn build(&self, is_loom: bool) -> PathBuf {
        let name = if is_loom { "loom" } else { "" };
        self.workspace.tools.with_file_name(name)
    }

    /// Reuses the build of the dependencies.
    fn in_tree<'c>(&self, command: &'c mut Command, is_loom: bool) -> &'c mut Command {
        command
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", self.build(is_loom))
            .env("CARGO_INCREMENTAL", "1")
            .stdin(Stdio::null())
    }
}

/// Whether the text is in the last pages of a log.
fn ends_in(log: &Path, text: &str) -> bool {
    let log = fs::read(log).unwrap_or_default();
    let last = &log[log.len().saturating_sub(16 * 1024)..];
    String::from_utf8_lossy(last).contains(text)
}

/// The builds of the copy and of the workspace share their artifacts, and cargo compares those with
/// the files of the copy. Newer files there make the workspace's next build its own.
fn outdate(folder: &Path) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| of(folder, &error))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            outdate(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = File::options().append(true).open(&path);
            let touched = file.and_then(|file| file.set_modified(SystemTime::now()));
            touched.map_err(|error| of(&path, &error))?;
        }
    }
    Ok(())
}

/// Removes files from the copy that the original no longer has.
fn remove_others(tree: &Path, folder: &Path, files: &HashSet<&Path>) -> Result<(), String> {
    let here = tree.join(folder);
    let entries = fs::read_dir(&here).map_err(|error| of(&here, &error))?;
    for entry in entries.flatten() {
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            remove_others(tree, &path, files)?;
        } else if !files.contains(path.as_path()) {
            fs::remove_file(entry.path()).map_err(|error| of(&entry.path(), &error))?;
        }
    }
    Ok(())
}

fn of(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
