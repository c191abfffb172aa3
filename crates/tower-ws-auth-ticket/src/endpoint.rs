//! The ticket endpoint: a service that mints tickets.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tower_service::Service;
use tower_ws_auth_core::private::{BodyError, read_body};
use tower_ws_auth_core::{Rejection, RejectionKind, ResponseBody};

use crate::tickets::Issued;
use crate::timeout::Within;
use crate::trace;
use crate::{BoxFuture, IssueError, Purpose, TicketRequest, Tickets};

/// Answers `POST` with a ticket. Made by [`Tickets::endpoint`].
///
/// Mount it behind another strategy, as in the [crate's documentation](crate): it does not
/// authenticate its caller. The body is empty, or the JSON of a [`MintRequest`].
///
/// | answer | |
/// |---|---|
/// | 200 | `{"ticket":"…","expires_at":1712345678}`, in seconds since the Unix epoch |
/// | 400 `request_malformed` | the body is an invalid [`MintRequest`] |
/// | 405 `method_not_allowed` | the method is not `POST` |
/// | 408 `request_timeout` | the body does not come within [`body_timeout`](crate::TicketsBuilder::body_timeout) |
/// | 413 `request_too_large` | the body is longer than 4 KiB |
/// | 429 `rate_limited` | too many tickets are outstanding; with `Retry-After` |
/// | 503 `unavailable` | the store fails |
///
/// The application's function may refuse with other answers. Each answer has
/// `Cache-Control: no-store`.
///
/// The caller's grant limits the ticket's. The ticket's grant ends no later, is revoked by the same
/// keys, and counts as issued when the decision about the caller began. A caller who delays the
/// body until the session is revoked gets a ticket that is refused.
pub struct TicketEndpoint<P, F> {
    tickets: Tickets<P>,
    decide: Arc<F>,
}

/// The mint request of a client to a [`TicketEndpoint`]: `{"channel":"lobby"}`, or an empty body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
// A misspelt field would mint a ticket for another purpose.
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MintRequest {
    /// The channel that the ticket joins. Without one it opens a socket.
    #[serde(default)]
    pub channel: Option<String>,
}

impl MintRequest {
    /// The requested purpose: [`Purpose::channel`], or [`Purpose::handshake`].
    pub fn into_purpose(self) -> Purpose {
        self.channel
            .as_ref()
            .map_or_else(Purpose::handshake, Purpose::channel)
    }
}

const MAX_BODY: usize = 4 * 1024;

type Answer = Response<ResponseBody<Full<Bytes>>>;

impl<P, F> TicketEndpoint<P, F> {
    pub(crate) fn new(tickets: Tickets<P>, decide: F) -> Self {
        let decide = Arc::new(decide);
        Self { tickets, decide }
    }
}

impl<P, F, B> Service<Request<B>> for TicketEndpoint<P, F>
where
    P: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    F: Fn(&Parts, MintRequest) -> Result<TicketRequest<P>, Rejection> + Send + Sync + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = MintFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> MintFuture {
        let mint = self.clone();
        // Read before the body, which may come much later.
        let came_at = self.tickets.settings().clock.now();
        MintFuture(Box::pin(async move {
            let (head, body) = request.into_parts();
            let limit = mint.tickets.settings().body_timeout;
            let mint_request = match read(&head, body, limit).await {
                Ok(mint_request) => mint_request,
                Err(error) => {
                    trace::malformed(error.reason(), error.status());
                    return error.into_response(head.version);
                }
            };
            match mint.mint(&head, mint_request, came_at).await {
                Ok(issued) => granted(&issued),
                Err(rejection) => {
                    trace::refused(&rejection);
                    rejection.into_response(head)
                }
            }
        }))
    }
}

impl<P, F> TicketEndpoint<P, F>
where
    P: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    F: Fn(&Parts, MintRequest) -> Result<TicketRequest<P>, Rejection>,
{
    async fn mint(
        &self,
        head: &Parts,
        mint_request: MintRequest,
        came_at: SystemTime,
    ) -> Result<Issued, Rejection> {
        let settings = self.tickets.settings();
        let ticket_request = (self.decide)(head, mint_request)?;
        let ticket_request = ticket_request.complete(&settings.bindings, head, came_at)?;
        self.tickets
            .issue(ticket_request)
            .await
            .map_err(|error| match error {
                IssueError::Full | IssueError::SubjectFull => {
                    Rejection::new(RejectionKind::RateLimited, "too many tickets outstanding")
                        .with_retry_after(settings.ttl)
                        .with_source(error)
                }
                IssueError::Over => {
                    Rejection::new(RejectionKind::Forbidden, "the caller's own grant is over")
                }
                // The fault of the application or the machine, not of the client.
                IssueError::Binding(_)
                | IssueError::Json(_)
                | IssueError::TooLarge
                | IssueError::Random(_)
                | IssueError::Store(_)
                | IssueError::TimedOut => {
                    Rejection::new(RejectionKind::Unavailable, "no ticket could be issued")
                        .with_source(error)
                }
            })
    }
}

async fn read<B>(head: &Parts, body: B, limit: Duration) -> Result<MintRequest, BodyError>
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    let method = head.method.clone();
    let body = Box::pin(async move { read_body(&method, body, MAX_BODY).await });
    let body = Within::new(limit, body).await;
    match &*body.unwrap_or(Err(BodyError::Timeout))? {
        [] => Ok(MintRequest::default()),
        // serde accepts an array for an object too.
        json if json.trim_ascii_start().starts_with(b"{") => {
            serde_json::from_slice(json).map_err(|_| BodyError::Malformed)
        }
        _ => Err(BodyError::Malformed),
    }
}

fn granted(issued: &Issued) -> Answer {
    #[derive(Serialize)]
    struct Granted<'a> {
        ticket: &'a str,
        expires_at: u64,
    }
    let since = issued.expires_at().duration_since(SystemTime::UNIX_EPOCH);
    let granted = Granted {
        ticket: issued.ticket(),
        expires_at: since.unwrap_or_default().as_secs(),
    };
    if let Ok(json) = serde_json::to_vec(&granted) {
        let body = ResponseBody::inner(json.into());
        return respond(StatusCode::OK, "application/json", body);
    }
    // A text and a number can always be serialized.
    let (status, reason) = (StatusCode::INTERNAL_SERVER_ERROR, "internal");
    trace::malformed(reason, status);
    respond(
        status,
        "text/plain; charset=utf-8",
        ResponseBody::text(reason),
    )
}

fn respond(status: StatusCode, kind: &'static str, body: ResponseBody<Full<Bytes>>) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The response of a [`TicketEndpoint`].
pub struct MintFuture(BoxFuture<Answer>);

impl Future for MintFuture {
    type Output = Result<Answer, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.as_mut().poll(cx).map(Ok)
    }
}

impl<P, F> Clone for TicketEndpoint<P, F> {
    fn clone(&self) -> Self {
        Self {
            tickets: self.tickets.clone(),
            decide: Arc::clone(&self.decide),
        }
    }
}

impl<P, F> fmt::Debug for TicketEndpoint<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketEndpoint")
            .field("tickets", &self.tickets)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MintFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MintFuture")
    }
}
