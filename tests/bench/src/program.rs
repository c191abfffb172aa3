use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::case::{Case, Crypto};
use crate::measure::{self, Counted};
use crate::results::Results;
use crate::runs::{self, Runs};
use crate::{callgrind, plot, table};

const USAGE: &str = "\
Prints what the goals come to. Beside this program lies another, whose name ends in `-allocations`.

  --short       without times, and without what takes long
  --only NAME   with the cases alone whose names begin so
  --check       fails where instructions, allocations or bytes miss a goal
  --plot FILE   draws the ratios, as SVG
  --runs FILE   with the times of earlier runs
  --record      adds the times of this one to them
  --redis FILE  with what the bench of the stores on Redis has printed";

/// The program that prints the table, with the cases that it measures.
pub fn main(cases: impl Fn() -> Vec<Case>) -> ExitCode {
    match Arguments::read().and_then(|arguments| run(&arguments, cases)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// The program that counts allocations. Only this one may link a counting allocator.
pub fn allocations(cases: Vec<Case>, count: impl Fn(&mut dyn FnMut()) -> Counted) {
    Crypto::AwsLc.install();
    let arguments = Arguments::read().expect("it is called by the other program");
    measure::allocations(arguments.choose(cases), count);
}

#[derive(Default)]
struct Arguments {
    /// The measure to take, in a program that was started by this one.
    part: Option<String>,
    short: bool,
    only: Option<String>,
    check: bool,
    plot: Option<PathBuf>,
    runs: Option<PathBuf>,
    record: bool,
    redis: Option<PathBuf>,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let mut read = Self::default();
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
            match arg.as_str() {
                "--short" => read.short = true,
                "--check" => read.check = true,
                "--only" => read.only = Some(value()?),
                "--plot" => read.plot = Some(value()?.into()),
                "--runs" => read.runs = Some(value()?.into()),
                "--record" => read.record = true,
                "--redis" => read.redis = Some(value()?.into()),
                "--times" | "--rust" | "--aws-lc" => read.part = Some(arg),
                _ => return Err(format!("unexpected argument `{arg}`\n\n{USAGE}")),
            }
        }
        Ok(read)
    }

    /// The arguments for the programs that this one starts.
    fn handed_on(&self) -> Vec<&str> {
        let short = self.short.then_some("--short");
        let only = self.only.iter().flat_map(|only| ["--only", only]);
        short.into_iter().chain(only).collect()
    }

    fn choose(&self, mut cases: Vec<Case>) -> Vec<Case> {
        let only = self.only.as_deref().unwrap_or_default();
        cases.retain(|case| case.id.starts_with(only) && !(self.short && case.slow));
        cases
    }
}

/// Whether every limit holds.
fn run(arguments: &Arguments, cases: impl Fn() -> Vec<Case>) -> Result<bool, String> {
    let Some(part) = &arguments.part else {
        let mut results = measured(arguments)?;
        if let Some(file) = &arguments.redis {
            let text = std::fs::read_to_string(file);
            results.read_redis(&text.map_err(|error| format!("{}: {error}", file.display()))?);
        }
        let runs = arguments.runs.as_deref().map(Runs::read).transpose()?;
        let missed = table::print(&results, runs.as_ref());
        if let Some(file) = arguments.runs.as_deref().filter(|_| arguments.record) {
            let opened = OpenOptions::new().append(true).open(file);
            let lines = runs::lines(&results);
            let wrote = opened.and_then(|mut file| file.write_all(lines.as_bytes()));
            wrote.map_err(|error| format!("--record {}: {error}", file.display()))?;
        }
        if let Some(file) = &arguments.plot {
            std::fs::write(file, plot::svg(&results))
                .map_err(|error| format!("{}: {error}", file.display()))?;
        }
        return Ok(!arguments.check || missed == 0);
    };
    let crypto = match part.as_str() {
        "--rust" => Crypto::Rust,
        _ => Crypto::AwsLc,
    };
    crypto.install();
    let mut cases = arguments.choose(cases());
    if part == "--times" {
        measure::times(cases);
    } else {
        cases.retain(|case| case.crypto == crypto);
        measure::regions(cases);
    }
    Ok(true)
}

fn measured(arguments: &Arguments) -> Result<Results, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let mut name = program.file_name().unwrap_or_default().to_owned();
    name.push("-allocations");
    let counting = program.with_file_name(name);
    let args = arguments.handed_on();
    let with = |part| [&[part], &args[..]].concat();
    let mut results = Results::default();
    if !arguments.short {
        results.read(&output(&program, &with("--times"))?);
    }
    results.read(&output(&counting, &args)?);
    for part in ["--rust", "--aws-lc"] {
        callgrind::count(&program, &with(part), &[], &mut results)?;
    }
    Ok(results)
}

fn output(program: &Path, args: &[&str]) -> Result<String, String> {
    let shown = program.display();
    let done = Command::new(program).args(args).output();
    let done = done.map_err(|error| format!("{shown}: {error}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{shown} {args:?}: {}\n{said}", done.status));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
