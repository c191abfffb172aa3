use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use test_support::{free_port, until_ok};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// A proxy that runs until it is dropped.
pub(crate) struct Proxy {
    /// The address on which it listens.
    pub(crate) address: SocketAddr,
    folder: TempDir,
    // Killed when it is dropped.
    _process: Child,
}

impl Proxy {
    /// Runs a command whose output is in `output.log` of the folder.
    pub(crate) async fn start(address: SocketAddr, folder: TempDir, mut command: Command) -> Self {
        let output = File::create(folder.path().join("output.log")).unwrap();
        let process = command
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: `cargo xtask setup` installs it"));
        let proxy = Self {
            address,
            folder,
            _process: process,
        };
        let logs = || format!("a connection, with the logs {}", proxy.all_logs());
        until_ok(logs, async || TcpStream::connect(address).await).await;
        proxy
    }

    /// Everything in its logs, as soon as that many requests for a socket are there.
    pub(crate) async fn logs(&self, requests: usize) -> String {
        let what = || format!("{requests} requests in {:?}", self.all_logs());
        until_ok(what, async || {
            let text = self.all_logs();
            (text.matches("GET /ws").count() >= requests).then_some(text)
        })
        .await
    }

    fn all_logs(&self) -> String {
        let logs = ["output.log", "access.log", "error.log"];
        let read = |log| std::fs::read_to_string(self.folder.path().join(log));
        logs.into_iter().filter_map(|log| read(log).ok()).collect()
    }
}

/// A free address, on which a proxy will start.
pub(crate) fn free() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// A configuration of this package, with other addresses.
pub(crate) fn configuration(file: &str, listen: SocketAddr, upstream: SocketAddr) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let shown = std::fs::read_to_string(path).unwrap();
    let (ours, theirs) = ("127.0.0.1:8080", "127.0.0.1:3000");
    assert!(shown.contains(ours) && shown.contains(theirs));
    shown
        .replace(ours, &listen.to_string())
        .replace(theirs, &upstream.to_string())
}
