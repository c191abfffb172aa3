//! `docs/promises.md` names the tests of each promise. This step checks that they exist.

use std::fs;

use crate::console::say;
use crate::sabotage;
use crate::steps::{Session, Stop};

const DOCUMENT: &str = "docs/promises.md";
/// The base folder of its links.
const FOLDER: &str = "docs";
/// The heading of the last column of a table of promises.
const COLUMN: &str = "shown by";

/// One row of the tables of promises.
#[derive(Debug, PartialEq)]
pub(crate) struct Promise {
    /// The first cell.
    pub(crate) text: String,
    /// The last cell; at least one test.
    pub(crate) tests: Vec<Named>,
}

/// Tests in one file.
#[derive(Debug, PartialEq)]
pub(crate) struct Named {
    /// From the root of the repository.
    pub(crate) file: String,
    pub(crate) tests: Vec<String>,
}

/// The step of the suite.
pub(crate) fn check(_: &Session) -> Result<(), Stop> {
    let promises = read()?;
    let mut wrong = Vec::new();
    for Named { file, tests } in promises.iter().flat_map(|promise| &promise.tests) {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("{DOCUMENT} names {file}: {error}"))?;
        let absent = tests.iter().filter(|test| !has_test(&text, test));
        wrong.extend(absent.map(|test| format!("{file} has no test `{test}`")));
    }
    if !wrong.is_empty() {
        let wrong = wrong.join("\n");
        return Err(Stop::Failed(format!(
            "{DOCUMENT} names missing tests:\n{wrong}"
        )));
    }
    let named = promises.iter().flat_map(|promise| &promise.tests);
    let tests: usize = named.map(|named| named.tests.len()).sum();
    let sabotages = sabotage::check(&promises)?;
    say!(
        "    {} promises, {tests} tests, {sabotages} sabotages",
        promises.len()
    );
    Ok(())
}

/// Every promise, in the order of the document.
pub(crate) fn read() -> Result<Vec<Promise>, String> {
    let document = fs::read_to_string(DOCUMENT).map_err(|error| format!("{DOCUMENT}: {error}"))?;
    promises(&document)
}

fn promises(document: &str) -> Result<Vec<Promise>, String> {
    let mut promises = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        let Some(cells) = line.strip_prefix('|').and_then(|it| it.strip_suffix('|')) else {
            inside = false;
            continue;
        };
        let (text, last) = cells.rsplit_once('|').unwrap_or(("", cells));
        let (text, last) = (text.trim(), last.trim());
        if last == COLUMN {
            inside = true;
        } else if inside && !last.starts_with("---") {
            let tests = named(last);
            if tests.is_empty() || tests.iter().any(|named| named.tests.is_empty()) {
                return Err(format!("{DOCUMENT} names no test for the promise: {line}"));
            }
            let text = text.to_owned();
            promises.push(Promise { text, tests });
        }
    }
    if promises.is_empty() {
        return Err(format!("{DOCUMENT} has no column `{COLUMN}`"));
    }
    Ok(promises)
}

/// A cell is links to files, each followed by the names of tests as code: `[a](../path/a.rs): `test`, …`.
fn named(cell: &str) -> Vec<Named> {
    let links = cell.split("](").skip(1);
    links
        .filter_map(|rest| {
            let (link, names) = rest.split_once(')')?;
            // The text of the next link is not closed here.
            let names = names.rsplit_once('[').map_or(names, |(names, _)| names);
            let code = names.split('`').skip(1).step_by(2);
            Some(Named {
                file: from_root(link),
                tests: code.map(str::to_owned).collect(),
            })
        })
        .collect()
}

/// The path of a linked file from the root of the repository. The link is relative to the document.
fn from_root(link: &str) -> String {
    link.strip_prefix("../")
        .map_or_else(|| format!("{FOLDER}/{link}"), str::to_owned)
}

/// Whether a function of that name follows a test attribute.
fn has_test(text: &str, name: &str) -> bool {
    let call = format!("fn {name}(");
    text.match_indices(&call).any(|(at, _)| {
        // From the line above: this one may begin with `async`.
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
                        | `x` holds | [a](../t/a.rs): `one`, `two`; [`b`](../t/b.rs): `three` |\n";
        assert_eq!(
            promises(document),
            Ok(vec![Promise {
                text: "`x` holds".to_owned(),
                tests: vec![one("t/a.rs", &["one", "two"]), one("t/b.rs", &["three"])],
            }])
        );
    }

    #[test]
    fn a_promise_without_a_test_is_an_error() {
        let table = "| promise | shown by |\n|---|---|\n";
        assert!(promises(&format!("{table}| x | |\n")).is_err());
        assert!(promises(&format!("{table}| x | [a](../t/a.rs) |\n")).is_err());
        assert!(promises("# Promises\n").is_err());
    }

    #[test]
    fn a_link_starts_from_the_folder_of_the_document() {
        assert_eq!(from_root("../t/a.rs"), "t/a.rs");
        assert_eq!(from_root("a.rs"), "docs/a.rs");
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
