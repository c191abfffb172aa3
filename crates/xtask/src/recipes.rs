//! The recipes with large dependencies, in a workspace of their own: `cargo xtask test` would not
//! end in its time with them.

use crate::deny;
use crate::run::{cargo, run};
use crate::rust_tests::with_tools;
use crate::steps::{Session, Stop};

const MANIFEST: &str = "examples/recipes/more/Cargo.toml";

pub(crate) fn step(session: &Session) -> Result<(), Stop> {
    deny::licences(session, MANIFEST)?;
    run(&mut cargo(&["fmt", "--check", "--manifest-path", MANIFEST]))?;
    let mut test = cargo(&["test", "--locked", "--all-features", "--manifest-path"]);
    test.arg(MANIFEST);
    // The folder of this workspace, where the tests find the packages of npm.
    let tools = &session.workspace.tools;
    test.args(
        tools
            .parent()
            .map(|target| format!("--target-dir={}", target.display())),
    );
    Ok(run(with_tools(&mut test, tools))?)
}
