//! A client over HTTP/2: extended CONNECT (RFC 8441).

use std::io;
use std::net::SocketAddr;

use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use test_support::until;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A client's open socket in one stream of an HTTP/2 connection.
pub type Http2Client = WebSocketStream<TokioIo<Upgraded>>;

/// An HTTP/2 connection, on which many sockets may be opened.
#[derive(Debug)]
pub struct Http2 {
    address: SocketAddr,
    sender: SendRequest<Empty<Bytes>>,
}

impl Http2 {
    /// Connects, and waits until the server has announced extended CONNECT.
    ///
    /// # Errors
    ///
    /// It is unavailable.
    ///
    /// # Panics
    ///
    /// It does not announce it.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .map_err(io::Error::other)?;
        // There is no notification for the server's settings.
        let enabled = || connection.is_extended_connect_protocol_enabled();
        until("extended CONNECT", enabled).await;
        tokio::spawn(connection);
        Ok(Self { address, sender })
    }

    /// The server's response to a handshake at `/ws` and this query.
    ///
    /// # Errors
    ///
    /// There is no response.
    pub async fn send(
        &mut self,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = http::Method::CONNECT;
        *request.uri_mut() = format!("http://{}/ws{query}", self.address)
            .parse()
            .unwrap_or_default();
        request
            .extensions_mut()
            .insert(Protocol::from_static("websocket"));
        let version = HeaderValue::from_static("13");
        request
            .headers_mut()
            .insert("sec-websocket-version", version);
        for &(name, value) in headers {
            if let Ok(value) = value.parse() {
                request.headers_mut().append(name, value);
            }
        }
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Opens a WebSocket at `/ws` and this query, with these headers beside the usual ones.
    ///
    /// # Errors
    ///
    /// An HTTP refusal is [`Error::Http`].
    pub async fn open(
        &mut self,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Http2Client, Error> {
        let response = self.send(query, headers).await.map_err(io::Error::other)?;
        if !response.status().is_success() {
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?;
            let body = Some(body.to_bytes().to_vec());
            return Err(Error::Http(Box::new(Response::from_parts(head, body))));
        }
        let upgraded = hyper::upgrade::on(response)
            .await
            .map_err(io::Error::other)?;
        Ok(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await)
    }
}
