//! Mutation testing of the crates that decide: a test must notice each mutant.
//! `.cargo/mutants.toml` lists the exceptions with their reasons.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{cargo, output, run, succeeds};
use crate::setup::needs;
use crate::steps::{Session, Stop};
use crate::workspace::Workspace;

const TOOL: &str = "cargo-mutants";
const VERSION: &str = "27.1.0";

const DECIDING: &[&str] = &[
    "tower-ws-auth-ticket",
    "tower-ws-auth-session",
    "tower-ws-auth-core",
    "tower-ws-auth-jwt",
    SOCKET,
];

/// Its effects are tested over real sockets.
const SOCKET: &str = "tower-ws-auth-socket";
const SOCKETS: &str = "socket-tests";

#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct Options {
    /// This package alone; may be repeated
    #[arg(long = "package", value_name = "NAME")]
    packages: Vec<String>,
    /// Only the lines that have changed since this revision
    #[arg(long, value_name = "REV")]
    since: Option<String>,
}

/// The step of the suite.
pub(crate) fn changed(session: &Session) -> Result<(), Stop> {
    let Some(since) = session.assure.since.clone() else {
        return Err(Stop::NotRun("no revision named: --since REV".to_owned()));
    };
    let options = Options {
        packages: Vec::new(),
        since: Some(since),
    };
    Ok(command(&options, &session.workspace)?)
}

pub(crate) fn command(options: &Options, workspace: &Workspace) -> Result<(), String> {
    let all: Vec<_> = DECIDING.iter().map(ToString::to_string).collect();
    let packages = match options.packages.as_slice() {
        [] => &all[..],
        named => named,
    };
    let known = |name: &&String| workspace.libraries.iter().any(|known| known.name == **name);
    if let Some(unknown) = packages.iter().find(|name| !known(name)) {
        return Err(format!("`{unknown}` is not one of the libraries"));
    }
    let place = Place {
        tool: tool(&workspace.tools)?,
        folder: workspace.tools.with_file_name("mutants"),
        diff: options
            .since
            .as_deref()
            .map(|since| diff(since, workspace))
            .transpose()?,
    };
    let mut missed = Vec::new();
    let mut table = Vec::new();
    for package in packages {
        let counts = place.test(package)?;
        table.push(counts.line(package));
        missed.extend(counts.missed);
    }
    println!("\n{}", table.join("\n"));
    if missed.is_empty() {
        return Ok(());
    }
    Err(format!("no test notices these:\n{}", missed.join("\n")))
}

/// Writes the changes since the revision to a file.
fn diff(since: &str, workspace: &Workspace) -> Result<PathBuf, String> {
    let text = output(Command::new("git").args(["diff", since, "--", "crates"]))?;
    let file = workspace.tools.with_file_name("mutants.diff");
    fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}

fn tool(tools: &Path) -> Result<PathBuf, String> {
    let installed = tools.join("bin").join(TOOL);
    let places = [PathBuf::from(TOOL), installed.clone()];
    let works = |path: &PathBuf| succeeds(Command::new(path).args(["mutants", "--version"]));
    if let Some(tool) = places.into_iter().find(works) {
        return Ok(tool);
    }
    let mut install = cargo(&["install", "--locked", TOOL, "--version", VERSION]);
    run(install.arg("--root").arg(tools)).map_err(|error| needs("crates.io", &error))?;
    Ok(installed)
}

/// The tool, and the folders of its build and its results.
struct Place {
    tool: PathBuf,
    folder: PathBuf,
    /// The diff whose lines alone are mutated.
    diff: Option<PathBuf>,
}

#[derive(Default)]
struct Counts {
    caught: usize,
    unviable: usize,
    timeout: usize,
    missed: Vec<String>,
}

impl Place {
    /// First with the unit tests alone, which build fast. The mutants that those miss then meet all
    /// tests of the package.
    fn test(&self, package: &str) -> Result<Counts, String> {
        let output = self.folder.join(package);
        if output.exists() {
            fs::remove_dir_all(&output)
                .map_err(|error| format!("{}: {error}", output.display()))?;
        }
        fs::create_dir_all(&output).map_err(|error| format!("{}: {error}", output.display()))?;
        let first = self.stage(package, &output, &["--", "--lib"])?;
        if first.missed.is_empty() && first.timeout == 0 {
            return Ok(first);
        }
        let mut all = vec!["--iterate"];
        if package == SOCKET {
            all.extend(["--test-package", SOCKET, "--test-package", SOCKETS]);
        }
        all.extend(["--", "--tests"]);
        let second = self.stage(package, &output, &all)?;
        Ok(Counts {
            caught: first.caught + second.caught,
            unviable: first.unviable + second.unviable,
            ..second
        })
    }

    fn stage(&self, package: &str, output: &Path, selection: &[&str]) -> Result<Counts, String> {
        println!("\n==> {package}: {}", selection.join(" "));
        let status = Command::new(&self.tool)
            .args(["mutants", "--package", package])
            // It copies the tree for each job, and they share one build: so only one job.
            .args(["--jobs", "1", "--output"])
            .arg(output)
            .args(selection)
            .args(
                self.diff
                    .iter()
                    .flat_map(|diff| [OsStr::new("--in-diff"), diff.as_os_str()]),
            )
            .env_remove("RUSTFLAGS")
            .env("CARGO_TARGET_DIR", self.folder.join("build"))
            // A mutant is a small change, so incremental builds pay off.
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .stdin(Stdio::null())
            .status()
            .map_err(|error| format!("{TOOL} could not be run: {error}"))?;
        match status.code() {
            // All caught; some missed; some timed out.
            Some(0 | 2 | 3) => counts(&output.join("mutants.out")),
            _ => Err(format!("{TOOL} failed on {package}: {status}")),
        }
    }
}

/// There is one file for each outcome, with one line for each mutant. Without mutants there is no
/// folder.
fn counts(folder: &Path) -> Result<Counts, String> {
    if !folder.exists() {
        return Ok(Counts::default());
    }
    let lines = |name: &str| {
        let path = folder.join(name);
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok::<_, String>(text.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    Ok(Counts {
        caught: lines("caught.txt")?.len(),
        unviable: lines("unviable.txt")?.len(),
        timeout: lines("timeout.txt")?.len(),
        missed: lines("missed.txt")?,
    })
}

impl Counts {
    fn line(&self, package: &str) -> String {
        let Self {
            caught,
            unviable,
            timeout,
            missed,
        } = self;
        let missed = missed.len();
        format!(
            "{package:<22} {caught:>4} caught {unviable:>4} unviable {timeout:>3} timeout {missed:>3} missed"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_are_the_lines_of_the_tools_files() {
        let folder = std::env::temp_dir().join(format!("xtask-mutants-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in [
            ("caught.txt", "a\nb\nc\n"),
            ("unviable.txt", ""),
            ("timeout.txt", "d\n"),
            ("missed.txt", "e\nf\n"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        let counts = counts(&folder);
        fs::remove_dir_all(&folder).unwrap();
        // A package without a changed line.
        assert!(super::counts(&folder).unwrap().missed.is_empty());
        let counts = counts.unwrap();
        assert_eq!(counts.missed, ["e", "f"]);
        let line = counts.line("tower-ws-auth-core");
        assert!(
            line.ends_with("  3 caught    0 unviable   1 timeout   2 missed"),
            "{line}"
        );
    }
}
