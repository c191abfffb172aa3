//! Where the packages of npm are.

use std::path::PathBuf;

/// `target/node/node_modules`, next to where this test was built; it must have this package.
pub(crate) fn with(package: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test
        .ancestors()
        .find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let packages = target
        .and_then(|folder| folder.parent())
        .unwrap()
        .join("node/node_modules");
    assert!(
        packages.join(package).exists(),
        "{package} is not in {}: `cargo xtask setup` installs it",
        packages.display()
    );
    packages
}
