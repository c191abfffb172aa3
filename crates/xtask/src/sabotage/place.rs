//! The copy of the tree that is broken, and the tests that run in it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::patch::{self, Patch};
use crate::promises::{Named, Promise};
use crate::run::{cargo, output, succeeds};
use crate::rust_tests::with_tools;
use crate::workspace::Workspace;

/// nextest's exit codes.
const TEST_FAILED: i32 = 100;
const BUILD_FAILED: i32 = 101;

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
        let check = self.in_tree(&mut check, "").output();
        let check = check.map_err(|error| format!("cargo check could not be run: {error}"))?;
        let text = String::from_utf8_lossy(&check.stderr);
        let is_error = |line: &&str| line.contains(": error");
        let errors: Vec<_> = text.lines().filter(is_error).map(str::to_owned).collect();
        if errors.is_empty() && !check.status.success() {
            return Err(format!("cargo check: {}\n{text}", check.status));
        }
        Ok(errors)
    }

    /// Reuses the build of the dependencies.
    fn in_tree<'c>(&self, command: &'c mut Command, build: &str) -> &'c mut Command {
        let target = self.workspace.tools.with_file_name(build);
        command
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_INCREMENTAL", "1")
            .stdin(Stdio::null())
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
        let selection = selection(named, self.workspace)?;
        // As the step `loom` builds them.
        let is_loom = named.file.ends_with("/tests/loom.rs");
        let build = if is_loom { "loom" } else { "" };
        let log = self.logs.join(patch.name()).with_extension("log");
        let mut command = cargo(&["nextest", "run", "--profile", "sabotage"]);
        with_tools(&mut command, &self.workspace.tools);
        command.args(&selection).args(["-E", &filter(named)]);
        self.in_tree(&mut command, build);
        if is_loom {
            command.env("RUSTFLAGS", "--cfg loom");
        }
        let file = File::options().create(true).append(true).open(&log);
        let file = file.map_err(|error| of(&log, &error))?;
        let copy = file.try_clone().map_err(|error| of(&log, &error))?;
        let done = command.stdout(file).stderr(copy).status();
        let done = done.map_err(|error| format!("cargo nextest could not be run: {error}"))?;
        match done.code() {
            Some(0) => Ok(false),
            Some(TEST_FAILED) => Ok(true),
            Some(BUILD_FAILED) => Err(format!("it does not compile; see {}", log.display())),
            _ => Err(format!("{done}; see {}", log.display())),
        }
    }
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

/// The arguments that choose features, and that build little more than the tests of one file. With `--workspace` the
/// dependencies keep the features of the suite's build.
fn selection(named: &Named, workspace: &Workspace) -> Result<Vec<String>, String> {
    let file = Path::new(&named.file);
    let target = workspace.tests.iter().find(|target| {
        let folder = target
            .file
            .parent()
            .filter(|_| target.file.ends_with("main.rs"));
        target.file == file || folder.is_some_and(|folder| file.starts_with(folder))
    });
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    if let Some(target) = target {
        let package = ["--release", "--package", &target.package, "--test", "loom"];
        return Ok(match &*target.name {
            "loom" => words(&package),
            name => words(&["--all-features", "--workspace", "--test", name]),
        });
    }
    let mut components = file.iter().filter_map(|part| part.to_str());
    let (Some(_), Some(package), Some("src")) =
        (components.next(), components.next(), components.next())
    else {
        return Err(format!("{}: of no test target", named.file));
    };
    Ok(words(&[
        "--all-features",
        "--package",
        package,
        "--lib",
        "--bins",
    ]))
}

/// nextest's filter for tests of these names, in any module.
fn filter(named: &Named) -> String {
    let each = named
        .tests
        .iter()
        .map(|test| format!("test(/(^|::){test}$/)"));
    each.collect::<Vec<_>>().join(" | ")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::TestTarget;

    fn selected(file: &str) -> Result<String, String> {
        let target = |package: &str, name: &str, file: &str| TestTarget {
            package: package.to_owned(),
            name: name.to_owned(),
            file: file.into(),
        };
        let workspace = Workspace {
            tools: PathBuf::new(),
            libraries: Vec::new(),
            tests: vec![
                target("core", "core", "crates/core/tests/suite/main.rs"),
                target("core", "loom", "crates/core/tests/loom.rs"),
            ],
        };
        let tests = vec!["a".to_owned()];
        let file = file.to_owned();
        selection(&Named { file, tests }, &workspace).map(|words| words.join(" "))
    }

    #[test]
    fn the_target_of_a_test_is_found_by_its_file() {
        assert_eq!(
            selected("crates/core/tests/suite/gate.rs").as_deref(),
            Ok("--all-features --workspace --test core")
        );
        assert_eq!(
            selected("crates/core/tests/loom.rs").as_deref(),
            Ok("--release --package core --test loom")
        );
        assert_eq!(
            selected("crates/core/src/carrier/query.rs").as_deref(),
            Ok("--all-features --package core --lib --bins")
        );
        assert!(selected("crates/core/tests/gone/gate.rs").is_err());
    }

    #[test]
    fn a_test_is_run_in_any_module() {
        let named = Named {
            file: String::new(),
            tests: vec!["one".to_owned(), "two".to_owned()],
        };
        assert_eq!(filter(&named), "test(/(^|::)one$/) | test(/(^|::)two$/)");
    }
}
