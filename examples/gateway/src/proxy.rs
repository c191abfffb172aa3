use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, SEC_WEBSOCKET_KEY};
use http::request::Parts;
use http::{Extensions, HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower_ws_auth::lease::DisconnectReason;
use tower_ws_auth::{Authenticated, Lease, Validity};

use crate::body::Body;
use crate::failure::Failure;
use crate::handshake;
use crate::headers::{forward, strip_hop_by_hop};
use crate::identity::{User, encoded};
use crate::options::Options;
use crate::recheck::{Recheck, Rechecked};
use crate::tasks::{Peer, Tasks};
use crate::tunnel::{End, Passed, tunnel};
use crate::upstream::{Answer, Upstream};

/// The service behind the layers. It only knows the values that they put into a request's
/// extensions.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) connect_timeout: Duration,
    pub(crate) http_timeout: Duration,
    pub(crate) keep: bool,
    pub(crate) tasks: Tasks,
    idle: Option<Duration>,
    places: Arc<Semaphore>,
    /// For requests without a user, so that strangers take none of the users' places.
    places_of_strangers: Arc<Semaphore>,
    recheck: Option<Recheck>,
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
        let most = most.min(Semaphore::MAX_PERMITS);
        Self {
            upstream: Arc::new(upstream),
            connect_timeout: options.connect_timeout,
            http_timeout: options.http.http_timeout,
            keep: options.http.keep_credential,
            idle: (!options.idle_timeout.is_zero()).then_some(options.idle_timeout),
            places: Arc::new(Semaphore::new(most)),
            places_of_strangers: Arc::new(Semaphore::new(most)),
            recheck: None,
            tasks,
        }
    }

    /// Looks sessions up again while their connections are open.
    pub(crate) fn rechecking(self, recheck: Option<Recheck>) -> Self {
        Self { recheck, ..self }
    }

    /// Answers as the upstream does, or with the failure.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
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

    async fn pass_on(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let place = self.place(request.extensions())?;
        let client = hyper::upgrade::on(&mut request);
        let (head, _empty) = request.into_parts();
        Self::visit(&head);
        let request = forward(&head, &self.upstream, self.keep)?;
        let key = request.headers().get(SEC_WEBSOCKET_KEY).cloned();
        let key = key.ok_or(Failure::MissingAuthLayer)?;
        match self.upstream.ask(request, self.connect_timeout).await? {
            Answer::Upgraded(answer, upstream) => {
                handshake::check(&answer, &key, &head.headers)?;
                self.open(&head, client, upstream, place);
                Ok(handshake::accept(answer, &head, crate::body::empty()))
            }
            Answer::Refused(mut refusal) => {
                let status = refusal.status();
                tracing::info!(status = status.as_u16(), "--upstream refuses a handshake");
                // Over HTTP/2 a 2xx would accept the handshake (RFC 8441 §5).
                if status.is_success() || status.is_informational() {
                    let page = "--upstream answers a handshake with a success that is no 101: is \
                                its path the one of a WebSocket?";
                    return Err(Failure::NotWebSocket(page));
                }
                strip_hop_by_hop(refusal.headers_mut());
                Ok(refusal)
            }
        }
    }

    /// A place among the connections to the upstream.
    pub(crate) fn place(&self, extensions: &Extensions) -> Result<OwnedSemaphorePermit, Failure> {
        let places = match extensions.get::<Authenticated<User>>() {
            Some(_) => &self.places,
            None => &self.places_of_strangers,
        };
        let place = Arc::clone(places).try_acquire_owned();
        place.map_err(|_| Failure::Full)
    }

    /// Notes the user in the access line.
    pub(crate) fn visit(head: &Parts) {
        let user = head.extensions.get::<Authenticated<User>>();
        if let (Some(user), Some(peer)) = (user, head.extensions.get::<Peer>()) {
            let connection = head
                .extensions
                .get::<Validity>()
                .and_then(Validity::connection);
            peer.access.accepted(encoded(user.name()), connection);
        }
    }

    /// `None` if it is never asked again whether the session is there.
    pub(crate) fn recheck(&self, head: &Parts) -> Option<Rechecked> {
        let lease = head.extensions.get::<Lease>()?;
        self.recheck.as_ref()?.of(head, lease.clone())
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
        let recheck = self.recheck(head);
        let idle = self.idle;
        self.tasks.spawn(async move {
            // Held until the connection has ended.
            let _held = place;
            let Ok(Ok(client)) = timeout(HANDOVER, client).await else {
                return;
            };
            let mut client = TokioIo::new(client);
            let mut upstream = TokioIo::new(upstream);
            let mut passed = <[Passed; 2]>::default();
            let passing = tunnel(&mut client, &mut upstream, idle, &mut passed);
            let end = match recheck {
                // It ends the lease, and with it the tunnel.
                Some(recheck) => recheck.beside(passing).await,
                None => passing.await,
            };
            let (code, reason) = IDLE;
            if let (End::Idle, Some(lease), Ok(reason)) =
                (end, &lease, DisconnectReason::application(code, reason))
            {
                // The lease knows the frame boundaries, so both sides read the same close frame.
                lease.end(&reason);
                tunnel(client, upstream, Some(CLOSING), &mut passed).await;
            }
            if let Some(peer) = peer {
                let own = lease.as_ref().and_then(Lease::disconnect_reason);
                note(&peer, own, &passed);
            }
        });
    }
}

/// Writes into the access line how a connection has ended.
fn note(peer: &Peer, own: Option<&DisconnectReason>, [up, down]: &[Passed; 2]) {
    peer.access.bytes(up.bytes, down.bytes);
    if let Some(reason) = own {
        peer.access.ended_by(reason);
    }
    // 1006: there was no close frame at all.
    let code = up.close.code().or(down.close.code()).unwrap_or(1006);
    peer.access.code(code);
}
