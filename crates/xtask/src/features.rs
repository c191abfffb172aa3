//! Every layer alone: without features, with its defaults, with each feature and each pair of them,
//! with all of them. A workspace build unites the features of its members, and so hides a missing
//! one.

use crate::run::{cargo, run};
use crate::steps::{Session, Stop};
use crate::tree;
use crate::workspace::Library;

/// The step of the fast tier.
pub(crate) fn each(session: &Session) -> Result<(), Stop> {
    let source = std::fs::read_to_string(tree::DOCUMENT)
        .map_err(|error| format!("{}: {error}", tree::DOCUMENT))?;
    tree::check(&source, &session.workspace.libraries)?;
    for library in &session.workspace.libraries {
        check(library, selections(library))?;
    }
    Ok(())
}

/// The step of the slow tier.
pub(crate) fn pairs(session: &Session) -> Result<(), Stop> {
    for library in &session.workspace.libraries {
        check(library, paired(library))?;
    }
    Ok(())
}

fn check(library: &Library, selections: Vec<Vec<&str>>) -> Result<(), String> {
    for selection in selections {
        let mut args = vec!["check", "--quiet", "--package", &library.name];
        args.extend(selection);
        run(&mut cargo(&args))?;
    }
    Ok(())
}

/// A library with more features is the facade, whose features share no code.
const PAIRED: usize = 8;

/// The sets of features to check, as arguments, without duplicates.
fn selections(library: &Library) -> Vec<Vec<&str>> {
    let mut selections = vec![vec!["--no-default-features"]];
    if !library.defaults.is_empty() {
        selections.push(Vec::new());
    }
    let features: Vec<&str> = library.features.iter().map(String::as_str).collect();
    selections.extend(features.iter().map(|name| only(&[name])));
    if features.len() > 1 {
        selections.push(vec!["--all-features"]);
    }
    selections
}

/// Each pair of features, as arguments. Of two features the pair is all of them.
fn paired(library: &Library) -> Vec<Vec<&str>> {
    let features: Vec<&str> = library.features.iter().map(String::as_str).collect();
    if !(3..=PAIRED).contains(&features.len()) {
        return Vec::new();
    }
    let pairs = features.iter().enumerate().flat_map(|(index, one)| {
        let others = features[index + 1..].iter();
        others.map(move |other| only(&[one, other]))
    });
    pairs.collect()
}

fn only<'a>(features: &[&'a str]) -> Vec<&'a str> {
    let each = features.iter().flat_map(|name| ["--features", name]);
    std::iter::once("--no-default-features")
        .chain(each)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(features: &[&str], defaults: &[&str]) -> Library {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Library {
            name: "layer".to_owned(),
            features: owned(features),
            defaults: owned(defaults),
        }
    }

    fn lines(features: &[&str], defaults: &[&str]) -> Vec<String> {
        selections(&library(features, defaults))
            .iter()
            .map(|selection| selection.join(" "))
            .collect()
    }

    #[test]
    fn a_layer_without_features_is_checked_once() {
        assert_eq!(lines(&[], &[]), ["--no-default-features"]);
    }

    #[test]
    fn selects_none_default_each_and_all() {
        assert_eq!(
            lines(&["axum", "tracing"], &["axum"]),
            [
                "--no-default-features",
                "",
                "--no-default-features --features axum",
                "--no-default-features --features tracing",
                "--all-features",
            ]
        );
    }

    #[test]
    fn each_pair_of_three() {
        let pairs = paired(&library(&["a", "b", "c"], &[]))
            .into_iter()
            .map(|pair| pair.join(" "))
            .collect::<Vec<_>>();
        assert_eq!(
            pairs,
            [
                "--no-default-features --features a --features b",
                "--no-default-features --features a --features c",
                "--no-default-features --features b --features c",
            ]
        );
    }

    #[test]
    fn a_facade_has_no_pairs() {
        let many: Vec<String> = (0..9).map(|n| format!("f{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(paired(&library(&many, &[])).is_empty());
    }

    #[test]
    fn a_single_feature_is_all_features() {
        assert_eq!(
            lines(&["tracing"], &[]),
            [
                "--no-default-features",
                "--no-default-features --features tracing"
            ]
        );
    }
}
