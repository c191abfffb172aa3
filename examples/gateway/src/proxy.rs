use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_KEY};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower_ws_auth::Lease;
use tower_ws_auth::lease::DisconnectReason;

use crate::failure::Failure;
use crate::handshake;
use crate::headers::{forward, strip_hop_by_hop};
use crate::options::Options;
use crate::tasks::{Peer, Tasks};
use crate::tunnel::{End, tunnel};
use crate::upstream::{Answer, Upstream};

/// The service behind the layers. It only knows the values that they put into a request's
/// extensions.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    upstream: Arc<Upstream>,
    connect_timeout: Duration,
    idle: Option<Duration>,
    places: Arc<Semaphore>,
    tasks: Tasks,
}

/// The time limit for the handover of a connection after the client has its answer.
const HANDOVER: Duration = Duration::from_secs(30);
/// The close code and reason for an idle connection.
const IDLE: (u16, &str) = (4408, "idle_timeout");
/// The time that client and upstream then have to close.
const CLOSING: Duration = Duration::from_secs(5);

impl Proxy {
    pub(crate) fn new(options: &Options, tasks: Tasks) -> Self {
        let upstream = options.upstream.clone();
        let upstream = upstream.with_host(options.upstream_host.clone());
        let most = usize::try_from(options.max_connections).unwrap_or(usize::MAX);
        Self {
            upstream: Arc::new(upstream),
            connect_timeout: options.connect_timeout,
            idle: (!options.idle_timeout.is_zero()).then_some(options.idle_timeout),
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            tasks,
        }
    }

    /// Answers as the upstream does, or with the failure.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let is_http1 = request.version() <= Version::HTTP_11;
        let mut response = self.pass_on(request).await.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "a handshake failed");
            failure.into_response()
        });
        if is_http1 && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // The client sent the following bytes for a WebSocket. They must not be read as a
            // request.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    async fn pass_on(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Failure> {
        let places = Arc::clone(&self.places);
        let place = places.try_acquire_owned().map_err(|_| Failure::Full)?;
        let client = hyper::upgrade::on(&mut request);
        let (head, _empty) = request.into_parts();
        let request = forward(&head, &self.upstream)?;
        let key = request.headers().get(SEC_WEBSOCKET_KEY).cloned();
        let key = key.ok_or(Failure::MissingAuthLayer)?;
        match self.upstream.ask(request, self.connect_timeout).await? {
            Answer::Upgraded(answer, upstream) => {
                handshake::check(&answer, &key, &head.headers)?;
                self.open(&head, client, upstream, place);
                Ok(handshake::accept(answer, &head, Full::default()))
            }
            Answer::Refused(mut refusal) => {
                // Over HTTP/2 a 2xx would accept the handshake (RFC 8441 §5).
                if refusal.status().is_success() || refusal.status().is_informational() {
                    return Err(Failure::NotWebSocket);
                }
                strip_hop_by_hop(refusal.headers_mut());
                Ok(refusal)
            }
        }
    }

    fn open(
        &self,
        head: &Parts,
        client: OnUpgrade,
        upstream: Upgraded,
        place: OwnedSemaphorePermit,
    ) {
        let lease = head.extensions.get::<Lease>().cloned();
        let peer = head.extensions.get::<Peer>().cloned();
        let idle = self.idle;
        self.tasks.spawn(async move {
            // Held until the connection has ended.
            let _held = (place, peer);
            let Ok(Ok(client)) = timeout(HANDOVER, client).await else {
                return;
            };
            let mut client = TokioIo::new(client);
            let mut upstream = TokioIo::new(upstream);
            let end = tunnel(&mut client, &mut upstream, idle).await;
            tracing::debug!(?end, "a connection has ended");
            let (code, reason) = IDLE;
            if let (End::Idle, Some(lease), Ok(reason)) =
                (end, lease, DisconnectReason::application(code, reason))
            {
                // The lease knows the frame boundaries, so both sides read the same close frame.
                lease.end(&reason);
                tunnel(client, upstream, Some(CLOSING)).await;
            }
        });
    }
}
