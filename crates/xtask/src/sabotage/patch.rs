//! The files of `tests/sabotage`: a header of two fields, then a unified diff.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::succeeds;

pub(crate) const FOLDER: &str = "tests/sabotage";

#[derive(Debug, PartialEq)]
pub(crate) struct Patch {
    pub(crate) file: PathBuf,
    /// The text of the promise, as `docs/promises.md` has it.
    pub(crate) promise: String,
    /// The effect of the change.
    pub(crate) breaks: String,
    /// The files that it changes.
    pub(crate) touches: Vec<String>,
}

impl Patch {
    pub(crate) fn name(&self) -> String {
        let name = self.file.file_stem().unwrap_or(self.file.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// Whether it applies to the current code.
    pub(crate) fn fits(&self) -> bool {
        let root = Path::new(".");
        succeeds(super::git_apply(root).arg("--check").arg(&self.file))
    }
}

/// Every sabotage, ordered so that those in one crate follow each other.
pub(crate) fn all() -> Result<Vec<Patch>, String> {
    let entries = fs::read_dir(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
    let files = entries.flatten().map(|entry| entry.path());
    let mut found = Vec::new();
    for file in files.filter(|file| file.extension().is_some_and(|end| end == "patch")) {
        let text =
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        found.push(parse(file, &text)?);
    }
    order(&mut found);
    Ok(found)
}

/// Those in one crate follow each other: what one leaves built, the next one uses.
pub(crate) fn order(patches: &mut [Patch]) {
    patches.sort_by(|one, other| (&one.touches, &one.file).cmp(&(&other.touches, &other.file)));
}

fn parse(file: PathBuf, text: &str) -> Result<Patch, String> {
    let header = text.split("\ndiff --git ").next().unwrap_or(text);
    let field = |name: &str| {
        let value = header.lines().find_map(|line| line.strip_prefix(name));
        let value = value.map(str::trim).filter(|value| !value.is_empty());
        value
            .map(str::to_owned)
            .ok_or_else(|| format!("{}: the header has no line `{name} …`", file.display()))
    };
    let (promise, breaks) = (field("Promise:")?, field("Breaks:")?);
    if header.len() == text.len() {
        return Err(format!(
            "{}: no `diff --git` after the header",
            file.display()
        ));
    }
    Ok(Patch {
        file,
        promise,
        breaks,
        touches: touched(text).map(str::to_owned).collect(),
    })
}

fn touched(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("+++ b/"))
}

/// Messages for the sabotages that no longer apply.
pub(crate) fn unfit(patches: &[Patch]) -> Vec<String> {
    let unfit = patches.iter().filter(|patch| !patch.fits());
    unfit
        .map(|patch| {
            let file = patch.file.display();
            format!("{file} no longer applies; see `git apply --check {file}`")
        })
        .collect()
}

/// A path for `git apply` in another folder.
pub(crate) fn absolute(file: &Path) -> Result<PathBuf, String> {
    std::path::absolute(file).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Promise: A holds.\nBreaks: The check is gone.\n\n\
                        diff --git a/crates/x/src/a.rs b/crates/x/src/a.rs\n\
                        --- a/crates/x/src/a.rs\n+++ b/crates/x/src/a.rs\n";

    #[test]
    fn the_header_names_the_promise_and_the_breakage() {
        let patch = parse("tests/sabotage/x-a.patch".into(), TEXT).unwrap();
        assert_eq!(patch.promise, "A holds.");
        assert_eq!(patch.breaks, "The check is gone.");
        assert_eq!(patch.name(), "x-a");
        assert_eq!(patch.touches, ["crates/x/src/a.rs"]);
    }

    #[test]
    fn a_file_without_a_field_or_a_diff_is_an_error() {
        for wrong in [
            TEXT.replace("Promise: A holds.\n", ""),
            TEXT.replace("The check is gone.", ""),
            TEXT.replace("diff --git", "diff"),
        ] {
            let error = parse("x.patch".into(), &wrong).unwrap_err();
            assert!(error.starts_with("x.patch: "), "{error}");
        }
    }
}
