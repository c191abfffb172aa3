//! Another origin on the same host, and the requests of its page.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves an empty page.
pub(crate) async fn foreign_page() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\
                            Connection: close\r\n\r\n<!doctype html>";
                let _ = stream.write_all(page.as_bytes()).await;
            });
        }
    });
    address
}

/// Hands bytes on to a server and keeps a copy of what went by on the last connection.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    request: Arc<Mutex<Vec<u8>>>,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (request, answer) = (Arc::default(), Arc::default());
        let wire = Self {
            address,
            request: Arc::clone(&request),
            answer: Arc::clone(&answer),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) =
                    TcpStream::connect(server).await.unwrap().into_split();
                tokio::spawn(copy(from_client, to_server, Arc::clone(&request)));
                tokio::spawn(copy(from_server, to_client, Arc::clone(&answer)));
            }
        });
        wire
    }

    /// The client's request and the server's answer.
    pub(crate) fn seen(&self) -> (String, String) {
        let text =
            |bytes: &Mutex<Vec<u8>>| String::from_utf8_lossy(&bytes.lock().unwrap()).into_owned();
        (text(&self.request), text(&self.answer))
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    seen: Arc<Mutex<Vec<u8>>>,
) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        seen.lock().unwrap().extend_from_slice(&bytes[..read]);
        if to.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
