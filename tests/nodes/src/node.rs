use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use serde_json::json;
use test_support::http1::{self, Answer};
use test_support::{PATIENCE, signal};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use crate::begun::Begun;
use crate::socket::Socket;

const JWT_SECRET: &str = "a secret of all nodes, of 32 bytes";

/// One chat, in any process.
#[derive(Clone, Debug)]
pub struct Node {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The process is killed with the last handle.
    process: Option<Arc<Child>>,
}

impl Node {
    /// The session secret of every node.
    pub const SESSION_SECRET: &str = "a session secret of all nodes";

    /// Starts the program as a separate process, on a free port. It gets the common options of all
    /// nodes and these.
    pub async fn start(program: impl AsRef<Path>, redis: &str, options: &[&str]) -> Self {
        Self::spawn(&mut Command::new(program.as_ref()), redis, options).await
    }

    /// [`start`](Self::start) with a clock that is ahead by this many seconds, or behind.
    pub async fn start_with_clock(program: impl AsRef<Path>, redis: &str, wrong: i64) -> Self {
        let mut program = Command::new(program.as_ref());
        program.env("NODE_CLOCK_WRONG_BY_SECONDS", wrong.to_string());
        Self::spawn(&mut program, redis, &[]).await
    }

    /// [`start`](Self::start), trusting only the certificates in this file.
    pub async fn start_trusting(
        certificates: &Path,
        program: impl AsRef<Path>,
        redis: &str,
        options: &[&str],
    ) -> Self {
        let mut program = Command::new(program.as_ref());
        program.env("SSL_CERT_FILE", certificates);
        Self::spawn(&mut program, redis, options).await
    }

    async fn spawn(program: &mut Command, redis: &str, options: &[&str]) -> Self {
        let mut process = program
            .args(["--listen", "127.0.0.1:0", "--redis", redis])
            .args(["--jwt-secret", JWT_SECRET])
            .args(["--session-secret", Self::SESSION_SECRET])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line());
        let line = line.await.expect("it does not start").unwrap();
        let line = line.expect("it ended; see above");
        let address = line.strip_prefix("listening on http://").unwrap();
        Self {
            address: address.parse().unwrap(),
            process: Some(Arc::new(process)),
        }
    }

    /// A node that is already running.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            process: None,
        }
    }

    /// SIGSTOP: connections stay open, new ones wait, and the node does not answer.
    pub fn pause(&self) {
        signal(self.process_id(), "STOP");
    }

    /// SIGCONT.
    pub fn resume(&self) {
        signal(self.process_id(), "CONT");
    }

    fn process_id(&self) -> u32 {
        let process = self.process.as_ref().expect("a process of its own");
        process.id().expect("it has ended")
    }

    /// The origin of its own page.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.address.port())
    }

    /// `POST path`, with this cookie.
    pub async fn post(&self, path: &str, cookie: &str, body: &str) -> Answer {
        let fields = [("Cookie", cookie)];
        let line = format!("POST {path}");
        http1::ask(
            self.address,
            &line,
            &fields[usize::from(cookie.is_empty())..],
            body,
        )
        .await
    }

    /// Sends the head of a `POST path`, with this cookie, and delays the body. On return the node
    /// has decided about the cookie and waits for the body.
    pub async fn begin_post(&self, path: &str, cookie: &str, body: &str) -> Begun {
        Begun::new(self.address, path, cookie, body).await
    }

    /// Logs in. Returns the session's cookie.
    pub async fn login(&self, user: &str) -> String {
        let answer = self.post("/login", "", &user_as_json(user)).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        answer.cookie().unwrap()
    }

    /// Logs out.
    pub async fn logout(&self, cookie: &str) {
        let answer = self.post("/logout", cookie, "").await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// Revokes all credentials of the user, with the user's cookie.
    pub async fn revoke(&self, cookie: &str, user: &str) {
        let answer = self.post("/revoke", cookie, &user_as_json(user)).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// [`revoke`](Self::revoke) with a delayed body.
    pub async fn begin_revoke(&self, cookie: &str, user: &str) -> Begun {
        self.begin_post("/revoke", cookie, &user_as_json(user))
            .await
    }

    /// A JWT that lives for this many seconds.
    pub async fn token(&self, cookie: &str, ttl: u64) -> String {
        let mint_request = json!({ "ttl": ttl }).to_string();
        let answer = self.post("/token", cookie, &mint_request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// A ticket for a socket, or for a channel.
    pub async fn ticket(&self, cookie: &str, channel: Option<&str>) -> String {
        let mint_request = channel.map_or(json!({}), |channel| json!({ "channel": channel }));
        let answer = self
            .post("/ticket", cookie, &mint_request.to_string())
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["ticket"].as_str().unwrap().to_owned()
    }

    /// A socket at `/ws` and this path, which must open.
    pub async fn open(&self, path: &str) -> Socket {
        Socket::new(self.handshake(path, &[]).await.unwrap()).await
    }

    /// A socket for a page of this node, with this cookie.
    pub async fn open_page(&self, path: &str, cookie: &str) -> Socket {
        let origin = self.origin();
        let fields = [("origin", origin.as_str()), ("cookie", cookie)];
        Socket::new(self.handshake(path, &fields).await.unwrap()).await
    }

    /// How a page's handshake or its socket ends.
    pub async fn end_of_page(&self, path: &str, cookie: &str) -> socket_tests::Answer {
        let origin = self.origin();
        let fields = [("origin", origin.as_str()), ("cookie", cookie)];
        socket_tests::end_of(self.handshake(path, &fields).await).await
    }

    /// The HTTP status and body that a program reads for a refused handshake.
    pub async fn refusal(&self, path: &str) -> (u16, String) {
        match socket_tests::end_of(self.handshake(path, &[]).await).await {
            socket_tests::Answer::Http(status, body) => (status, body),
            other => (0, format!("{other:?}")),
        }
    }

    /// The close code and reason that a page of this node reads for a refused handshake.
    pub async fn page_refusal(&self, path: &str, cookie: &str) -> (u16, String) {
        match self.end_of_page(path, cookie).await {
            socket_tests::Answer::Closed(code, reason, messages) if messages.is_empty() => {
                (code, reason)
            }
            other => (0, format!("{other:?}")),
        }
    }

    async fn handshake(
        &self,
        path: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<socket_tests::Client, Error> {
        socket_tests::handshake(self.address, path, fields).await
    }
}

fn user_as_json(user: &str) -> String {
    json!({ "user": user }).to_string()
}
