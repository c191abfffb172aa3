//! `/healthz`, `/readyz` and `/metrics`, for operators alone.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tower_ws_auth::telemetry;

use crate::parts::Parts;

/// From a token that is checked at once to a slow store.
const SECONDS: [f64; 10] = [
    0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0,
];
/// How long Redis may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Its own listener.
pub(crate) struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    parts: Parts,
    counts: PrometheusHandle,
}

impl Admin {
    pub(crate) async fn bind(
        address: SocketAddr,
        parts: Parts,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| format!("--admin-listen {address}: {error}"))?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            parts,
            counts: counts()?,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until nobody can say any more whether the gateway accepts clients.
    pub(crate) async fn serve(self, accepts: watch::Receiver<bool>) {
        let mut over = accepts.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = over.wait_for(|_| false) => return,
            };
            let Ok((stream, _)) = accepted else {
                // Too many open files, which pass.
                sleep(Duration::from_secs(1)).await;
                continue;
            };
            let (parts, counts, accepts) =
                (self.parts.clone(), self.counts.clone(), accepts.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (parts, counts, accepts) = (parts.clone(), counts.clone(), accepts.clone());
                async move {
                    let accepts = *accepts.borrow();
                    Ok::<_, Infallible>(answer(&request, &parts, &counts, accepts).await)
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    }
}

async fn answer(
    request: &Request<Incoming>,
    parts: &Parts,
    counts: &PrometheusHandle,
    accepts: bool,
) -> Response<Full<Bytes>> {
    let text = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return respond(
            StatusCode::METHOD_NOT_ALLOWED,
            text,
            "GET alone\n".to_owned(),
        );
    }
    match request.uri().path() {
        "/healthz" => respond(StatusCode::OK, text, "ok\n".to_owned()),
        "/readyz" => match missing(parts, accepts).await {
            None => respond(StatusCode::OK, text, "ready\n".to_owned()),
            Some(missing) => respond(
                StatusCode::SERVICE_UNAVAILABLE,
                text,
                format!("{missing}\n"),
            ),
        },
        "/metrics" => {
            let prometheus = "text/plain; version=0.0.4; charset=utf-8";
            respond(StatusCode::OK, prometheus, counts.render())
        }
        _ => respond(
            StatusCode::NOT_FOUND,
            text,
            "/healthz, /readyz or /metrics\n".to_owned(),
        ),
    }
}

/// What a decision about a client would lack.
async fn missing(parts: &Parts, accepts: bool) -> Option<&'static str> {
    if !accepts {
        return Some("the gateway stops");
    }
    if !parts.fetched.are_available() {
        return Some("the keys of --jwks-url or --oidc-issuer are not there");
    }
    if let Some(redis) = &parts.redis
        && !matches!(timeout(PATIENCE, redis.ping()).await, Ok(Ok(())))
    {
        return Some("--redis does not answer");
    }
    None
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One recorder per process: several gateways in one process count together.
fn counts() -> Result<PrometheusHandle, Box<dyn Error + Send + Sync>> {
    static COUNTS: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

    let mut installed = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(counts) = &*installed {
        return Ok(counts.clone());
    }
    let decisions = Matcher::Full(telemetry::DECISION_SECONDS.to_owned());
    let counts = PrometheusBuilder::new()
        .set_buckets_for_metric(decisions, &SECONDS)?
        .install_recorder()
        .map_err(|error| format!("--admin-listen: {error}"))?;
    telemetry::describe();
    let upkeep = counts.clone();
    tokio::spawn(async move {
        // Without it, measurements would accumulate until the next scrape.
        loop {
            sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    *installed = Some(counts.clone());
    Ok(counts)
}
