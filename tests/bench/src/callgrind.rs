//! Instructions: the program again, under valgrind, collecting in its regions only.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::goals::Measure;
use crate::results::Results;

/// The function that runs a case, whatever its generated name ends in.
const REGION: &str = "bench_suite::measure::measured_region";

/// Runs the program through its regions, and adds the instructions of each case.
pub(crate) fn count(
    program: &Path,
    args: &[&str],
    variables: &[(&str, &str)],
    results: &mut Results,
) -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("bench-suite-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let counted = count_in(&folder, program, args, variables, results);
    // Nothing of value is lost with it.
    let _ = fs::remove_dir_all(&folder);
    counted
}

fn count_in(
    folder: &Path,
    program: &Path,
    args: &[&str],
    variables: &[(&str, &str)],
    results: &mut Results,
) -> Result<(), String> {
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--toggle-collect={REGION}"))
        .arg(format!("--dump-after={REGION}"))
        .arg(format!("--callgrind-out-file={}/out", folder.display()))
        .arg(program)
        .args(args)
        .envs(variables.iter().copied())
        .output()
        .map_err(|error| format!("valgrind: {error}; `cargo xtask setup` installs it"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!("valgrind: {}\n{said}", done.status));
    }
    let text = String::from_utf8_lossy(&done.stdout);
    results.read(&text);
    let regions = text
        .lines()
        .filter_map(|line| line.strip_prefix("region\t"));
    for (n, region) in regions.enumerate() {
        let (id, calls) = region.split_once('\t').ok_or("a region without calls")?;
        let calls: f64 = calls
            .parse()
            .map_err(|error| format!("{region}: {error}"))?;
        // It was given up within the region.
        if calls == 0.0 {
            continue;
        }
        let file = folder.join(format!("out.{}", n + 1));
        let dump =
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let total = dump.lines().find_map(|line| line.strip_prefix("summary: "));
        let total: f64 = total
            .and_then(|total| total.trim().parse().ok())
            .ok_or_else(|| format!("{} has no sum", file.display()))?;
        results.add(Measure::Instructions, id, vec![total / calls]);
    }
    Ok(())
}
