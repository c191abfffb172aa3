use std::path::{Path, PathBuf};

/// The folder `target/…` next to this test's program, such as `node/node_modules` or `python`.
/// `cargo xtask setup` puts third-party packages into it. It must have this one.
///
/// # Panics
///
/// It has not.
pub fn packages(folder: &str, package: &str) -> PathBuf {
    find_packages(folder, package).unwrap()
}

/// The same, for a program that can go on without them.
///
/// # Errors
///
/// The package is not there. The message names it.
pub fn find_packages(folder: &str, package: &str) -> Result<PathBuf, String> {
    let program = std::env::current_exe().unwrap();
    let target = program
        .ancestors()
        .find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let packages = target.and_then(Path::parent).unwrap().join(folder);
    if packages.join(package).exists() {
        return Ok(packages);
    }
    Err(format!(
        "{package} is not in {}: `cargo xtask setup` installs it",
        packages.display()
    ))
}
