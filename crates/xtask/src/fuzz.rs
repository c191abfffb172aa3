//! The fuzz targets in `tests/fuzz`: libFuzzer, with coverage by the stable compiler.

use std::fs::{self, File};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::console;
use crate::run::{cargo, output, run, run_within};
use crate::setup;
use crate::steps::{Session, Stop};

const FOLDER: &str = "tests/fuzz";

/// The flags that cargo-fuzz gives to the compiler, without the sanitizers. Those need a nightly
/// compiler, and no crate here has unsafe code.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

#[derive(Clone, Copy, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct Options {
    /// The time for each target
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: Option<u32>,
}

impl Options {
    fn each(self) -> Duration {
        let minutes = |minutes| Duration::from_secs(60 * u64::from(minutes));
        self.minutes.map_or(Duration::from_secs(10), minutes)
    }
}

/// The step of the suite.
pub(crate) fn short(session: &Session) -> Result<(), Stop> {
    Ok(fuzz(Options::default(), session)?)
}

/// Installs the missing tools, and fuzzes.
pub(crate) fn command(options: Options, session: &Session) -> Result<(), String> {
    setup::setup(session)?;
    fuzz(options, session)
}

fn fuzz(options: Options, session: &Session) -> Result<(), String> {
    let place = Place::new(session.workspace.tools.with_file_name("fuzz"))?;
    place.build()?;
    let targets = targets()?;
    let left = Mutex::new(targets.iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        std::iter::from_fn(next)
            .map(|target| place.run(target, options.each()))
            .collect::<Vec<_>>()
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|_| {
                let log = console::log();
                scope.spawn(move || {
                    console::share(log);
                    work()
                })
            })
            .collect();
        let done = workers.into_iter().map(thread::ScopedJoinHandle::join);
        done.flat_map(Result::unwrap_or_default).collect()
    });
    let (reports, failures): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
    for report in reports.iter().flatten() {
        println!("    {report}");
    }
    let failures: Vec<_> = failures.into_iter().filter_map(Result::err).collect();
    match failures.as_slice() {
        [] if reports.len() == targets.len() => Ok(()),
        [] => Err("a target was not run to its end".to_owned()),
        failures => Err(failures.join("\n")),
    }
}

/// The targets: the programs of the package.
fn targets() -> Result<Vec<String>, String> {
    let folder = Path::new(FOLDER).join("fuzz_targets");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut targets: Vec<String> = paths
        .filter_map(|path| path.file_stem()?.to_str().map(str::to_owned))
        .collect();
    targets.sort();
    Ok(targets)
}

/// The folders of the build, the findings and the corpus.
struct Place {
    folder: PathBuf,
    host: String,
}

impl Place {
    fn new(folder: PathBuf) -> Result<Self, String> {
        let version = output(Command::new("rustc").arg("-vV"))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.ok_or("`rustc -vV` names no host")?.to_owned();
        Ok(Self { folder, host })
    }

    fn build(&self) -> Result<(), String> {
        // A named target keeps the flags away from build scripts and macros. Not `--locked`: this
        // lock may lag behind the dependencies of our crates.
        let mut build = cargo(&["build", "--release", "--bins", "--target", &self.host]);
        build
            .args(["--manifest-path", &format!("{FOLDER}/Cargo.toml")])
            .arg("--target-dir")
            .arg(&self.folder)
            .env("RUSTFLAGS", COVERAGE);
        run(&mut build)
            .map_err(|error| format!("{error}\nlibFuzzer is C++: is there a `c++` that works?"))
    }

    /// Runs one target, and returns its summary.
    fn run(&self, target: &str, each: Duration) -> Result<String, String> {
        let corpus = self.folder.join("corpus").join(target);
        let findings = self.folder.join("findings");
        let log = self.folder.join(format!("{target}.log"));
        for folder in [&corpus, &findings] {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let stderr = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = Command::new(self.folder.join(&self.host).join("release").join(target));
        command
            .arg(&corpus)
            .arg(Path::new(FOLDER).join("seeds").join(target))
            .arg(format!("-dict={FOLDER}/dict/{target}.dict"))
            .arg(format!("-max_total_time={}", each.as_secs()))
            .arg(format!("-artifact_prefix={}/{target}-", findings.display()))
            .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
            .env("RUST_BACKTRACE", "1")
            .stdout(Stdio::null())
            .stderr(stderr);
        let done = run_within(each + Duration::from_secs(120), &mut command);
        let text = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        match done {
            Ok(()) => Ok(format!("{target:<14}{}", summary(&text))),
            Err(error) => Err(format!("{error}\n{}", last_lines(&text, 60))),
        }
    }
}

/// The number of runs, and of covered edges.
fn summary(log: &str) -> String {
    let runs = log
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units: "))
        .unwrap_or("?");
    let word = |line: &str| {
        let mut words = line.split_whitespace();
        words.find(|word| *word == "cov:")?;
        words.next().map(str::to_owned)
    };
    let edges = log.lines().rev().find_map(word);
    let edges = edges.unwrap_or_else(|| "?".to_owned());
    format!("{:>10} runs, {edges:>5} edges", runs.trim())
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_for_each_target() {
        assert_eq!(Options::default().each(), Duration::from_secs(10));
        let five = Options { minutes: Some(5) };
        assert_eq!(five.each(), Duration::from_secs(300));
    }

    #[test]
    fn the_log_is_read() {
        let log = "#2 INITED cov: 10 ft: 11\n#99 DONE   cov: 123 ft: 9\nstat::number_of_executed_units: 99\n";
        assert_eq!(summary(log), "        99 runs,   123 edges");
        assert_eq!(summary(""), "         ? runs,     ? edges");
        assert_eq!(last_lines("a\nb\nc", 2), "b\nc");
    }
}
