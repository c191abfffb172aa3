//! How the names of header fields are written.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, duplex};
use tokio::sync::mpsc;

/// The spelling of a request's names, as hyper's client reads it: names that are not in it get a
/// capital letter after each hyphen.
///
/// hyper's own type for it is private, so this is a copy of the extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cases(Arc<Extensions>);

/// The names whose capital letters stand elsewhere too. Hand-written servers look for exactly these.
const USUAL: &str = "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: a\r\n\
    Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: a\r\nDNT: a\r\n\r\n";

impl Cases {
    /// As the client has written them.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let mut extensions = extensions.clone();
        // A second owner would keep the connection.
        extensions.remove::<OnUpgrade>();
        Self(Arc::new(extensions))
    }

    /// As they are usually written, for HTTP/2, which has small letters alone. Only a parser of
    /// hyper writes its type down.
    pub(crate) async fn usual() -> Self {
        let (mut client, server) = duplex(4096);
        if client.write_all(USUAL.as_bytes()).await.is_err() {
            return Self::default();
        }
        let (seen, mut cases) = mpsc::channel(1);
        let service = service_fn(move |request: Request<Incoming>| {
            let _ = seen.try_send(Self::of(request.extensions()));
            async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
        });
        let serving = http1::Builder::new()
            .preserve_header_case(true)
            .serve_connection(TokioIo::new(server), service);
        tokio::select! {
            _ = serving => Self::default(),
            cases = cases.recv() => cases.unwrap_or_default(),
        }
    }

    /// For the request to the upstream.
    pub(crate) fn extensions(&self) -> Extensions {
        (*self.0).clone()
    }
}
