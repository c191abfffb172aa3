//! SECURITY.md names the tests that show what it promises. Here each of them is looked for.

use std::fs;

use crate::steps::Session;

const DOCUMENT: &str = "SECURITY.md";
/// How the last column of a table of promises is called.
const COLUMN: &str = "shown by";

/// The step of the suite.
pub(crate) fn check(_: &mut Session) -> Result<(), String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let rows = rows(&read(DOCUMENT)?)?;
    let mut wrong = Vec::new();
    for Named { file, tests } in rows.iter().flatten() {
        let text = read(file).map_err(|error| format!("{DOCUMENT} names {error}"))?;
        let absent = tests.iter().filter(|test| !has_test(&text, test));
        wrong.extend(absent.map(|test| format!("{file} has no test `{test}`")));
    }
    if !wrong.is_empty() {
        return Err(format!(
            "what {DOCUMENT} names is not there:\n{}",
            wrong.join("\n")
        ));
    }
    let tests: usize = rows.iter().flatten().map(|named| named.tests.len()).sum();
    println!("    {} promises, {tests} tests", rows.len());
    Ok(())
}

/// What a promise names: tests in one file.
#[derive(Debug, PartialEq)]
struct Named {
    file: String,
    tests: Vec<String>,
}

/// For each row of the tables of promises, what it names; at least one test.
fn rows(document: &str) -> Result<Vec<Vec<Named>>, String> {
    let mut rows = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        let Some(cells) = line.strip_prefix('|').and_then(|it| it.strip_suffix('|')) else {
            inside = false;
            continue;
        };
        let last = cells.rsplit('|').next().unwrap_or_default().trim();
        if last == COLUMN {
            inside = true;
        } else if inside && !last.starts_with("---") {
            let named = named(last);
            if named.is_empty() || named.iter().any(|named| named.tests.is_empty()) {
                return Err(format!(
                    "{DOCUMENT} promises without a test that shows it: {line}"
                ));
            }
            rows.push(named);
        }
    }
    if rows.is_empty() {
        return Err(format!("{DOCUMENT} has no column `{COLUMN}`"));
    }
    Ok(rows)
}

/// A cell is links to files, each followed by the names of tests as code: `[a](path/a.rs): `test`, …`.
fn named(cell: &str) -> Vec<Named> {
    let links = cell.split("](").skip(1);
    links
        .filter_map(|rest| {
            let (file, names) = rest.split_once(')')?;
            // The text of the next link is not closed here.
            let names = names.rsplit_once('[').map_or(names, |(names, _)| names);
            let code = names.split('`').skip(1).step_by(2);
            Some(Named {
                file: file.to_owned(),
                tests: code.map(str::to_owned).collect(),
            })
        })
        .collect()
}

/// Whether a function of that name stands below an attribute that makes it a test.
fn has_test(text: &str, name: &str) -> bool {
    let call = format!("fn {name}(");
    text.match_indices(&call).any(|(at, _)| {
        // From the line above: this one has perhaps an `async` before it.
        let above = text[..at].rsplit('\n').skip(1).map(str::trim);
        above
            .take_while(|line| !line.is_empty() && *line != "}")
            .any(|line| {
                line.starts_with("#[") && (line.contains("test]") || line.contains("test("))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(file: &str, tests: &[&str]) -> Named {
        Named {
            file: file.to_owned(),
            tests: tests.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn the_tests_of_every_promise_are_read() {
        let document = "| not | this |\n|---|---|\n| a | [b](c.rs) |\n\n\
                        | promise | shown by |\n|---|---|\n\
                        | `x` holds | [a](t/a.rs): `one`, `two`; [`b`](t/b.rs): `three` |\n";
        assert_eq!(
            rows(document),
            Ok(vec![vec![
                one("t/a.rs", &["one", "two"]),
                one("t/b.rs", &["three"])
            ]])
        );
    }

    #[test]
    fn a_promise_that_nothing_shows_is_an_error() {
        let table = "| promise | shown by |\n|---|---|\n";
        assert!(rows(&format!("{table}| x | |\n")).is_err());
        assert!(rows(&format!("{table}| x | [a](t/a.rs) |\n")).is_err());
        assert!(rows("# Security\n").is_err());
    }

    #[test]
    fn a_function_is_a_test_by_its_attribute() {
        let text = "#[test]\nfn plain() {}\n\n#[tokio::test(flavor = \"x\")]\n\
                    async fn on_tokio() {}\n}\n\nfn helper() {}\n";
        assert!(has_test(text, "plain"));
        assert!(has_test(text, "on_tokio"));
        assert!(!has_test(text, "helper"));
        assert!(!has_test(text, "gone"));
    }
}
