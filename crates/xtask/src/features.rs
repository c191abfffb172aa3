//! Every layer alone: without features, with its defaults, with each feature alone, with all of them.
//! A workspace build turns on the union of what its members ask for and so hides a missing feature.

use crate::run::{cargo, run};
use crate::steps::Session;
use crate::workspace::Library;

pub(crate) fn check(session: &mut Session) -> Result<(), String> {
    for library in &session.workspace.libraries {
        for selection in selections(library) {
            let mut args = vec!["check", "--quiet", "--package", &library.name];
            args.extend(selection);
            run(&mut cargo(&args))?;
        }
    }
    Ok(())
}

/// The sets of features to check, as arguments; a set that equals an earlier one is left out.
fn selections(library: &Library) -> Vec<Vec<&str>> {
    let mut selections = vec![vec!["--no-default-features"]];
    if library.has_defaults {
        selections.push(Vec::new());
    }
    selections.extend(
        library
            .features
            .iter()
            .map(|name| vec!["--no-default-features", "--features", name]),
    );
    if library.features.len() > 1 {
        selections.push(vec!["--all-features"]);
    }
    selections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(features: &[&str], has_defaults: bool) -> Vec<String> {
        let features = features.iter().map(ToString::to_string).collect();
        let library = Library {
            name: "layer".to_owned(),
            features,
            has_defaults,
        };
        selections(&library)
            .iter()
            .map(|selection| selection.join(" "))
            .collect()
    }

    #[test]
    fn a_layer_without_features_is_checked_once() {
        assert_eq!(lines(&[], false), ["--no-default-features"]);
    }

    #[test]
    fn none_default_each_and_all() {
        assert_eq!(
            lines(&["axum", "tracing"], true),
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
    fn a_single_feature_is_all_features() {
        assert_eq!(
            lines(&["tracing"], false),
            [
                "--no-default-features",
                "--no-default-features --features tracing"
            ]
        );
    }
}
