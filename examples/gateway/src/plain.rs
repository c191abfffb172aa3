//! Requests that are no handshakes.

use std::pin::pin;
use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tower_ws_auth::Lease;

use crate::body::{Body, Bounded, Ended, Moved};
use crate::failure::Failure;
use crate::headers::{forward_plain, forward_preflight, strip_hop_by_hop};
use crate::options::Policy;
use crate::proxy::Proxy;
use crate::recheck::Rechecked;
use crate::tasks::{self, Peer};

impl Proxy {
    /// Passes on what is no handshake, and what comes back.
    pub(crate) async fn plain(&self, request: Request<Incoming>, policy: Policy) -> Response<Body> {
        let (head, body) = request.into_parts();
        let answered = async {
            Self::visit(&head);
            let mut request = forward_plain(&head, &self.upstream, self.keep, policy)?;
            let sent = Arc::new(Moved::default());
            if body.is_end_stream() && [Method::POST, Method::PUT].contains(&head.method) {
                // RFC 9110 §8.6: some servers wait for it.
                request.headers_mut().insert(CONTENT_LENGTH, 0.into());
            }
            let body = Bounded::new(body, Arc::clone(&sent), self.http_timeout, ());
            *request.body_mut() = body.boxed();
            let fetched = self.fetch(&head, request, sent);
            let Some(lease) = head.extensions.get::<Lease>() else {
                return Ok(fetched.await?.map(Bounded::boxed));
            };
            // A long poll and a stream of events end with the credential too.
            let mut ended = ended(lease.clone(), self.recheck(&head));
            let ended_by = tokio::select! {
                answer = fetched => return Ok(answer?.map(|body| body.until(ended).boxed())),
                () = &mut ended => lease.disconnect_reason(),
            };
            Err(ended_by.map_or(Failure::MissingAuthLayer, Failure::ended))
        };
        answered.await.unwrap_or_else(failed)
    }

    /// Passes on what a page of another origin has to ask first. It carries no credential.
    pub(crate) async fn preflight(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, _body) = request.into_parts();
        let answered = async {
            let request = forward_preflight(&head, &self.upstream)?;
            let answer = self.fetch(&head, request, Arc::default()).await?;
            Ok(answer.map(Bounded::boxed))
        };
        answered.await.unwrap_or_else(failed)
    }

    async fn fetch(
        &self,
        head: &Parts,
        request: Request<Body>,
        sent: Arc<Moved>,
    ) -> Result<Response<Bounded<Held>>, Failure> {
        let place = self.place(&head.extensions)?;
        let asked = self
            .upstream
            .fetch(request, self.connect_timeout, &self.tasks);
        let mut asked = pin!(asked);
        let response = loop {
            match timeout(self.http_timeout, &mut asked).await {
                Ok(response) => break response?,
                // The request is still on its way, and its body has a timer of its own.
                Err(_) if !sent.is_over() && sent.still() < self.http_timeout * 2 => {}
                Err(_) if sent.still() < self.http_timeout => {}
                Err(_) => return Err(Failure::Late),
            }
        };
        let (mut answer, body) = response.into_parts();
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            let unasked = "--upstream switches protocols where nobody asked for it";
            return Err(Failure::NotWebSocket(unasked));
        }
        strip_hop_by_hop(&mut answer.headers);
        let received = Arc::new(Moved::default());
        let peer = head.extensions.get::<Peer>().cloned();
        if let Some(peer) = &peer {
            peer.visits.watch(&received, tasks::stream());
        }
        let counted = Counted {
            sent,
            received: Arc::clone(&received),
            peer,
        };
        let body = Bounded::new(body, received, self.http_timeout, (place, counted));
        let mut response = Response::new(body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

/// Held until an answer has ended.
type Held = (OwnedSemaphorePermit, Counted);

fn ended(lease: Lease, recheck: Option<Rechecked>) -> Ended {
    Box::pin(async move {
        match recheck {
            None => drop(lease.ended().await),
            Some(recheck) => tokio::select! {
                _ = lease.ended() => {}
                () = recheck.until_over() => {}
            },
        }
    })
}

fn failed(failure: Failure) -> Response<Body> {
    tracing::warn!(%failure, "a request failed");
    failure.into_response()
}

/// Writes the bytes into the access line when the answer has ended.
struct Counted {
    sent: Arc<Moved>,
    received: Arc<Moved>,
    peer: Option<Peer>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(peer) = &self.peer {
            peer.access.bytes(self.sent.bytes(), self.received.bytes());
        }
    }
}
