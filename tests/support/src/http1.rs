//! Requests over HTTP/1.1, each on a connection of its own.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bounded;

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
    head: String,
}

impl Answer {
    /// A field's value, the first one of its name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// `name=value` of the cookie that it sets.
    pub fn cookie(&self) -> Option<String> {
        let pair = self.field("set-cookie")?.split(';').next()?;
        Some(pair.to_owned())
    }
}

/// The answer to a request with this line, these fields, and a body of JSON.
pub async fn ask(
    address: SocketAddr,
    request_line: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = format!("{request_line} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in fields {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    let length = body.len();
    write!(
        request,
        "Connection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = bounded("an answer", exchange).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("no whole answer");
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: body.to_owned(),
        head: head.to_owned(),
    }
}
