//! Cargo's description of this workspace.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{cargo, output};

#[derive(Clone)]
pub(crate) struct Workspace {
    /// The folder of tools that no system package offers.
    pub(crate) tools: PathBuf,
    /// The layers: every library under `crates/`.
    pub(crate) libraries: Vec<Library>,
    /// Every target with integration tests.
    pub(crate) tests: Vec<TestTarget>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TestTarget {
    pub(crate) package: String,
    pub(crate) name: String,
    /// From the root: `tests/x/main.rs` or `tests/x.rs`.
    pub(crate) file: PathBuf,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Library {
    pub(crate) name: String,
    /// Without `default`.
    pub(crate) features: Vec<String>,
    /// The features of `default`.
    pub(crate) defaults: Vec<String>,
}

impl Workspace {
    /// Reads the workspace that contains the current directory and makes its root the current directory.
    pub(crate) fn enter() -> Result<Self, String> {
        let text = output(&mut cargo(&[
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
        ]))?;
        let metadata: Value = serde_json::from_str(&text)
            .map_err(|error| format!("`cargo metadata` is not JSON: {error}"))?;
        let root = path(&metadata, "workspace_root")?;
        std::env::set_current_dir(&root).map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(Self {
            tools: path(&metadata, "target_directory")?.join("tools"),
            libraries: libraries(&metadata, &root),
            tests: tests(&metadata, &root),
        })
    }
}

fn path(metadata: &Value, key: &str) -> Result<PathBuf, String> {
    metadata[key]
        .as_str()
        .map(PathBuf::from)
        .ok_or_else(|| format!("`cargo metadata` has no `{key}`"))
}

fn libraries(metadata: &Value, root: &Path) -> Vec<Library> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|package| is_layer(package, root))
        .filter_map(library)
        .collect()
}

fn tests(metadata: &Value, root: &Path) -> Vec<TestTarget> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let of_package = |package: &Value| {
        let targets = package["targets"].as_array().into_iter().flatten();
        let target = |target: &Value| {
            let is_test = target["kind"].as_array()?.contains(&"test".into());
            is_test.then_some(())?;
            let file = Path::new(target["src_path"].as_str()?);
            Some(TestTarget {
                package: package["name"].as_str()?.to_owned(),
                name: target["name"].as_str()?.to_owned(),
                file: file.strip_prefix(root).ok()?.to_owned(),
            })
        };
        targets.filter_map(target).collect::<Vec<_>>()
    };
    packages.flat_map(of_package).collect()
}

fn is_layer(package: &Value, root: &Path) -> bool {
    let manifest = package["manifest_path"].as_str().map(Path::new);
    let mut targets = package["targets"].as_array().into_iter().flatten();
    manifest.is_some_and(|manifest| manifest.starts_with(root.join("crates")))
        && targets.any(|target| {
            target["kind"]
                .as_array()
                .is_some_and(|kinds| kinds.contains(&"lib".into()))
        })
}

fn library(package: &Value) -> Option<Library> {
    let features = package["features"].as_object()?;
    Some(Library {
        name: package["name"].as_str()?.to_owned(),
        features: features
            .keys()
            .filter(|name| *name != "default")
            .cloned()
            .collect(),
        defaults: features
            .get("default")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_libraries_are_those_under_crates() {
        let package = |name: &str, folder: &str, kind: &str, features: Value| {
            json!({
                "name": name,
                "manifest_path": format!("/w/{folder}/{name}/Cargo.toml"),
                "targets": [{ "kind": [kind] }],
                "features": features,
            })
        };
        let metadata = json!({ "packages": [
            package("core", "crates", "lib", json!({ "axum": ["dep:axum"], "default": [] })),
            package("facade", "crates", "lib", json!({ "default": ["jwt"], "jwt": [], "close": [] })),
            package("xtask", "crates", "bin", json!({})),
            package("e2e", "tests", "lib", json!({ "browser": [] })),
        ]});
        let library = |name: &str, features: &[&str], defaults: &[&str]| Library {
            name: name.to_owned(),
            features: features.iter().map(ToString::to_string).collect(),
            defaults: defaults.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(
            libraries(&metadata, Path::new("/w")),
            [
                library("core", &["axum"], &[]),
                library("facade", &["close", "jwt"], &["jwt"])
            ]
        );
    }
}
