//! The mint: behind another strategy, within its caller's own grant, within the caps.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use test_support::{handshake, settle};
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_ws_auth_core::{
    AuthLayer, Authenticate as _, Authenticated, Clock, Grant, Rejection, RejectionKind, Validity,
};
use tower_ws_auth_ticket::{
    MemoryTickets, MintRequest, TicketLayer, TicketRequest, Tickets, TicketsBuilder,
};

type User = String;

const NOW: u64 = 1_000_000;

fn builder() -> TicketsBuilder<User> {
    let store = MemoryTickets::builder().per_subject(2).build().unwrap();
    Tickets::builder(Arc::new(store)).clock(Clock::fixed(NOW))
}

fn ticket_request(
    head: &Parts,
    mint_request: MintRequest,
) -> Result<TicketRequest<User>, Rejection> {
    let user = head.extensions.get::<Authenticated<User>>().unwrap();
    if mint_request.channel.as_deref() == Some("private-bob") {
        let kind = RejectionKind::Forbidden;
        return Err(Rejection::new(kind, "not their channel"));
    }
    Ok(TicketRequest::new(User::clone(user), mint_request.into_purpose()).subject(user.as_str()))
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    rejection: Option<Rejection>,
}

impl Answer {
    fn ticket(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        json["ticket"].as_str().unwrap().to_owned()
    }
}

/// Sends a request through a strategy that knows everybody by the header `x-user`, to the mint.
async fn send(tickets: &Tickets<User>, request: http::request::Builder, body: &str) -> Answer {
    let known = |head: &mut Parts| {
        let user = head.headers.remove("x-user");
        async move {
            let missing = || Rejection::new(RejectionKind::CredentialsMissing, "no X-User");
            let user = user.ok_or_else(missing)?;
            let grant = Grant::new(user.to_str().unwrap().to_owned());
            Ok(grant.until(Clock::at(NOW + 20)).revocable_by("session:1"))
        }
    };
    let service = AuthLayer::new(known)
        .any_request()
        .layer(tickets.endpoint(ticket_request));
    let request = request.body(Full::<Bytes>::from(body.to_owned())).unwrap();
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8(body.into()).unwrap(),
        rejection: head.extensions.get::<Rejection>().cloned(),
    }
}

fn post() -> http::request::Builder {
    Request::post("/ticket").header("x-user", "ada")
}

async fn open(tickets: &Tickets<User>, ticket: &str, origin: Option<&str>) -> Option<Validity> {
    let service = tower::service_fn(|request: Request<()>| {
        let mut response = Response::new(());
        let validity = request.extensions().get::<Validity>().cloned().unwrap();
        response.extensions_mut().insert(validity);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let request = handshake::request_from(&format!("/ws?ticket={ticket}"), origin);
    let layer = TicketLayer::new(tickets.strategy());
    let request = request.body(()).unwrap();
    let response = layer.layer(service).oneshot(request).await.unwrap();
    response.extensions().get::<Validity>().cloned()
}

#[tokio::test]
async fn answers_with_a_ticket_as_json_with_no_store() {
    let tickets = builder().build().unwrap();
    let answer = send(&tickets, post(), "").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let ticket = answer.ticket();
    let expected = format!(r#"{{"ticket":"{ticket}","expires_at":{}}}"#, NOW + 20);
    assert_eq!(answer.body, expected);
    assert!(open(&tickets, &ticket, None).await.is_some());
    assert!(open(&tickets, &ticket, None).await.is_none());
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn a_refusal_is_an_event_for_the_operator_and_shows_no_body() {
    let log = test_support::Log::capture();
    let tickets = builder().build().unwrap();
    send(&tickets, post(), "canary").await;
    send(&tickets, post(), r#"{"channel":"private-bob"}"#).await;
    for _ in 0..3 {
        send(&tickets, post(), "").await;
    }
    let text = log.text();
    let refusals = text.lines().filter(|line| line.contains("ticket refused"));
    let refusals: Vec<_> = refusals.collect();
    let expected = [
        r#"kind="request_malformed" status=400"#,
        r#"kind="forbidden" status=403 detail="not their channel""#,
        r#"kind="rate_limited" status=429 detail="too many tickets outstanding" source="#,
    ];
    assert_eq!(refusals.len(), expected.len(), "{text}");
    for (line, expected) in refusals.iter().zip(expected) {
        assert!(
            line.contains("INFO tower_ws_auth: ticket refused"),
            "{line}"
        );
        assert!(line.contains(expected), "{line}");
    }
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn hands_on_the_end_and_the_revocation_keys_of_its_callers_own_grant() {
    let tickets = builder()
        .live_for(Duration::from_secs(3600))
        .build()
        .unwrap();
    let ticket = send(&tickets, post(), "").await.ticket();
    let validity = open(&tickets, &ticket, None).await.unwrap();
    assert_eq!(validity.end(), Some(Clock::at(NOW + 20)));
    assert_eq!(*validity.revocation_keys()[0], *"session:1");
}

#[tokio::test]
async fn refuses_a_caller_that_the_other_strategy_refuses() {
    let tickets = builder().build().unwrap();
    let answer = send(&tickets, Request::post("/ticket"), "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.body, "credentials_missing");
}

#[tokio::test]
async fn mints_a_channel_ticket_that_opens_no_socket() {
    let tickets = builder().build().unwrap();
    let answer = send(&tickets, post(), r#"{"channel":"lobby"}"#).await;
    let ticket = answer.ticket();
    assert!(open(&tickets, &ticket, None).await.is_none());
    assert!(tickets.take_for_channel(&ticket, "lobby").await.is_ok());
}

#[tokio::test]
async fn refuses_if_the_applications_function_refuses() {
    let tickets = builder().build().unwrap();
    let answer = send(&tickets, post(), r#"{"channel":"private-bob"}"#).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.body, "forbidden");
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn answers_429_with_retry_after_at_the_cap_and_loses_no_ticket() {
    let tickets = builder().build().unwrap();
    let first = send(&tickets, post(), "").await.ticket();
    let second = send(&tickets, post(), "").await.ticket();
    let third = send(&tickets, post(), "").await;
    assert_eq!(third.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(third.body, "rate_limited");
    assert_eq!(third.headers["retry-after"], "30");
    assert_eq!(third.headers["cache-control"], "no-store");
    assert_eq!(third.rejection.unwrap().kind(), RejectionKind::RateLimited);
    let bob = Request::post("/ticket").header("x-user", "bob");
    assert_eq!(send(&tickets, bob, "").await.status, StatusCode::OK);
    assert!(open(&tickets, &first, None).await.is_some());
    assert!(open(&tickets, &second, None).await.is_some());
    assert_eq!(send(&tickets, post(), "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn answers_every_other_method_with_405() {
    let tickets = builder().build().unwrap();
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"] {
        let answer = send(&tickets, post().method(method), "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers["allow"], "POST");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn refuses_a_body_that_is_no_mint_request() {
    let tickets = builder().build().unwrap();
    for bad in [
        "{",
        "[]x",
        r#"["a"]"#,
        "null",
        "7",
        r#"{"chanel":"a"}"#,
        r#"{"channel":7}"#,
        r#"{"channel":"a","channel":"b"}"#,
    ] {
        let answer = send(&tickets, post(), bad).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(answer.body, "request_malformed");
    }
    let longest = format!("{{}}{}", " ".repeat(4 * 1024 - 2));
    assert_eq!(
        send(&tickets, post(), &longest).await.status,
        StatusCode::OK
    );
    let answer = send(&tickets, post(), &format!("{longest} ")).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.body, "request_too_large");
    for empty in ["", "{}", r#"{"channel":null}"#] {
        let ticket = send(&tickets, post(), empty).await.ticket();
        assert!(open(&tickets, &ticket, None).await.is_some());
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed_and_not_too_large() {
    let mut mint = builder().build().unwrap().endpoint(ticket_request);
    let request = Request::post("/ticket").body(BrokenOff).unwrap();
    let answer = mint.call(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "request_malformed");
}

/// The client hangs up.
struct BrokenOff;

impl http_body::Body for BrokenOff {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}

#[tokio::test]
async fn binds_to_the_origin_of_its_own_request() {
    let tickets = builder().bind_origin().build().unwrap();
    let own = "https://app.example";
    let answer = send(&tickets, post().header("origin", own), "").await;
    let ticket = answer.ticket();
    assert!(
        open(&tickets, &ticket, Some("https://evil.example"))
            .await
            .is_none()
    );
    assert!(open(&tickets, &ticket, Some(own)).await.is_some());
    let answer = send(&tickets, post(), "").await;
    assert_eq!(answer.body, "origin_denied");
}

#[tokio::test]
async fn mints_nothing_for_a_grant_that_is_over() {
    let tickets = Tickets::<User>::builder(Arc::new(MemoryTickets::new()))
        .clock(Clock::fixed(NOW + 20))
        .build()
        .unwrap();
    assert_eq!(send(&tickets, post(), "").await.body, "forbidden");
}

#[test]
fn tickets_are_no_credential_for_it() {
    // `AuthLayer::any_request` refuses such a strategy at compile time: see the crate's
    // documentation, where a compiler tries.
    fn single_use<A: tower_ws_auth_core::Authenticate>(_: &A) -> bool {
        A::SINGLE_USE
    }
    let strategy = builder().build().unwrap().strategy();
    assert!(single_use(&strategy));
    assert_eq!(strategy.name(), "ticket");
}

mod a_body_that_is_held_back {
    use super::*;
    use http_body_util::channel::Channel;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::SystemTime;
    use tower_ws_auth_core::{RevocationKey, Validity};
    use tower_ws_auth_ticket::Purpose;

    /// A clock that the test sets.
    fn clock() -> (Arc<AtomicU64>, Clock) {
        let time = Arc::new(AtomicU64::new(NOW));
        let hands = Arc::clone(&time);
        let clock = Clock::from_fn(move || Clock::at(hands.load(Ordering::SeqCst)));
        (time, clock)
    }

    /// When a ticket counts as issued whose client was granted this, and which was minted 100
    /// seconds later.
    async fn age(grant: Option<Grant<User>>) -> Option<SystemTime> {
        let (time, clock) = clock();
        let tickets = builder().clock(clock.clone()).build().unwrap();
        let endpoint = tickets.endpoint(|_, mint_request| {
            Ok(TicketRequest::new(
                "ada".to_owned(),
                mint_request.into_purpose(),
            ))
        });
        let (mut body, held) = Channel::<Bytes, Infallible>::new(1);
        let request = Request::post("/ticket").body(held).unwrap();
        let asking = match grant {
            Some(grant) => tokio::spawn(async move {
                let known = move |_: &mut Parts| std::future::ready(Ok(grant.clone()));
                let layer = AuthLayer::new(known).any_request().clock(clock);
                read(layer.layer(endpoint).oneshot(request).await.unwrap()).await
            }),
            None => {
                tokio::spawn(async move { read(endpoint.oneshot(request).await.unwrap()).await })
            }
        };
        // The service has been polled by now.
        settle().await;
        time.fetch_add(100, Ordering::SeqCst);
        let sent = body.send_data(Bytes::from_static(br#"{"channel":"a"}"#));
        sent.await.unwrap();
        drop(body);
        let json: serde_json::Value = serde_json::from_slice(&asking.await.unwrap()).unwrap();
        let ticket = json["ticket"].as_str().unwrap();
        let grant = tickets.take_for_channel(ticket, "a").await.unwrap();
        grant.validity().issued_at()
    }

    async fn read<B>(answer: Response<B>) -> Bytes
    where
        B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
    {
        answer.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn makes_no_ticket_younger_than_the_decision_about_its_client() {
        let known = || Grant::new("ada".to_owned()).revocable_by("user:ada");
        let of = |issued| known().issued_at(Clock::at(issued));
        assert_eq!(age(Some(of(NOW - 50))).await, Some(Clock::at(NOW - 50)));
        assert_eq!(age(Some(of(NOW + 50))).await, Some(Clock::at(NOW)));
        assert_eq!(age(Some(known())).await, None);
        let without_keys = Grant::new("ada".to_owned());
        assert_eq!(age(Some(without_keys)).await, Some(Clock::at(NOW)));
        // Behind another layer, the age is that of the request.
        assert_eq!(age(None).await, Some(Clock::at(NOW)));
    }

    #[tokio::test(start_paused = true)]
    async fn is_refused_after_the_body_timeout() {
        for (timeout, seconds) in [(None, 10), (Some(3), 3)] {
            let builder = match timeout {
                None => builder(),
                Some(seconds) => builder().body_timeout(Duration::from_secs(seconds)),
            };
            let mut mint = builder.build().unwrap().endpoint(ticket_request);
            let (mut body, held) = Channel::<Bytes, Infallible>::new(1);
            body.send_data(Bytes::from_static(b"{")).await.unwrap();
            let request = Request::post("/ticket").body(held).unwrap();
            let began = tokio::time::Instant::now();
            let answer = mint.call(request).await.unwrap();
            assert_eq!(began.elapsed().as_secs(), seconds);
            assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
            assert_eq!(answer.headers()["connection"], "close");
            assert_eq!(answer.headers()["cache-control"], "no-store");
            let text = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(text, "request_timeout");
        }
    }

    #[test]
    fn has_a_bound_that_is_not_zero() {
        assert!(builder().body_timeout(Duration::ZERO).build().is_err());
    }

    #[tokio::test]
    async fn a_ticket_request_inherits_the_given_validity() {
        let tickets = builder().build().unwrap();
        let session = Validity::since(Clock::at(NOW - 10))
            .until(Clock::at(NOW + 5))
            .revocable_by("session:1");
        let device = Validity::since(Clock::at(NOW - 20)).revocable_by("device:7");
        let ticket_request = TicketRequest::new("ada".to_owned(), Purpose::channel("a"))
            .until(Clock::at(NOW + 9))
            .revocable_by("user:ada");
        let taken = async |ticket_request| {
            let issued = tickets.issue(ticket_request).await.unwrap();
            let grant = tickets.take_for_channel(issued.ticket(), "a").await;
            grant.unwrap().validity().clone()
        };
        let validity = taken(ticket_request.clone()).await;
        assert_eq!(validity.issued_at(), Some(Clock::at(NOW)));
        assert_eq!(validity.end(), Some(Clock::at(NOW + 9)));
        let validity = taken(ticket_request.inherit(&session).inherit(&device)).await;
        assert_eq!(validity.issued_at(), Some(Clock::at(NOW - 20)));
        assert_eq!(validity.end(), Some(Clock::at(NOW + 5)));
        let keys: Vec<_> = validity
            .revocation_keys()
            .iter()
            .map(RevocationKey::name)
            .collect();
        assert_eq!(keys, ["user:ada", "session:1", "device:7"]);
    }
}
