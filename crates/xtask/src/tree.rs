//! The facade's crate docs state the number of third-party dependencies: with the defaults, and for
//! each further feature. This step compares them with the dependency tree.

use std::collections::BTreeSet;

use crate::console::say;
use crate::run::{cargo, output};
use crate::workspace::Library;

const FACADE: &str = "tower-ws-auth";
/// The file whose crate docs have the table.
pub(crate) const DOCUMENT: &str = "crates/tower-ws-auth/src/lib.rs";
/// The count depends on the platform, a little.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

pub(crate) fn check(source: &str, libraries: &[Library]) -> Result<(), String> {
    let Some(facade) = libraries.iter().find(|library| library.name == FACADE) else {
        return Err(format!("the workspace has no `{FACADE}`"));
    };
    let rows = rows(source);
    let bare = dependencies(&["--no-default-features"])?;
    let default = dependencies(&[])?;
    for (row, said) in &rows {
        let (counted, means) = match row.as_str() {
            "none" => (bare.len(), "without features"),
            "default" => (default.len(), "with the default features"),
            feature => {
                let with = dependencies(&["--features", feature])?;
                (with.difference(&default).count(), "on top of the defaults")
            }
        };
        if counted != *said {
            return Err(format!(
                "{DOCUMENT}: the table of features says {said} crates for `{row}`; {means} it is {counted}"
            ));
        }
    }
    // The features of the defaults are in their row.
    let optional = facade
        .features
        .iter()
        .filter(|name| !facade.defaults.contains(name));
    let missing: Vec<_> = optional
        .filter(|&name| !rows.iter().any(|(row, _)| row == name))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Err(format!(
            "{DOCUMENT}: the table of features lacks {}",
            missing.join(", ")
        ));
    }
    say!(
        "    the counts of dependencies in {DOCUMENT} hold: {} rows",
        rows.len()
    );
    Ok(())
}

/// The third-party crates that the facade needs to run.
fn dependencies(selection: &[&str]) -> Result<BTreeSet<String>, String> {
    let tree = output(
        cargo(&[
            "tree",
            "--package",
            FACADE,
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--target", PLATFORM, "--format", "{p}"])
        .args(selection),
    )?;
    Ok(tree
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(FACADE))
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect())
}

/// The lines `| `name` | what | count |` below the heading in the crate docs: name and count.
fn rows(source: &str) -> Vec<(String, usize)> {
    let docs = source.lines().map_while(|line| line.strip_prefix("//!"));
    let section = docs
        .map(str::trim)
        .skip_while(|line| *line != "# Features")
        .skip(1)
        .take_while(|line| !line.starts_with("# "));
    let cells = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let &[name, _, count] = cells.as_slice() else {
            return None;
        };
        let name = name.strip_prefix('`')?.strip_suffix('`')?;
        Some((name.to_owned(), count.trim_start_matches('+').parse().ok()?))
    };
    section.filter_map(cells).collect()
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn the_rows_of_the_section_are_read_and_no_others() {
        let source = "//! | `a` | b | 1 |\n//! # Features\n//!\n//! | feature | what | crates |\n\
                      //! |---|---|---|\n//! | `default` | all | 70 |\n//! | `http2` | more | +7 |\n\
                      //! # Next\n//! | `c` | d | 2 |\n";
        assert_eq!(
            rows(source),
            [("default".to_owned(), 70), ("http2".to_owned(), 7)]
        );
    }
}
