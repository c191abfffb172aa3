//! The scripts of the libraries for a browser, with the packages that they use.

use std::path::Path;
use std::process::Stdio;

use test_support::packages;
use tokio::process::Command;
use tokio::sync::OnceCell;

static BUNDLE: OnceCell<Vec<u8>> = OnceCell::const_new();

/// Made once in each process.
pub(super) async fn bundle() -> Vec<u8> {
    BUNDLE.get_or_init(make).await.clone()
}

async fn make() -> Vec<u8> {
    let modules = packages("node/node_modules", "esbuild");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/libraries.cjs");
    let output = Command::new(modules.join("esbuild/bin/esbuild"))
        .arg(script)
        .args(["--bundle", "--platform=browser", "--log-level=warning"])
        .env("NODE_PATH", modules)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await
        .expect("esbuild; `cargo xtask setup` installs it");
    assert!(output.status.success(), "esbuild: {}", output.status);
    output.stdout
}
