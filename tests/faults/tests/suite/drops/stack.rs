//! A handshake on its way through all layers at once. A dropped one is not admitted, nothing is
//! spent twice, and nothing is left behind.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use test_support::{settle, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tower::{ServiceBuilder, ServiceExt};
use tower_ws_auth::jwt::{JwtEncoder, Key, SigningKey};
use tower_ws_auth::session::{MemorySessions, Secrets};
use tower_ws_auth::ticket::{MemoryTickets, Purpose, TicketRequest};
use tower_ws_auth::{
    AuthLayer, Authenticate, AuthenticateExt, Authenticated, CloseFrameLayer, Grant, Jwt,
    LeaseLayer, MemoryRevocations, MissingOrigin, OriginLayer, Origins, Rejection, RejectionKind,
    Revocations, Sessions, Tickets,
};

use super::inner::SERVICE_WAITS;
use super::slow::{Slow, WAITS};
use super::steps::{everywhere, waits};
use super::wire::{Upgrading, Wire, is_switching};

/// A refused client is held for a while.
const HOLD: usize = 1;

/// A handshake, and who decides about it.
struct Asked<A> {
    strategy: A,
    revocations: Revocations,
    target: String,
    fields: String,
    /// The service, if it is called.
    service: Upgrading,
}

impl<A> Asked<A> {
    fn new(strategy: A, revocations: Revocations) -> Self {
        Self {
            strategy,
            revocations,
            target: "/ws".to_owned(),
            fields: String::new(),
            service: Upgrading::default(),
        }
    }
}

fn slow_revocations() -> Revocations {
    let memory = MemoryRevocations::new(Duration::from_secs(3600), 100);
    Revocations::new(Slow::new(memory, 1))
}

fn origins() -> Origins {
    Origins::new(["https://app.example"]).unwrap()
}

/// A request that reaches the service was accepted by the strategy.
fn authenticated<A: Authenticate, B>(request: Request<B>) -> Request<B> {
    let identity = request.extensions().get::<Authenticated<A::Identity>>();
    assert!(identity.is_some());
    request
}

/// Polls the stack so many times and drops it unless it is ready; the status that it had then, and
/// how many have been let in.
async fn through_the_stack<A>(asked: Asked<A>, polls: usize) -> (Option<StatusCode>, usize)
where
    A: Authenticate + Send + Sync + 'static,
{
    let Asked {
        strategy,
        revocations,
        target,
        fields,
        service,
    } = asked;
    let wire = Wire::asking(4096, &target, &fields).await;
    let mut close = CloseFrameLayer::new().max_closing_handshakes(1);
    if service.refuses() {
        close = close.convert_error_responses();
    }
    let closing_handshakes = close.closing_handshakes();
    let lease = LeaseLayer::new(revocations.clone());
    let leases = lease.leases();
    let stack = ServiceBuilder::new()
        .layer(close)
        .layer(OriginLayer::new(origins(), MissingOrigin::Allow))
        .layer(AuthLayer::new(strategy))
        .layer(lease)
        .map_request(authenticated::<A, _>)
        .service(service.service());

    let mut visit = wire.visit(|request| stack.oneshot(request), polls).await;
    let status = visit.status;
    if status.is_some() {
        assert!(is_switching(&mut visit.client).await);
        settle().await;
    } else {
        let mut said = Vec::new();
        visit.client.read_to_end(&mut said).await.unwrap();
        assert!(said.is_empty(), "after {polls} polls: {said:?}");
    }
    // It goes without a word.
    visit.client.shutdown().await.unwrap();
    visit.ends().await;
    let ended = timeout(Duration::from_secs(60), async {
        leases.all_ended().await;
        closing_handshakes.wait().await;
    });
    ended.await.expect("a lease or a permit is left");
    // The task of the expiry looks at the clock once a second.
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let left = || format!("{} tasks, {revocations:?} after {polls} polls", tasks());
    let nothing = || tasks() == 0 && revocations.is_empty();
    within(Duration::from_secs(2)).until(left, nothing).await;
    (status, service.let_in())
}

/// In how many places such a handshake was dropped, and whether it was let in in the end.
async fn dropped_everywhere<A, F>(mut ask: impl FnMut() -> F) -> (usize, bool)
where
    A: Authenticate + Send + Sync + 'static,
    F: Future<Output = Asked<A>>,
{
    let mut let_in = 0;
    let places = everywhere(async |polls| {
        let (status, count) = through_the_stack(ask().await, polls).await;
        let_in = count;
        let Some(status) = status else {
            assert_eq!(count, 0, "let in and dropped after {polls} polls");
            return false;
        };
        // A refusal is one too, and then a close frame.
        assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS);
        true
    });
    (places.await, let_in == 1)
}

#[derive(Serialize, Deserialize)]
struct Record {
    user: Option<String>,
}

/// It is read and prolonged, and its revocations are asked for.
const SESSION_WAITS: usize = 3 * WAITS;

async fn with_a_session(user: Option<&str>) -> Asked<impl Authenticate<Identity = String>> {
    let revocations = slow_revocations();
    let secrets = Secrets::express(["a random secret of some length"]).unwrap();
    let store = Slow::new(MemorySessions::new(10), 1);
    let sessions = Sessions::<Record>::builder(secrets, store).build().unwrap();
    let user = user.map(str::to_owned);
    let (_, cookie) = sessions.create(&Record { user }).await.unwrap();
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
    let identity = |record: &Record| record.user.clone();
    let strategy = sessions.strategy(origins(), identity).rolling();
    let mut asked = Asked::new(strategy.revocable(revocations.clone()), revocations);
    asked.fields = format!("Cookie: {cookie}\r\n");
    asked
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_let_in() {
    let (places, let_in) = dropped_everywhere(|| with_a_session(Some("ada"))).await;
    assert_eq!((places, let_in), (SESSION_WAITS + SERVICE_WAITS, true));
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_login_that_is_refused_after_a_delay() {
    let (places, let_in) = dropped_everywhere(|| with_a_session(None)).await;
    assert_eq!((places, let_in), (WAITS + HOLD, false));
}

/// A rate limit behind the door: the handler waits for a connection that is taken back.
#[tokio::test(start_paused = true)]
async fn a_refusal_by_the_service_that_becomes_a_close_frame() {
    let ask = || async {
        let mut asked = with_a_session(Some("ada")).await;
        asked.service = Upgrading::refusing(StatusCode::TOO_MANY_REQUESTS);
        asked
    };
    let (places, let_in) = dropped_everywhere(ask).await;
    let expected = SESSION_WAITS + SERVICE_WAITS + HOLD;
    assert_eq!((places, let_in), (expected, false));
}

#[tokio::test(start_paused = true)]
async fn a_strategy_that_waits_before_a_lease_that_asks() {
    let ask = || async {
        let strategy = |_: &mut Parts| async {
            waits(1).await;
            let now = SystemTime::now();
            let grant = Grant::new("ada").issued_at(now).revocable_by("user:ada");
            Ok::<_, Rejection>(grant.until(now + Duration::from_secs(3600)))
        };
        Asked::new(strategy, slow_revocations())
    };
    let (places, let_in) = dropped_everywhere(ask).await;
    assert_eq!((places, let_in), (1 + WAITS + SERVICE_WAITS, true));
}

#[tokio::test(start_paused = true)]
async fn a_strategy_that_waits_and_refuses() {
    let ask = || async {
        let strategy = |_: &mut Parts| async {
            waits(2).await;
            Err::<Grant<()>, _>(Rejection::new(RejectionKind::Forbidden, "nobody"))
        };
        Asked::new(strategy, slow_revocations())
    };
    let (places, let_in) = dropped_everywhere(ask).await;
    assert_eq!((places, let_in), (2 + HOLD, false));
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

#[tokio::test(start_paused = true)]
async fn a_token_that_may_be_revoked() {
    const SECRET: &str = "a secret of at least thirty-two bytes";
    let ask = || async {
        let revocations = slow_revocations();
        let key = Key::hs256(SECRET).unwrap();
        let jwt = Jwt::<Claims>::builder(key).build().unwrap();
        let jwt = jwt.revocable_by(|claims: &Claims| format!("user:{}", claims.sub));
        let claims = Claims {
            sub: "ada".to_owned(),
            exp: 2_000_000_000,
        };
        let encoder = JwtEncoder::new(SigningKey::hs256(SECRET).unwrap());
        let mut asked = Asked::new(jwt.revocable(revocations.clone()), revocations);
        asked.target = format!("/ws?token={}", encoder.encode(&claims).unwrap());
        asked
    };
    let (places, let_in) = dropped_everywhere(ask).await;
    assert_eq!((places, let_in), (WAITS + SERVICE_WAITS, true));
}

/// A dropped handshake may have spent its ticket. The ticket is valid at most once more, and only
/// if the handshake was not admitted.
#[tokio::test(start_paused = true)]
async fn a_ticket_which_is_still_valid_at_most_once() {
    let (mut unspent, mut spent) = (0, 0);
    everywhere(async |polls| {
        let store = Slow::new(MemoryTickets::new(), 1);
        let tickets = Tickets::<String>::builder(Arc::new(store)).build().unwrap();
        let order = TicketRequest::new("ada".to_owned(), Purpose::handshake());
        let issued = tickets.issue(order).await.unwrap();
        let mut let_in = Vec::new();
        // The one that is dropped, and two that are not.
        for polls in [polls, usize::MAX, usize::MAX] {
            let mut asked = Asked::new(tickets.strategy(), slow_revocations());
            asked.target = format!("/ws?ticket={}", issued.ticket());
            let_in.push(through_the_stack(asked, polls).await.1);
        }
        match let_in[..] {
            [0, 0, 0] => spent += 1,
            // A spent ticket stays spent.
            [0, 1, 0] => unspent += usize::from(spent == 0),
            [1, 0, 0] => return true,
            _ => panic!("{let_in:?} after {polls} polls"),
        }
        false
    })
    .await;
    // Not polled at all, or once; and wherever it waited after that.
    assert_eq!((unspent, spent), (2, WAITS - 1 + SERVICE_WAITS));
}
