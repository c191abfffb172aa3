use std::path::{Path, PathBuf};

/// The folder `target/…` next to this test's program, such as `node/node_modules` or `python`.
/// `cargo xtask setup` puts third-party packages into it. It must have this one.
pub fn packages(folder: &str, package: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test
        .ancestors()
        .find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let packages = target.and_then(Path::parent).unwrap().join(folder);
    assert!(
        packages.join(package).exists(),
        "{package} is not in {}: `cargo xtask setup` installs it",
        packages.display()
    );
    packages
}
