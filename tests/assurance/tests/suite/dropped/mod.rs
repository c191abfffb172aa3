//! A future may be dropped wherever it waits: the client went, or a timeout struck. Then nobody is
//! let in, nothing is spent twice, and nothing is left behind.
//!
//! Each test polls the response of a whole stack some times and drops it then: first without a
//! poll, then after one, and so on, until it is ready.

mod slow;

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tower::{ServiceBuilder, ServiceExt};
use tower_ws_auth::lease::Leases;
use tower_ws_auth::session::{MemorySessions, Secrets};
use tower_ws_auth::ticket::{MemoryTickets, Order, Use};
use tower_ws_auth::{
    AuthLayer, Authenticate, AuthenticateExt, Authenticated, CloseFrameLayer, Grant, LeaseLayer,
    MemoryRevocations, MissingOrigin, OriginLayer, Origins, Rejection, RejectionKind, Revocations,
    Sessions, Tickets,
};

use self::slow::{Slow, pause};
use crate::forge::{COOKIE_SECRET, Door, SECRET, with_claims};
use crate::stack::{Claims, LetIn, PAGE, Record, user};

/// Less than any store is waited for, and often enough less than a refused client is held.
const STEP: Duration = Duration::from_millis(100);

/// A request whose connection is a real one, and what is to become of it.
struct Asked {
    request: Request<Incoming>,
    answer: oneshot::Sender<Response<Empty<Bytes>>>,
    client: DuplexStream,
    /// What the service says, if it is called.
    service_says: u16,
}

impl Asked {
    async fn new(target: &str, fields: &str) -> Self {
        let (mut client, server) = duplex(4_096);
        let (ask, mut asked) = mpsc::channel(1);
        let service = service_fn(move |request: Request<Incoming>| {
            let ask = ask.clone();
            async move {
                let (answer, answered) = oneshot::channel();
                ask.send((request, answer)).await.unwrap();
                // Without an answer hyper drops the connection.
                answered.await
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
        tokio::spawn(connection.with_upgrades());
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Origin: {PAGE}\r\n{fields}\r\n"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        let (request, answer) = asked.recv().await.unwrap();
        Self {
            request,
            answer,
            client,
            service_says: 101,
        }
    }
}

/// What must be empty again in the end.
struct Traces {
    revocations: Revocations,
    leases: Leases,
    farewells: tower_ws_auth::close::Farewells,
}

impl Traces {
    async fn are_gone(&self, what: &str) {
        sleep(Duration::from_secs(60)).await;
        assert!(self.leases.is_empty(), "{what}: a lease is left");
        assert!(
            self.revocations.is_empty(),
            "{what}: a registration is left"
        );
        let permits = timeout(Duration::from_secs(1), self.farewells.wait()).await;
        assert!(permits.is_ok(), "{what}: a permit is left");
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        assert_eq!(tasks, 0, "{what}: a task is left");
    }
}

fn slow_revocations() -> Revocations {
    let store = MemoryRevocations::new(Duration::from_secs(3_600), 100);
    Revocations::new(Slow(Arc::new(store)))
}

/// Calls the whole stack, polls so many times, and drops the response unless it is ready. Says
/// what status it had then.
async fn poll_and_drop<A>(
    strategy: A,
    revocations: Revocations,
    asked: Asked,
    times: u32,
    let_in: &LetIn,
) -> Option<StatusCode>
where
    A: Authenticate + Send + Sync + 'static,
{
    let Asked {
        request,
        answer,
        mut client,
        service_says,
    } = asked;
    let mut close = CloseFrameLayer::new().max_farewells(1);
    if service_says != 101 {
        close = close.rejections_of_others();
    }
    let lease = LeaseLayer::new(revocations.clone());
    let traces = Traces {
        revocations,
        leases: lease.leases(),
        farewells: close.farewells(),
    };
    let inner = tower::service_fn(async |mut request: Request<Incoming>| {
        assert!(
            request
                .extensions()
                .get::<Authenticated<A::Identity>>()
                .is_some()
        );
        let upgrade = hyper::upgrade::on(&mut request);
        let open = let_in.clone();
        tokio::spawn(async move {
            if let Ok(upgraded) = upgrade.await {
                open.one_more();
                let mut said = Vec::new();
                let _ = TokioIo::new(upgraded).read_to_end(&mut said).await;
            }
        });
        pause().await;
        let response = Response::builder().status(service_says);
        Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
    });
    let service = ServiceBuilder::new()
        .layer(close)
        .layer(OriginLayer::new(
            Origins::new([PAGE]).unwrap(),
            MissingOrigin::Allow,
        ))
        .layer(AuthLayer::new(strategy))
        .layer(lease)
        .service(inner);
    let mut response = Box::pin(service.oneshot(request));
    let mut ready = None;
    for _ in 0..times {
        let polled = poll_fn(|cx| std::task::Poll::Ready(response.as_mut().poll(cx))).await;
        if let std::task::Poll::Ready(response) = polled {
            ready = Some(response.unwrap());
            break;
        }
        sleep(STEP).await;
    }
    drop(response);
    let what = format!("after {times} polls");
    let Some(ready) = ready else {
        drop(answer);
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        assert!(said.is_empty(), "{what} the client heard {said:?}");
        traces.are_gone(&what).await;
        assert_eq!(let_in.count(), 0, "{what}");
        return None;
    };
    let head = ready.into_parts().0;
    let status = head.status;
    answer
        .send(Response::from_parts(head, Empty::new()))
        .unwrap();
    let mut said = [0; 64];
    assert_ne!(client.read(&mut said).await.unwrap(), 0);
    sleep(STEP).await;
    drop(client);
    traces.are_gone(&what).await;
    Some(status)
}

/// Drops after 0, 1, 2 … polls until there is nothing to drop; says after how many that was, and
/// whether somebody was let in then.
async fn at_every_point<A, F>(mut make: impl FnMut() -> F) -> (u32, bool)
where
    A: Authenticate + Send + Sync + 'static,
    F: Future<Output = (A, Revocations, Asked)>,
{
    for times in 0..100 {
        let let_in = LetIn::default();
        let (strategy, revocations, asked) = make().await;
        let status = poll_and_drop(strategy, revocations, asked, times, &let_in).await;
        if let Some(status) = status {
            assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS);
            return (times, let_in.count() == 1);
        }
    }
    panic!("not ready after 100 polls")
}

fn slow_sessions() -> Sessions<Record> {
    let secrets = Secrets::express([COOKIE_SECRET]).unwrap();
    Sessions::builder(secrets, Slow(MemorySessions::new(10)))
        .build()
        .unwrap()
}

async fn session(
    user_name: Option<&str>,
) -> (
    impl Authenticate<Identity = String> + Send + Sync + 'static,
    Revocations,
    Asked,
) {
    let (sessions, revocations) = (slow_sessions(), slow_revocations());
    let record = Record {
        user: user_name.map(str::to_owned),
    };
    let (_, cookie) = sessions.create(&record).await.unwrap();
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
    let asked = Asked::new("/ws", &format!("Cookie: {cookie}\r\n")).await;
    let strategy = sessions
        .strategy(Origins::new([PAGE]).unwrap(), user)
        .rolling();
    (strategy.revocable(revocations.clone()), revocations, asked)
}

#[tokio::test(start_paused = true)]
async fn of_a_session_that_is_let_in() {
    let (polls, let_in) = at_every_point(|| session(Some("ada"))).await;
    println!("{polls} polls");
    assert!(polls >= 7 && let_in, "{polls} {let_in}");
}

#[tokio::test(start_paused = true)]
async fn of_a_session_that_is_refused_and_held_and_told() {
    let (polls, let_in) = at_every_point(|| session(None)).await;
    println!("{polls} polls");
    assert!(polls >= 5 && !let_in, "{polls} {let_in}");
}

#[tokio::test(start_paused = true)]
async fn of_a_strategy_that_waits_with_the_lease_layer_asking_for_revocations() {
    let make = || async {
        let strategy = |_: &mut Parts| async {
            pause().await;
            let now = SystemTime::now();
            let grant = Grant::new("ada").issued_at(now).revocable_by("user:ada");
            pause().await;
            Ok::<_, Rejection>(grant.until(now + Duration::from_secs(3_600)))
        };
        (strategy, slow_revocations(), Asked::new("/ws", "").await)
    };
    let (polls, let_in) = at_every_point(make).await;
    println!("{polls} polls");
    assert!(polls >= 6 && let_in, "{polls} {let_in}");
}

#[tokio::test(start_paused = true)]
async fn of_a_strategy_that_waits_and_refuses() {
    let make = || async {
        let strategy = |_: &mut Parts| async {
            pause().await;
            Err::<Grant<()>, _>(Rejection::new(RejectionKind::Forbidden, "nobody"))
        };
        (strategy, slow_revocations(), Asked::new("/ws", "").await)
    };
    let (polls, let_in) = at_every_point(make).await;
    println!("{polls} polls");
    assert!(polls >= 4 && !let_in, "{polls} {let_in}");
}

/// A rate limit behind the door: the handler waits for a connection that is taken back.
#[tokio::test(start_paused = true)]
async fn of_a_refusal_by_somebody_else_that_becomes_a_close_frame() {
    let make = || async {
        let (strategy, revocations, mut asked) = session(Some("ada")).await;
        asked.service_says = 429;
        (strategy, revocations, asked)
    };
    let (polls, let_in) = at_every_point(make).await;
    println!("{polls} polls");
    assert!(polls >= 10 && !let_in, "{polls} {let_in}");
}

#[tokio::test(start_paused = true)]
async fn of_a_token_whose_key_may_be_revoked() {
    let token = with_claims(r#"{"sub":"ada","exp":4102444800}"#);
    let make = || async {
        let revocations = slow_revocations();
        let key = tower_ws_auth::jwt::Key::hs256(SECRET).unwrap();
        let jwt = tower_ws_auth::Jwt::<Claims>::builder(key).build().unwrap();
        let jwt = jwt.revocable_by(|claims: &Claims| format!("user:{}", claims.sub));
        let asked = Asked::new(&format!("/ws?token={token}"), "").await;
        (jwt.revocable(revocations.clone()), revocations, asked)
    };
    let (polls, let_in) = at_every_point(make).await;
    println!("{polls} polls at the door of {:?}", Door::Hs);
    assert!(polls >= 3 && let_in, "{polls} {let_in}");
}

/// What was dropped has spent its ticket or has not. It is good at most once more, and only if
/// nobody was let in by it.
#[tokio::test(start_paused = true)]
async fn of_a_ticket_which_is_good_at_most_once_all_the_same() {
    let (mut unspent, mut spent) = (0, 0);
    for times in 0..100 {
        let store = Arc::new(MemoryTickets::new());
        let tickets: Tickets<Claims> = Tickets::builder(Arc::new(Slow(store))).build().unwrap();
        let claims = Claims {
            sub: "ada".to_owned(),
        };
        let issued = tickets
            .issue(Order::new(claims, Use::handshake()))
            .await
            .unwrap();
        let target = format!("/ws?ticket={}", issued.ticket());
        let mut accepted = 0;
        // The one that is dropped, and two that are not.
        for times in [times, 100, 100] {
            let let_in = LetIn::default();
            let asked = Asked::new(&target, "").await;
            let strategy = tickets.strategy();
            poll_and_drop(strategy, slow_revocations(), asked, times, &let_in).await;
            accepted += let_in.count();
        }
        assert!(accepted <= 1, "{times}");
        match accepted {
            0 => spent += 1,
            _ if spent == 0 => unspent += 1,
            _ => {
                println!("unspent at {unspent} points, spent at {spent}");
                assert!(unspent >= 2 && spent >= 2, "{unspent} {spent}");
                return;
            }
        }
    }
    panic!("never ready");
}
