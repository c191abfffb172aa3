//! The tests that a promise names, as cargo and nextest select them.

use std::path::Path;

use crate::promises::Named;
use crate::workspace::Workspace;

/// These tests are built with `cfg(loom)`, in a folder of their own.
pub(crate) fn is_loom(named: &Named) -> bool {
    named.file.ends_with("/tests/loom.rs")
}

/// The arguments that choose features, and that build little more than the tests of one file. With `--workspace` the
/// dependencies keep the features of the suite's build.
pub(crate) fn selection(named: &Named, workspace: &Workspace) -> Result<Vec<String>, String> {
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
pub(crate) fn filter(named: &Named) -> String {
    let each = named
        .tests
        .iter()
        .map(|test| format!("test(/(^|::){test}$/)"));
    each.collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

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
