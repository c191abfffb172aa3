//! How a page's sockets come: over HTTP/1.1, over TLS, and over HTTP/2.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::{Extension, Router};
use http::Version;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Transport {
    /// HTTP/1.1 without TLS.
    Http1,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS: a socket is an extended CONNECT (RFC 8441).
    Http2,
}

impl Transport {
    pub(crate) const ALL: [Self; 3] = [Self::Http1, Self::Tls, Self::Http2];

    /// The origin of the pages of a server.
    pub(crate) fn origin(self, server: SocketAddr) -> String {
        match self {
            Self::Http1 => format!("http://{server}"),
            Self::Tls | Self::Http2 => format!("https://{server}"),
        }
    }

    /// The prefix of the URLs of the server's sockets.
    pub(crate) fn sockets(self, server: SocketAddr) -> String {
        self.origin(server).replacen("http", "ws", 1)
    }

    /// Serves the router and keeps how each request came.
    pub(crate) fn serve(self, router: Router, listener: TcpListener) -> Requests {
        let requests = Requests::default();
        let log = requests.clone();
        let router = router.layer(from_fn(move |request: Request, next: Next| {
            log.add(&request);
            next.run(request)
        }));
        match self {
            Self::Http1 => {
                tokio::spawn(async move { axum::serve(listener, router).await });
            }
            Self::Tls => serve_tls(router, listener, &["http/1.1"]),
            Self::Http2 => serve_tls(router, listener, &["h2", "http/1.1"]),
        }
        requests
    }
}

/// Extended CONNECT is allowed (RFC 8441 §3).
fn serve_tls(router: Router, listener: TcpListener, protocols: &[&str]) {
    let tls = tls(protocols);
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let router = router.clone().layer(Extension(Connection(peer)));
            let service = TowerToHyperService::new(router);
            let accepting = tls.accept(stream);
            tokio::spawn(async move {
                let Ok(stream) = accepting.await else { return };
                let mut http = Builder::new(TokioExecutor::new());
                http.http2().enable_connect_protocol();
                let io = TokioIo::new(stream);
                let _ = http.serve_connection_with_upgrades(io, service).await;
            });
        }
    });
}

/// A self-signed certificate, which no browser trusts.
fn tls(protocols: &[&str]) -> TlsAcceptor {
    let names = ["127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    TlsAcceptor::from(Arc::new(config))
}

/// The connection of a request over TLS, named by its client's end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Connection(SocketAddr);

/// How the requests came to a server.
#[derive(Clone, Default)]
pub(crate) struct Requests(Arc<Mutex<Vec<Came>>>);

#[derive(Debug)]
struct Came {
    path: String,
    version: Version,
    /// An extended CONNECT's.
    protocol: Option<String>,
    connection: Option<Connection>,
}

impl Requests {
    fn add(&self, request: &Request) {
        let protocol = request.extensions().get::<Protocol>();
        self.0.lock().unwrap().push(Came {
            path: request.uri().path().to_owned(),
            version: request.version(),
            protocol: protocol.map(|protocol| protocol.as_str().to_owned()),
            connection: request.extensions().get().copied(),
        });
    }

    /// So many sockets were asked for, all over this transport: a browser that cannot use HTTP/2
    /// falls back to HTTP/1.1 without a word.
    pub(crate) fn assert_sockets(&self, count: usize, transport: Transport) {
        let (version, protocol) = match transport {
            Transport::Http1 | Transport::Tls => (Version::HTTP_11, None),
            Transport::Http2 => (Version::HTTP_2, Some("websocket")),
        };
        let requests = self.0.lock().unwrap();
        let others = ["/", "/favicon.ico", "/length"];
        let sockets = requests
            .iter()
            .filter(|came| !others.contains(&&*came.path));
        for came in sockets.clone() {
            assert_eq!(came.version, version, "{came:?}");
            assert_eq!(came.protocol.as_deref(), protocol, "{came:?}");
        }
        assert_eq!(sockets.count(), count);
    }

    /// All requests came over one connection of HTTP/2.
    pub(crate) fn assert_one_connection(&self) {
        let requests = self.0.lock().unwrap();
        let first = requests.first().and_then(|came| came.connection).unwrap();
        for came in &*requests {
            assert_eq!(came.version, Version::HTTP_2, "{came:?}");
            assert_eq!(came.connection, Some(first), "{came:?}");
        }
    }
}
