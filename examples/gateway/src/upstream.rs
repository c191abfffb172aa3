use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::io::ErrorKind;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode, Uri, response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::body::{self, Body};
use crate::failure::Failure;
use crate::path::leads_upwards;
use crate::tasks::Tasks;

/// The address of the server behind the gateway: `http://host:port/base`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    host: String,
    port: u16,
    /// Without a final slash; empty for the root.
    base: String,
    /// Replaces the host that the client requests.
    own_host: Option<HeaderValue>,
}

/// The upstream's answer to a handshake.
pub(crate) enum Answer {
    /// 101, and the connection. Bytes that followed the head are read first.
    Upgraded(response::Parts, Upgraded),
    /// Any other answer.
    Refused(Response<Body>),
}

/// The longest body of a refusal. A longer one is left out.
const MAX_REFUSAL: usize = 64 * 1024;
/// The longest head of its answer.
const MAX_HEAD: usize = 64 * 1024;

impl Upstream {
    /// The upstream path for a request path: the base, followed by the whole request path.
    ///
    /// # Errors
    ///
    /// A path with a segment that leads upwards, in any encoding: a server that resolves it would
    /// leave the base.
    pub(crate) fn target(&self, uri: &Uri) -> Result<Uri, Failure> {
        let path = uri.path();
        // `*` (RFC 9112 §3.2.4) would stand beside the base.
        if leads_upwards(path) || !path.starts_with('/') {
            return Err(Failure::Target);
        }
        let query = uri.query().map(|query| format!("?{query}"));
        let target = format!("{}{path}{}", self.base, query.unwrap_or_default());
        target.parse().map_err(|_| Failure::Target)
    }

    pub(crate) fn with_host(self, own_host: Option<HeaderValue>) -> Self {
        Self { own_host, ..self }
    }

    pub(crate) fn own_host(&self) -> Option<&HeaderValue> {
        self.own_host.as_ref()
    }

    /// Connects and sends one handshake.
    ///
    /// It spawns no task: dropping the future drops the connection.
    pub(crate) async fn ask(
        &self,
        request: Request<Body>,
        patience: Duration,
    ) -> Result<Answer, Failure> {
        let asked = timeout(patience, self.connect_and_ask(request)).await;
        asked.map_err(|_| Failure::Late)?
    }

    /// Connects and sends a request that is no handshake. The answer's body keeps the connection,
    /// which ends when the answer is dropped.
    pub(crate) async fn fetch(
        &self,
        request: Request<Body>,
        patience: Duration,
        tasks: &Tasks,
    ) -> Result<Response<Incoming>, Failure> {
        let connected = timeout(patience, self.connect()).await;
        let (mut sender, connection) = connected.map_err(|_| Failure::Late)??;
        tasks.spawn(async move {
            // The one who reads the answer sees why it ended.
            let _ = connection.await;
        });
        sender
            .send_request(request)
            .await
            .map_err(|error| self.hung_up(&error))
    }

    async fn connect(&self) -> Result<(SendRequest<Body>, Driven), Failure> {
        let stream = TcpStream::connect((&*self.host, self.port)).await;
        let stream = stream.map_err(|error| {
            let cause = match error.kind() {
                ErrorKind::ConnectionRefused => "nothing listens at --upstream: is it started?",
                ErrorKind::NotFound => "--upstream names no known host",
                _ => "--upstream cannot be reached",
            };
            self.unreachable(cause, &error)
        })?;
        let cause = "--upstream cannot be reached";
        stream
            .set_nodelay(true)
            .map_err(|error| self.unreachable(cause, &error))?;
        http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            // Names keep their spelling, and those of the gateway begin with capital letters.
            .preserve_header_case(true)
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.hung_up(&error))
    }

    async fn connect_and_ask(&self, request: Request<Body>) -> Result<Answer, Failure> {
        let (mut sender, connection) = self.connect().await?;
        let connection = connection.with_upgrades();
        let driving = async {
            // The caller sees why the connection ended.
            let _ = connection.await;
            pending::<Infallible>().await
        };
        let asking = async {
            let hung_up = |error| self.hung_up(&error);
            let mut response = sender.send_request(request).await.map_err(hung_up)?;
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Answer::Refused(refusal(response).await));
            }
            let upgraded = hyper::upgrade::on(&mut response).await.map_err(hung_up)?;
            Ok(Answer::Upgraded(response.into_parts().0, upgraded))
        };
        tokio::select! {
            answer = asking => answer,
            never = driving => match never {},
        }
    }

    fn hung_up(&self, error: &hyper::Error) -> Failure {
        let cause = if error.is_parse() || error.is_parse_too_large() {
            "--upstream answers in no HTTP/1.1: does another protocol listen there?"
        } else if error.is_user() {
            // Its body broke, so the client has no use for an answer.
            return Failure::ClientBody;
        } else {
            "--upstream hung up without an answer"
        };
        self.unreachable(cause, error)
    }

    fn unreachable(&self, cause: &'static str, error: &(dyn Error + 'static)) -> Failure {
        let (host, port) = (&self.host, self.port);
        tracing::warn!(%host, port, cause, error, "the upstream is unavailable");
        Failure::Unreachable(cause)
    }
}

type Driven = Connection<TokioIo<TcpStream>, Body>;

/// Reads a refusal to its end, so that it no longer needs the connection.
async fn refusal(response: Response<Incoming>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    // Ours to the client are in small letters, and so are these.
    head.extensions.clear();
    let body = Limited::new(body, MAX_REFUSAL).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes);
    let complete = body.is_ok();
    let mut response = Response::from_parts(head, body::full(body.unwrap_or_default()));
    if !complete {
        crate::headers::describe_no_body(response.headers_mut());
    }
    response
}

/// A host with an optional port. `Authority` also accepts users, invalid ports, and brackets around
/// anything.
pub(crate) fn host_and_port(authority: &Authority) -> Option<(&str, Option<u16>)> {
    let host = authority.host();
    let port = match authority.as_str().strip_prefix(host)? {
        "" | ":" => None,
        // `parse` would accept a plus.
        port => Some(port.strip_prefix(':').filter(|port| !port.contains('+'))?),
    };
    let port = port.map(str::parse).transpose().ok()?;
    // An IPv6 address has brackets only in a URI.
    let Some(address) = host.strip_prefix('[') else {
        return (!host.is_empty() && !host.contains('[')).then_some((host, port));
    };
    let address = address.strip_suffix(']')?;
    let (plain, _zone) = address.split_once('%').unwrap_or((address, ""));
    plain.parse::<Ipv6Addr>().ok()?;
    Some((address, port))
}

impl FromStr for Upstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const INSTEAD: &str = ": write http://HOST:PORT/BASE";
        let uri: Uri = text.parse().map_err(|error| format!("{error}{INSTEAD}"))?;
        // The two mean the same.
        if !matches!(uri.scheme_str(), Some("http" | "ws")) {
            return Err(format!("only http:// is spoken to the upstream{INSTEAD}"));
        }
        let at = uri.authority().and_then(host_and_port);
        let at = at.map(|(host, port)| (host, port.unwrap_or(80)));
        let (Some((host, port @ 1..)), None) = (at, uri.query()) else {
            return Err(format!(
                "it takes a host, a port from 1 to 65535 and a path, and nothing else{INSTEAD}"
            ));
        };
        if leads_upwards(uri.path()) {
            return Err("its path leads upwards: write it without `.` and `..`".to_owned());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            base: uri.path().trim_end_matches('/').to_owned(),
            own_host: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(upstream: &str, uri: &str) -> Option<String> {
        let upstream: Upstream = upstream.parse().unwrap();
        let target = upstream.target(&uri.parse().unwrap()).ok()?;
        Some(target.to_string())
    }

    #[test]
    fn the_base_stands_before_the_path_and_the_query_stays() {
        for (upstream, uri, there) in [
            ("http://localhost:81", "/", "/"),
            ("http://localhost:81", "/ws?a=1&b", "/ws?a=1&b"),
            ("http://localhost:81/", "/ws", "/ws"),
            ("http://localhost:81/base", "/", "/base/"),
            ("http://localhost:81/base/", "/a//b?c", "/base/a//b?c"),
            ("http://[::1]:81/base", "/a", "/base/a"),
            ("http://localhost/base", "/a.b/..c/...", "/base/a.b/..c/..."),
            ("http://localhost", "/100%/%/%2/%zz", "/100%/%/%2/%zz"),
            ("http://localhost", "/a;..%20/%C3%A9", "/a;..%20/%C3%A9"),
            ("http://localhost", "http://elsewhere.example/ws", "/ws"),
        ] {
            assert_eq!(target(upstream, uri).as_deref(), Some(there), "{uri}");
        }
    }

    #[test]
    fn a_path_that_leads_upwards_is_refused_in_every_writing() {
        for uri in [
            "/../admin",
            "/a/..",
            "/a/./b",
            "/%2e%2E/admin",
            "/.%2e/admin",
            "/a%2f..%2Fadmin",
            "/a%5c..%5Cadmin",
            "/..;/admin",
            "/a/..;x=1/admin",
            "/..%3b/admin",
            "/%252e%252e/admin",
            "/%25252e%252e%255cadmin",
            "/%2%35%32e./admin",
            "/..%00/admin",
            "*",
        ] {
            assert_eq!(target("http://localhost/base", uri), None, "{uri}");
        }
    }

    #[test]
    fn only_an_http_address_without_more_is_an_upstream() {
        for bad in [
            "localhost:81",
            "https://localhost",
            "wss://localhost",
            "http://user@localhost",
            "http://user:1@localhost:1",
            "http://:81",
            "http://localhost:0",
            "http://localhost:+81",
            "http://localhost:99999",
            "http://local[host]",
            "http://[localhost]",
            "http://[::1]81",
            "http://localhost/a/../b",
            "http://localhost/a/%2e%2e",
            "http://localhost/.",
            "http://localhost/?a",
            "/ws",
        ] {
            let error = bad.parse::<Upstream>().expect_err(bad);
            assert!(error.contains(": write "), "{bad}: {error}");
        }
    }

    #[test]
    fn an_address_is_a_host_and_a_port_or_80() {
        for (upstream, host, port) in [
            ("http://localhost", "localhost", 80),
            ("ws://localhost", "localhost", 80),
            ("http://localhost:/", "localhost", 80),
            ("http://localhost:65535/a", "localhost", 65535),
            ("http://[::1]", "::1", 80),
            ("http://[fe80::1%eth0]:81", "fe80::1%eth0", 81),
        ] {
            let upstream: Upstream = upstream.parse().unwrap();
            assert_eq!((&*upstream.host, upstream.port), (host, port));
        }
    }
}
