//! Between a client and a server of the `ws` package: permessage-deflate from end to end, and
//! everything else as its users see it.

use std::path::PathBuf;
use std::process::Stdio;

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::peer::{PATIENCE, Running, SOON, ada, end_of, next, now, refused, token, token_of};

/// A process that prints a line for everything that happens.
pub(crate) struct Node {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Node {
    fn start(arguments: &[&str]) -> Self {
        Self::run("ws.cjs", arguments)
    }

    pub(crate) fn run(script: &str, arguments: &[&str]) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/node");
        let script = folder.join(script);
        let packages = test_support::packages("node/node_modules", "ws");
        let mut command = Command::new("node");
        command.arg(script).args(arguments);
        Self::spawn(command.env("NODE_PATH", packages))
    }

    /// A process of Python.
    pub(crate) fn python(script: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python");
        let packages = test_support::packages("python", "fastapi");
        let mut command = Command::new("python3");
        command.arg(folder.join(script));
        // No folder of its own for what is compiled.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        Self::spawn(command.env("PYTHONPATH", packages))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut process = command
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a tool is missing: `cargo xtask setup` installs it");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    async fn server() -> (Self, std::net::SocketAddr) {
        Self::start(&["server"]).listening().await
    }

    /// The process, and the port that it prints first.
    pub(crate) async fn listening(mut self) -> (Self, std::net::SocketAddr) {
        let port = self.line().await["port"].as_u64().unwrap();
        (self, format!("127.0.0.1:{port}").parse().unwrap())
    }

    pub(crate) async fn line(&mut self) -> Value {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("it says nothing").unwrap();
        serde_json::from_str(&line.expect("it has ended")).unwrap()
    }
}

#[tokio::test]
async fn a_ws_client_and_a_ws_server_do_not_notice_that_somebody_is_between() {
    let (mut server, upstream) = Node::server().await;
    let gateway = Running::start(upstream, &[]).await;
    let url = format!(
        "ws://{}/room?a=1&token={}",
        gateway.address,
        token_of("ada")
    );
    let mut client = Node::start(&["client", &url]);
    let heard = client.line().await;
    let want = json!({
        "code": 4001, "reason": "as you wish", "heard": [true, true, true, true, true],
        "pongs": 1, "extensions": "permessage-deflate", "protocol": "chat.v2",
    });
    assert_eq!(heard, want);

    let opened = server.line().await;
    assert_eq!(opened["url"], "/room?a=1");
    assert_eq!(opened["extensions"], "permessage-deflate");
    let headers = &opened["headers"];
    assert_eq!(headers["x-auth-user"], "ada");
    assert_eq!(headers["x-auth-via"], "jwt");
    assert_eq!(headers["sec-websocket-protocol"], "chat.v1,chat.v2");
    assert_eq!(
        server.line().await,
        json!({ "code": 4001, "reason": "as you wish" })
    );
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_ws_server_reads_the_clients_code_and_the_codes_of_the_gateway() {
    let (mut server, upstream) = Node::server().await;
    let gateway = Running::start(upstream, &[]).await;
    let mut socket = ada(&gateway, "/").await;
    server.line().await;
    let (code, reason) = (4321.into(), "my own".into());
    socket
        .close(Some(CloseFrame { code, reason }))
        .await
        .unwrap();
    end_of(&mut socket).await;
    // Until then its half is open, and `ws` does not call that closed.
    drop(socket);
    assert_eq!(
        server.line().await,
        json!({ "code": 4321, "reason": "my own" })
    );

    let short = token(&json!({ "sub": "ada", "exp": now() + 5 }));
    let path = format!("/?token={short}");
    let opened = crate::peer::connect(gateway.address, &path, &mut Vec::new()).await;
    let mut socket = opened.unwrap();
    assert!(server.line().await["url"] == "/");
    let expired = Some((4401, "token_expired".to_owned()));
    assert_eq!(end_of(&mut socket).await, expired);
    drop(socket);
    assert_eq!(
        server.line().await,
        json!({ "code": 4401, "reason": "token_expired" })
    );

    let missing = refused(gateway.address, "/", &[]).await;
    assert_eq!(missing, (401, "credentials_missing".to_owned()));
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn a_ws_server_that_is_killed_ends_its_clients_at_once() {
    let (mut server, upstream) = Node::server().await;
    let gateway = Running::start(upstream, &[]).await;
    let mut socket = ada(&gateway, "/").await;
    socket.send(Message::text("hi")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("hi"));
    server.process.kill().await.unwrap();
    let ended = timeout(SOON, end_of(&mut socket)).await;
    assert_eq!(ended.unwrap(), None);
    drop(socket);
    gateway.is_empty_within(SOON).await;
}
