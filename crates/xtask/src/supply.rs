//! The published packages: each crate as a package, the packages by themselves, with the oldest
//! promised Rust, and with the oldest allowed dependencies.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::console::say;
use crate::run::{cargo, output, run, run_within, succeeds};
use crate::setup::needs;
use crate::steps::{Session, Stop};
use crate::workspace::{Library, Workspace};

/// A toolchain without its documentation is 70 megabytes.
const INSTALL_LIMIT: Duration = Duration::from_secs(5 * 60);

/// The step of the suite: packs every library, builds the packages, and publishes them without the
/// upload.
pub(crate) fn package(session: &Session) -> Result<(), Stop> {
    let folder = session.workspace.tools.with_file_name("packages");
    unpack(&session.workspace, &folder)?;
    fs::copy("Cargo.lock", folder.join("Cargo.lock")).map_err(|error| of("Cargo.lock", &error))?;
    run(cargo(&["check", "--workspace", "--all-features"])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        // Reuses the suite's build of the dependencies.
        .arg("--target-dir")
        .arg(folder.with_file_name("")))?;
    dry_run(&folder.with_file_name("archives"))
}

/// The command by which the workflow `release` publishes, without the upload.
fn dry_run(target: &Path) -> Result<(), Stop> {
    let mut publish = cargo(&["publish", "--workspace", "--locked", "--no-verify"]);
    publish.args(["--dry-run", "--allow-dirty", "--quiet"]);
    let failed = run(publish.arg("--target-dir").arg(target)).err();
    let Some(failed) = failed else { return Ok(()) };
    // It asks the registry for each dependency, and needs the network for that.
    if succeeds(&mut cargo(&["info", "--registry", "crates-io", "http"])) {
        return Err(failed.into());
    }
    Err(Stop::NotRun(
        "the packages build, but the registry is unreachable: `cargo publish --dry-run` did not run"
            .to_owned(),
    ))
}

/// The step of the suite: the libraries with the oldest promised Rust.
pub(crate) fn msrv(session: &Session) -> Result<(), Stop> {
    let root = read("Cargo.toml")?;
    let version =
        value(&root, "rust-version").ok_or("Cargo.toml has no `rust-version`".to_owned())?;
    let there = || succeeds(Command::new("rustup").args(["run", version, "cargo", "--version"]));
    if !there() {
        let install = ["toolchain", "install", version, "--profile", "minimal"];
        let mut rustup = Command::new("rustup");
        if let Err(error) = run_within(INSTALL_LIMIT, rustup.args(install)) {
            return Err(Stop::NotRun(format!(
                "Rust {version} could not be installed: {error}"
            )));
        }
    }
    let mut check = Command::new("rustup");
    check.args(["run", version, "cargo", "check", "--all-features"]);
    check.args(packages(&session.workspace.libraries));
    check
        .arg("--target-dir")
        .arg(session.workspace.tools.with_file_name("msrv"));
    Ok(run(check.env_remove("RUSTFLAGS"))?)
}

/// The published packages with the oldest allowed version of each direct dependency.
pub(crate) fn minimal(workspace: &Workspace) -> Result<(), String> {
    let folder = workspace.tools.with_file_name("minimal");
    unpack(workspace, &folder)?;
    for library in &workspace.libraries {
        let manifest = folder.join(&library.name).join("Cargo.toml");
        let text = read(&manifest)?;
        write(&manifest, &without_tests(&text))?;
    }
    let manifest = folder.join("Cargo.toml");
    // An unstable option on a stable compiler. Only here, where nothing is built.
    run(cargo(&["update", "-Zdirect-minimal-versions"])
        .env("RUSTC_BOOTSTRAP", "1")
        .arg("--manifest-path")
        .arg(&manifest))
    .map_err(|error| needs("crates.io", &error))?;
    run(cargo(&["check", "--workspace", "--all-features"])
        .arg("--keep-going")
        .arg("--manifest-path")
        .arg(&manifest)
        .arg("--target-dir")
        .arg(folder.join("target")))
}

/// Makes a workspace of the packages in an empty folder, as a registry would deliver them.
pub(crate) fn unpack(workspace: &Workspace, folder: &Path) -> Result<(), String> {
    // Keeps an earlier build.
    let built = folder.join("target");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && path != built {
            fs::remove_dir_all(&path).map_err(|error| of(path.display(), &error))?;
        }
    }
    let archives = folder.with_file_name("archives");
    let pack = |options: &[&str]| {
        let mut command = cargo(&["package", "--no-verify", "--allow-dirty", "--quiet"]);
        command.args(packages(&workspace.libraries)).args(options);
        command.arg("--target-dir").arg(&archives);
        command
    };
    // The crates of the lock file are already on this machine. The registry is asked only if that
    // fails.
    if run(&mut pack(&["--offline"])).is_err() {
        run(&mut pack(&[]))?;
    }
    let root = read("Cargo.toml")?;
    let version = value(&root, "version").ok_or("Cargo.toml has no `version`")?;
    for Library { name, .. } in &workspace.libraries {
        let archive = archives
            .join("package")
            .join(format!("{name}-{version}.crate"));
        let list = output(Command::new("tar").arg("-tzf").arg(&archive))?;
        contents(&list).map_err(|error| format!("the package of {name} {error}"))?;
        let place = folder.join(name);
        extract(&archive, &place)?;
        includes(&place.join("src"))?;
    }
    say!("    {} packages", workspace.libraries.len());
    write(
        &folder.join("Cargo.toml"),
        &manifest(&workspace.libraries, &root),
    )
}

/// The files are as old as this call: cargo gives all files of a package the same date, and would take
/// those of an earlier build for unchanged.
fn extract(archive: &Path, place: &Path) -> Result<(), String> {
    fs::create_dir_all(place).map_err(|error| of(place.display(), &error))?;
    let mut tar = Command::new("tar");
    tar.arg("-xzmf").arg(archive);
    output(tar.arg("-C").arg(place).arg("--strip-components=1")).map(drop)
}

/// Whether a package has its required files, and none that only the repository needs.
fn contents(list: &str) -> Result<(), String> {
    const NEEDED: &[&str] = &[
        "CHANGELOG.md",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "src/lib.rs",
    ];
    const MADE_BY_CARGO: &[&str] = &["Cargo.lock", "Cargo.toml.orig", ".cargo_vcs_info.json"];
    let files: BTreeSet<&str> = list
        .lines()
        .filter_map(|line| Some(line.split_once('/')?.1))
        .collect();
    if let Some(missing) = NEEDED.iter().find(|file| !files.contains(**file)) {
        return Err(format!("lacks {missing}"));
    }
    let expected = |file: &&&str| {
        NEEDED.contains(file) || MADE_BY_CARGO.contains(file) || file.starts_with("src/")
    };
    match files.iter().find(|file| !expected(file)) {
        Some(extra) => Err(format!("has {extra}")),
        None => Ok(()),
    }
}

/// Whether the files that the sources include are present. A build would not notice the absence of
/// those for documentation or tests.
fn includes(folder: &Path) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| of(folder.display(), &error))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            includes(&path)?;
            continue;
        }
        let text = read(&path)?;
        if let Some(file) = included(&text).find(|file| !folder.join(file).is_file()) {
            return Err(format!("{} includes {file}", path.display()));
        }
    }
    Ok(())
}

fn included(source: &str) -> impl Iterator<Item = &str> {
    let calls = ["include_str!(\"", "include_bytes!(\"", "include!(\""];
    calls
        .into_iter()
        .flat_map(|call| source.split(call).skip(1))
        .filter_map(|rest| rest.split('"').next())
}

/// The manifest of a workspace in which the packages depend on each other.
fn manifest(libraries: &[Library], root: &str) -> String {
    let names = || libraries.iter().map(|library| library.name.as_str());
    let members: Vec<_> = names().map(|name| format!("\"{name}\"")).collect();
    let mut text = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n[patch.crates-io]\n",
        members.join(", ")
    );
    for name in names() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} = {{ path = \"{name}\" }}");
    }
    // With the repository's profiles the suite's build of the dependencies can be reused.
    let profiles = root.find("\n[profile.").map_or("", |at| &root[at..]);
    text + profiles
}

/// A manifest as Cargo writes it into a package, without the parts for tests and benches.
fn without_tests(manifest: &str) -> String {
    const TESTS: &[&str] = &["dev-dependencies", "[[test]]", "[[bench]]"];
    let mut kept = true;
    let lines = manifest.lines().filter(|line| {
        if line.starts_with('[') {
            // `[dev-dependencies.b]`, or for some targets `[target.'cfg(…)'.dev-dependencies.b]`.
            kept = !TESTS.iter().any(|table| line.contains(table));
        }
        kept
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn packages(libraries: &[Library]) -> impl Iterator<Item = &str> {
    libraries
        .iter()
        .flat_map(|library| ["--package", &library.name])
}

/// The first `key = "value"` at the beginning of a line.
fn value<'a>(manifest: &'a str, key: &str) -> Option<&'a str> {
    manifest.lines().find_map(|line| {
        let (found, value) = line.split_once(" = ")?;
        (found == key).then(|| value.trim_matches('"'))
    })
}

fn read(path: impl Into<PathBuf>) -> Result<String, String> {
    let path = path.into();
    fs::read_to_string(&path).map_err(|error| of(path.display(), &error))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| of(path.display(), &error))
}

fn of(path: impl std::fmt::Display, error: &std::io::Error) -> String {
    format!("{path}: {error}")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_package_is_as_new_as_its_unpacking() {
        let folder = std::env::temp_dir().join(format!("xtask-supply-{}", std::process::id()));
        fs::create_dir_all(folder.join("a-1")).unwrap();
        let (file, archive) = (folder.join("a-1/lib.rs"), folder.join("a-1.crate"));
        fs::write(&file, "").unwrap();
        let packed = SystemTime::UNIX_EPOCH + Duration::from_secs(1_153_704_088);
        let opened = fs::File::options().append(true).open(&file).unwrap();
        opened.set_modified(packed).unwrap();
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(&archive).arg("-C").arg(&folder);
        output(tar.arg("a-1")).unwrap();
        let place = folder.join("b");
        extract(&archive, &place).unwrap();
        let unpacked = fs::metadata(place.join("lib.rs")).unwrap().modified();
        assert!(unpacked.unwrap() > packed + Duration::from_secs(86_400));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_package_has_licence_and_readme_and_no_tests() {
        let list = "a-1/CHANGELOG.md\na-1/Cargo.toml\na-1/LICENSE\na-1/README.md\na-1/src/lib.rs\na-1/Cargo.lock\n";
        assert_eq!(contents(list), Ok(()));
        let without = list.replace("a-1/LICENSE\n", "");
        assert_eq!(contents(&without), Err("lacks LICENSE".to_owned()));
        let with = format!("{list}a-1/tests/suite.rs\n");
        assert_eq!(contents(&with), Err("has tests/suite.rs".to_owned()));
    }

    #[test]
    fn the_included_files_of_a_source_are_found() {
        let source =
            r#"#[doc = include_str!("../README.md")] const A: &[u8] = include_bytes!("a.bin");"#;
        let files: Vec<_> = included(source).collect();
        assert_eq!(files, ["../README.md", "a.bin"]);
    }

    #[test]
    fn the_manifest_patches_every_package_and_keeps_the_profiles() {
        let library = |name: &str| Library {
            name: name.to_owned(),
            features: Vec::new(),
            defaults: Vec::new(),
        };
        let root = "[workspace]\nmembers = []\n\n[profile.dev]\nopt-level = 1\n";
        assert_eq!(
            manifest(&[library("a"), library("b")], root),
            "[workspace]\nresolver = \"3\"\nmembers = [\"a\", \"b\"]\n\n[patch.crates-io]\n\
             a = { path = \"a\" }\nb = { path = \"b\" }\n\n[profile.dev]\nopt-level = 1\n"
        );
    }

    #[test]
    fn test_dependencies_are_left_out() {
        let manifest = "[package]\nname = \"a\"\n[[test]]\nname = \"t\"\n[dev-dependencies.b]\n\
                        version = \"1\"\n[target.'cfg(unix)'.dev-dependencies.d]\nversion = \"1\"\n\
                        [dependencies.c]\nversion = \"2\"\n";
        assert_eq!(
            without_tests(manifest),
            "[package]\nname = \"a\"\n[dependencies.c]\nversion = \"2\"\n"
        );
    }

    #[test]
    fn the_oldest_rust_is_read_from_the_workspace() {
        let root = "[workspace.package]\nedition = \"2024\"\nrust-version = \"1.88\"\n";
        assert_eq!(value(root, "rust-version"), Some("1.88"));
        assert_eq!(value(root, "version"), None);
    }
}
