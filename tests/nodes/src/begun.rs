use std::net::SocketAddr;

use test_support::bounded;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request whose head is answered by 100, and whose body is not sent yet.
#[derive(Debug)]
pub struct Begun {
    stream: TcpStream,
    body: String,
}

impl Begun {
    pub(crate) async fn new(address: SocketAddr, path: &str, cookie: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nCookie: {cookie}\r\n\
             Content-Type: application/json\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // The handler asks for the body, and the layers before it have decided.
        let expected = "HTTP/1.1 100 Continue\r\n\r\n";
        let mut answer = vec![0; expected.len()];
        let read = bounded("100 Continue", stream.read_exact(&mut answer)).await;
        read.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), expected);
        let body = body.to_owned();
        Self { stream, body }
    }

    /// Sends the body. Returns status and body of the answer.
    pub async fn finish(mut self) -> (u16, String) {
        self.stream.write_all(self.body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = bounded("an answer", self.stream.read_to_string(&mut answer)).await;
        read.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}
