//! A ticket stays valid if its handshake is refused for another reason.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use tower::{Layer as _, ServiceExt as _};
use tower_ws_auth_core::{
    Advice, AuthLayer, Authenticate, AuthenticateExt as _, Clock, Rejection, RejectionKind,
};
use tower_ws_auth_ticket::{
    BoxFuture, MemoryTickets, Purpose, PutError, ReplayStore as _, StoreError, TicketKey,
    TicketRequest, TicketStore, Tickets,
};

/// `ada`, who may be refused.
type User = String;

fn tickets(store: impl TicketStore + 'static) -> Tickets<User> {
    Tickets::builder(Arc::new(store)).build().unwrap()
}

async fn ticket(tickets: &Tickets<User>) -> String {
    let ticket_request = TicketRequest::new("ada".to_owned(), Purpose::handshake());
    tickets
        .issue(ticket_request)
        .await
        .unwrap()
        .ticket()
        .to_owned()
}

async fn open<A>(strategy: A, ticket: &str) -> Result<(), Rejection>
where
    A: Authenticate,
{
    let service = tower::service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(())));
    let request = Request::get(format!("/ws?ticket={ticket}"))
        .header("host", "localhost")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let request = request.body(()).unwrap();
    let service = AuthLayer::new(strategy).layer(service);
    let response = service.oneshot(request).await.unwrap();
    match response.extensions().get::<Rejection>() {
        Some(rejection) => Err(rejection.clone()),
        None => Ok(()),
    }
}

async fn token_of<A: Authenticate>(strategy: A, ticket: &str) -> &'static str {
    match open(strategy, ticket).await {
        Ok(()) => "accepted",
        Err(rejection) => rejection.reason(),
    }
}

/// Counts what it is asked, and cannot answer when it is told so.
#[derive(Clone, Default)]
struct Counted {
    memory: MemoryTickets,
    peeked: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
    is_down: bool,
    /// Like a third-party store without `peek`.
    is_old: bool,
}

impl TicketStore for Counted {
    fn issue(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<&str>,
        ttl: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        TicketStore::issue(&self.memory, key, entry, subject, ttl)
    }

    fn take(&self, key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        self.taken.fetch_add(1, Ordering::SeqCst);
        if self.is_down {
            return Box::pin(async { Err(StoreError::new("down")) });
        }
        self.memory.take(key)
    }

    fn peek(&self, key: TicketKey) -> Option<BoxFuture<Result<Option<Vec<u8>>, StoreError>>> {
        if self.is_old {
            return None;
        }
        self.peeked.fetch_add(1, Ordering::SeqCst);
        if self.is_down {
            return Some(Box::pin(async { Err(StoreError::new("down")) }));
        }
        self.memory.peek(key)
    }
}

impl Counted {
    fn asked(&self) -> (usize, usize) {
        let [peeked, taken] = [&self.peeked, &self.taken].map(|n| n.load(Ordering::SeqCst));
        (peeked, taken)
    }
}

#[tokio::test]
async fn by_a_failing_condition() {
    let store = Counted::default();
    let tickets = tickets(store.clone());
    let ticket = ticket(&tickets).await;
    for _ in 0..2 {
        let refusing = tickets.strategy().authorize(|user, _| user != "ada");
        assert_eq!(token_of(refusing, &ticket).await, "forbidden");
    }
    assert_eq!(store.asked(), (2, 0));
    assert_eq!(token_of(tickets.strategy(), &ticket).await, "accepted");
    // If nothing else can refuse, the store is asked once.
    assert_eq!(store.asked(), (2, 1));
    let permitting = tickets.strategy().authorize(|user, _| user == "ada");
    assert_eq!(token_of(permitting, &ticket).await, "ticket_invalid");
}

#[tokio::test]
async fn and_is_spent_by_the_handshake_that_is_accepted() {
    let tickets = tickets(MemoryTickets::new());
    let ticket = ticket(&tickets).await;
    let strategy = || tickets.strategy().authorize(|user, _| user == "ada");
    let both = [open(strategy(), &ticket), open(strategy(), &ticket)];
    let [first, second] = both;
    let (first, second) = tokio::join!(first, second);
    assert_eq!(u8::from(first.is_ok()) + u8::from(second.is_ok()), 1);
    assert_eq!(token_of(strategy(), &ticket).await, "ticket_invalid");
}

#[tokio::test]
async fn unless_its_store_cannot_be_asked_before() {
    let store = Counted {
        is_old: true,
        ..Counted::default()
    };
    let tickets = tickets(store);
    let ticket = ticket(&tickets).await;
    let refusing = tickets.strategy().authorize(|_, _| false);
    let refused = open(refusing, &ticket).await.unwrap_err();
    assert_eq!(refused.advice(), Advice::Stop);
    assert_eq!(
        token_of(tickets.strategy(), &ticket).await,
        "ticket_invalid"
    );
}

#[tokio::test]
async fn by_a_store_that_fails_before_it_takes_and_perhaps_not_by_one_that_fails_then() {
    let tickets = tickets(Counted {
        is_down: true,
        ..Counted::default()
    });
    let ticket = "A".repeat(43);
    let looked = open(tickets.strategy().authorize(|_, _| true), &ticket).await;
    let looked = looked.unwrap_err();
    assert_eq!(looked.kind(), RejectionKind::Unavailable);
    assert_eq!(looked.advice(), Advice::BackOff);
    let taken = open(tickets.strategy(), &ticket).await.unwrap_err();
    assert_eq!(taken.kind(), RejectionKind::Unavailable);
    assert_eq!(taken.advice(), Advice::RefreshLater);
}

mod the_memory {
    use super::*;

    fn key(name: &str) -> TicketKey {
        TicketKey::digest("test", &[name.as_bytes()])
    }

    #[test]
    fn shows_an_entry_of_any_size_and_keeps_it() {
        let store = MemoryTickets::new();
        for length in [0, 1, 16, 17, 4096] {
            let entry = vec![7; length];
            let key = key(&length.to_string());
            store
                .issue_now(key, entry.clone(), None, Duration::from_secs(30))
                .unwrap();
            for _ in 0..2 {
                assert_eq!(store.peek_now(key), Some(entry.clone()));
            }
            assert_eq!(store.take_now(key), Some(entry));
            assert_eq!(store.peek_now(key), None);
        }
        assert_eq!(store.outstanding(), 0);
    }

    #[test]
    fn shows_live_entries_of_the_previous_period_and_no_expired_ones() {
        use std::sync::atomic::AtomicU64;
        let time = Arc::new(AtomicU64::new(1_000));
        let hands = Arc::clone(&time);
        let store = MemoryTickets::builder()
            .max_ttl(Duration::from_secs(30))
            .clock(Clock::from_fn(move || {
                Clock::at(hands.load(Ordering::SeqCst))
            }))
            .build()
            .unwrap();
        let ttl = Duration::from_secs(30);
        store.issue_now(key("a"), vec![1; 40], None, ttl).unwrap();
        assert!(store.claim_now(key("b"), ttl).unwrap());
        for (now, is_there) in [(1_000, true), (1_029, true), (1_030, false), (1_090, false)] {
            time.store(now, Ordering::SeqCst);
            assert_eq!(store.peek_now(key("a")).is_some(), is_there, "{now}");
            assert_eq!(store.is_claimed_now(key("b")), is_there, "{now}");
        }
    }

    #[tokio::test]
    async fn reports_claims_without_claiming() {
        let store = MemoryTickets::new();
        let claimed = async || store.is_claimed(key("a")).unwrap().await.unwrap();
        assert!(!claimed().await);
        assert!(!claimed().await);
        assert!(store.claim_now(key("a"), Duration::from_secs(30)).unwrap());
        assert!(claimed().await);
    }
}
