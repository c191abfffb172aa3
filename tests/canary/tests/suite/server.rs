use std::fmt::Write as _;
use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::task::Poll;
use std::thread::JoinHandle;

use canary_tests::Secrets;
use test_support::PATIENCE;
use test_support::handshake::head;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::canary::Visit;

/// A masked close frame with code 1000.
const CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];

/// A running server and what it writes.
pub(crate) struct Server {
    process: Child,
    secrets: Secrets,
    log: JoinHandle<String>,
}

impl Server {
    pub(crate) fn start(setup: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_canary-server"))
            .arg(setup)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let secrets = serde_json::from_str(&line).unwrap();
        let mut stderr = process.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            stderr.read_to_end(&mut log).unwrap();
            String::from_utf8_lossy(&log).into_owned()
        });
        Self {
            process,
            secrets,
            log,
        }
    }

    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Everything that it wrote.
    pub(crate) fn stop(mut self) -> String {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
        self.log.join().unwrap()
    }

    /// The answer, to the last byte. An open socket is closed.
    pub(crate) async fn visit_http1(&self, uri: &str, headers: &[(&str, String)]) -> String {
        let mut fields = String::new();
        for (name, value) in headers {
            write!(fields, "{name}: {value}\r\n").unwrap();
        }
        let request = head(uri, &fields);
        let mut stream = TcpStream::connect(self.secrets.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = async {
            let mut bytes = [0; 1024];
            let mut told = false;
            while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                answer.extend_from_slice(&bytes[..n]);
                let is_open = answer.starts_with(b"HTTP/1.1 101");
                let is_whole = answer.windows(4).any(|end| end == b"\r\n\r\n");
                if is_open && is_whole && !told {
                    told = true;
                    // In a closing handshake the server reads the client's close frame as well.
                    let _ = stream.write_all(&CLOSE).await;
                } else if is_whole && !is_open {
                    break;
                }
            }
        };
        timeout(PATIENCE, read).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The same visits by extended CONNECT, on one connection.
    pub(crate) async fn visit_http2(&self, visits: &[Visit]) -> Vec<String> {
        let stream = TcpStream::connect(self.secrets.address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let mut connection = Box::pin(connection);
        let settled = poll_fn(|cx| {
            assert!(connection.as_mut().poll(cx).is_pending());
            if client.is_extended_connect_protocol_enabled() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        timeout(PATIENCE, settled).await.unwrap();
        tokio::spawn(connection);

        let mut answers = Vec::new();
        for (uri, headers) in visits {
            let uri = format!("http://{}{uri}", self.secrets.address);
            let mut request = http::Request::builder()
                .method("CONNECT")
                .uri(uri)
                .extension(h2::ext::Protocol::from_static("websocket"))
                .header("sec-websocket-version", "13");
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            client = client.ready().await.unwrap();
            let (response, mut body) = client
                .send_request(request.body(()).unwrap(), false)
                .unwrap();
            let response = timeout(PATIENCE, response).await.unwrap().unwrap();
            let mut answer = format!("HTTP/2.0 {response:?}\n");
            answer = answer.replacen(
                "HTTP/2.0 ",
                &format!("HTTP/2.0 {} ", response.status().as_u16()),
                1,
            );
            // A refused stream is closed already.
            let _ = body.send_data(CLOSE.to_vec().into(), true);
            let mut rest = response.into_body();
            while let Ok(Some(Ok(bytes))) = timeout(PATIENCE, rest.data()).await {
                let _ = rest.flow_control().release_capacity(bytes.len());
                answer += &String::from_utf8_lossy(&bytes);
            }
            answers.push(answer);
        }
        answers
    }
}
