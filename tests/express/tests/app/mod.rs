//! A real Express application in a process of Node.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use node_tests::Node;
use serde_json::json;
use test_servers::Server;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// It is killed when it is dropped.
pub(crate) struct App {
    /// It answers over HTTP as a node does.
    pub(crate) node: Node,
    _process: Child,
}

impl App {
    /// With the session secret of the nodes, and sessions that live that long, or as long as the
    /// browser.
    pub(crate) async fn start(server: &Server, max_age: Option<Duration>) -> Self {
        let options = json!({
            "url": server.url(),
            "secret": Node::SESSION_SECRET,
            "maxAge": max_age.map(|max_age| max_age.as_millis()),
        });
        let mut process = Command::new("node")
            .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("node/app.cjs"))
            .arg(options.to_string())
            .env(
                "NODE_PATH",
                test_support::packages("node/node_modules", "connect-redis"),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node is not installed: `cargo xtask setup` installs it");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = timeout(Duration::from_secs(60), lines.next_line());
        let line = line.await.expect("Express does not start").unwrap();
        let port: u16 = line.expect("see its error above").parse().unwrap();
        Self {
            node: Node::at(([127, 0, 0, 1], port).into()),
            _process: process,
        }
    }
}
