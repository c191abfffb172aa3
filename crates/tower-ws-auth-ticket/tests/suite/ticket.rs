//! Tickets through the layer: valid once and for their purpose, and never spent for another reason.

use std::collections::HashSet;
use std::error::Error as _;
use std::future::{pending, ready};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use test_support::handshake::request as handshake;
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_ws_auth_core::credential::Carriers;
use tower_ws_auth_core::{
    AllowedOrigin, Authenticate as _, Authenticated, Clock, Rejection, RejectionKind, Validity,
};
use tower_ws_auth_ticket::{
    BoxFuture, ConfigError, IssueError, MAX_ENTRY, MemoryTickets, Purpose, PutError, ReplayStore,
    StoreError, TicketKey, TicketLayer, TicketRequest, TicketStore, Tickets, TicketsBuilder, claim,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
}

fn ada() -> User {
    User { name: "ada".into() }
}

fn builder() -> TicketsBuilder<User> {
    Tickets::builder(Arc::new(MemoryTickets::new()))
}

async fn issue(tickets: &Tickets<User>, purpose: Purpose) -> String {
    let issued = tickets
        .issue(TicketRequest::new(ada(), purpose))
        .await
        .unwrap();
    issued.ticket().to_owned()
}

fn with(ticket: &str) -> http::request::Builder {
    handshake(&format!("/ws?ticket={ticket}"))
}

struct Outcome {
    status: StatusCode,
    rejection: Option<Rejection>,
    reached: Option<(User, Validity, http::Uri)>,
}

impl Outcome {
    /// The kind of a refusal that did not reach the service.
    fn refused(&self) -> RejectionKind {
        assert!(self.reached.is_none());
        let kind = self.rejection.as_ref().unwrap().kind();
        assert_eq!(self.status, kind.status());
        kind
    }

    fn accepted(&self) -> bool {
        self.reached.is_some()
    }
}

async fn call(tickets: &Tickets<User>, request: http::request::Builder) -> Outcome {
    let reached = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&reached);
    let service = tower::service_fn(move |request: Request<()>| {
        let user = request.extensions().get::<Authenticated<User>>().unwrap();
        let validity = request.extensions().get::<Validity>().unwrap().clone();
        *seen.lock().unwrap() = Some((User::clone(user), validity, request.uri().clone()));
        ready(Ok::<_, std::convert::Infallible>(Response::new(())))
    });
    let layer = TicketLayer::new(tickets.strategy());
    let request = request.body(()).unwrap();
    let response = layer.layer(service).oneshot(request).await.unwrap();
    let reached = reached.lock().unwrap().take();
    Outcome {
        status: response.status(),
        rejection: response.extensions().get::<Rejection>().cloned(),
        reached,
    }
}

mod a_ticket {
    use super::*;

    #[tokio::test]
    async fn admits_once_and_leaves_the_uri() {
        let tickets = builder().build().unwrap();
        let ticket = issue(&tickets, Purpose::handshake()).await;
        let uri = format!("/ws?a=1&ticket={ticket}&b=2");
        let (user, validity, uri) = call(&tickets, handshake(&uri)).await.reached.unwrap();
        assert_eq!(user, ada());
        assert_eq!(validity.end(), None);
        assert_eq!(uri, "/ws?a=1&b=2");
        let replayed = call(&tickets, with(&ticket)).await;
        assert_eq!(replayed.refused(), RejectionKind::TicketInvalid);
    }

    #[tokio::test]
    async fn used_unknown_and_expired_looks_the_same() {
        let now = Arc::new(AtomicU64::new(1_000));
        let shown = Arc::clone(&now);
        let clock = Clock::from_fn(move || Clock::at(shown.load(Ordering::Relaxed)));
        let store = MemoryTickets::builder().clock(clock.clone()).build();
        let tickets = Tickets::builder(Arc::new(store.unwrap()))
            .clock(clock)
            .build()
            .unwrap();

        let used = issue(&tickets, Purpose::handshake()).await;
        assert!(call(&tickets, with(&used)).await.accepted());
        let expired = issue(&tickets, Purpose::handshake()).await;
        let good = issue(&tickets, Purpose::handshake()).await;
        now.store(1_029, Ordering::Relaxed);
        assert!(call(&tickets, with(&good)).await.accepted());
        now.store(1_030, Ordering::Relaxed);

        let mut refusals = Vec::new();
        for ticket in [used, "A".repeat(43), expired] {
            let outcome = call(&tickets, with(&ticket)).await;
            assert_eq!(outcome.refused(), RejectionKind::TicketInvalid);
            refusals.push(outcome.rejection.unwrap().to_string());
        }
        refusals.dedup();
        assert_eq!(refusals.len(), 1);
    }

    #[tokio::test]
    async fn is_43_characters_that_no_other_ticket_has() {
        let tickets = builder().build().unwrap();
        let mut issued = HashSet::new();
        for _ in 0..1000 {
            let ticket = issue(&tickets, Purpose::handshake()).await;
            assert_eq!(ticket.len(), 43);
            assert!(issued.insert(ticket));
        }
        // Each character has its bits of randomness, six and at the end four: nearly all that can
        // be there are seen.
        for place in 0..43 {
            let seen: HashSet<_> = issued.iter().map(|it| it.as_bytes()[place]).collect();
            let least = if place < 42 { 60 } else { 15 };
            assert!(seen.len() >= least, "{place}: {}", seen.len());
        }
    }

    #[tokio::test]
    async fn of_another_length_or_alphabet_never_reaches_the_store() {
        let store = Arc::new(Recording::default());
        let tickets = Tickets::builder(Arc::clone(&store)).build().unwrap();
        let long = "A".repeat(8000);
        for bad in [
            "A",
            &"A".repeat(42),
            &"A".repeat(44),
            &long,
            &"~".repeat(43),
        ] {
            let outcome = call(&tickets, with(bad)).await;
            assert_eq!(outcome.refused(), RejectionKind::TicketInvalid);
        }
        let padded = format!("{}=", "A".repeat(43));
        assert_eq!(
            call(&tickets, with(&padded)).await.refused(),
            RejectionKind::TicketInvalid
        );
        assert_eq!(store.asked.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn presented_twice_is_malformed_and_stays_valid() {
        let tickets = builder().build().unwrap();
        let ticket = issue(&tickets, Purpose::handshake()).await;
        let twice = handshake(&format!("/ws?ticket={ticket}&ticket={ticket}"));
        let outcome = call(&tickets, twice).await;
        assert_eq!(outcome.refused(), RejectionKind::CredentialsMalformed);
        assert!(call(&tickets, with(&ticket)).await.accepted());
    }

    #[tokio::test]
    async fn is_not_spent_by_any_invalid_handshake() {
        let tickets = builder().build().unwrap();
        let ticket = issue(&tickets, Purpose::handshake()).await;
        let mut tried = 0;
        for (name, value) in [
            ("host", None),
            ("connection", None),
            ("connection", Some("close")),
            ("upgrade", Some("h2c")),
            ("sec-websocket-key", None),
            ("sec-websocket-key", Some("short")),
            ("sec-websocket-version", Some("8")),
            ("content-length", Some("5")),
        ] {
            let mut request = with(&ticket);
            let headers = request.headers_mut().unwrap();
            headers.remove(name);
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
            let kind = call(&tickets, request).await.refused();
            assert!(matches!(kind, RejectionKind::HandshakeInvalid(_)), "{name}");
            tried += 1;
        }
        for method in ["POST", "HEAD", "CONNECT"] {
            let kind = call(&tickets, with(&ticket).method(method)).await.refused();
            assert!(matches!(kind, RejectionKind::HandshakeInvalid(_)));
            tried += 1;
        }
        assert_eq!(tried, 11);
        assert!(call(&tickets, with(&ticket)).await.accepted());
    }

    #[tokio::test]
    async fn in_a_cookie_is_ambient_and_every_carrier_is_named() {
        let carriers = Carriers::builder().query("ticket").cookie("ticket").build();
        let strategy = builder()
            .carriers(carriers.unwrap())
            .build()
            .unwrap()
            .strategy();
        let ticket = "A".repeat(43);
        let in_cookie = handshake("/ws")
            .header("cookie", format!("ticket={ticket}"))
            .extension(AllowedOrigin::vouch_for(HeaderValue::from_static(
                "https://a.example",
            )));
        for (request, carrier, ambient) in
            [(with(&ticket), "query", false), (in_cookie, "cookie", true)]
        {
            let mut head = request.body(()).unwrap().into_parts().0;
            let credential = strategy.take(&mut head).unwrap().unwrap();
            assert_eq!(credential.carrier(), carrier);
            assert_eq!(credential.is_ambient(), ambient);
        }
    }

    #[test]
    fn prints_the_settings_for_an_operator() {
        let store = MemoryTickets::builder()
            .max_ttl(Duration::from_secs(20))
            .build()
            .unwrap();
        let shown = format!("{store:?}");
        assert_eq!(
            shown,
            "MemoryTickets { capacity: 1000000, max_ttl_ms: 20000, .. }"
        );
        let ttl = Duration::from_secs(20);
        let builder = Tickets::<User>::builder(Arc::new(store.clone()));
        let builder = builder
            .ttl(ttl)
            .audience("chat")
            .bind_path()
            .clock(Clock::fixed(1_000));
        let bindings = "bindings: Bindings { audience: \"chat\", path: true, origin: false, address: false }, ttl: 20s, live_for: None";
        assert_eq!(
            format!("{builder:?}"),
            format!("TicketsBuilder {{ {bindings}, timeout: 2s, body_timeout: 10s, .. }}")
        );
        let tickets = builder.build().unwrap();
        let shown = format!("Tickets {{ {bindings}, .. }}");
        assert_eq!(format!("{tickets:?}"), shown);
        assert_eq!(
            format!("{:?}", tickets.strategy()),
            format!("Ticket({shown})")
        );
        let mut mint = tickets
            .endpoint(|_, mint_request| Ok(TicketRequest::new(ada(), mint_request.into_purpose())));
        assert_eq!(
            format!("{mint:?}"),
            format!("TicketEndpoint {{ tickets: {shown}, .. }}")
        );
        let request = Request::post("/")
            .body(http_body_util::Full::<&[u8]>::default())
            .unwrap();
        assert_eq!(format!("{:?}", mint.call(request)), "MintFuture");
        let ticket_request = TicketRequest::new(ada(), Purpose::path("/ws")).subject("ada");
        let shown = format!("{ticket_request:?}");
        for part in [
            "TicketRequest { purpose: Purpose {",
            "Path(\"/ws\")",
            "subject: Some(\"ada\")",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
        let mut head = with("A").body(()).unwrap().into_parts().0;
        let credential = tickets.strategy().take(&mut head).unwrap().unwrap();
        let taking = tickets.strategy().verify(credential, &head);
        assert_eq!(format!("{taking:?}"), "TakeFuture");
        let key = TicketKey::digest("a", &[]);
        assert_eq!(format!("{:?}", claim(&store, key, ttl, ttl)), "ClaimFuture");
    }

    #[tokio::test]
    async fn does_not_print_from_any_public_type() {
        let tickets = builder().build().unwrap();
        let issued = tickets
            .issue(TicketRequest::new(ada(), Purpose::handshake()))
            .await
            .unwrap();
        let canary = issued.ticket().to_owned();
        assert!(format!("{issued:?}").starts_with("Issued { expires_at: "));
        let outcome = call(&tickets, with(&canary)).await;
        let replayed = call(&tickets, with(&canary)).await;
        let printed = format!(
            "{issued:?} {tickets:?} {:?} {:?} {:?} {:?} {:?}",
            tickets.strategy(),
            tickets.endpoint(|_, mint_request| Ok(TicketRequest::new(
                ada(),
                mint_request.into_purpose()
            ))),
            outcome.reached,
            replayed.rejection,
            TicketKey::digest("canary", &[canary.as_bytes()]),
        );
        assert!(!printed.contains(&canary));
        let digest = TicketKey::digest("canary", &[canary.as_bytes()]);
        assert_eq!(format!("{digest:?}"), "TicketKey(redacted)");
    }
}

mod a_binding {
    use super::*;

    #[tokio::test]
    async fn to_a_path_leaves_the_ticket_valid_on_its_path() {
        let tickets = builder().bind_path().build().unwrap();
        let ticket = issue(&tickets, Purpose::path("/ws")).await;
        for elsewhere in ["/ws/", "/WS", "/other", "/w%73", "//ws", "/"] {
            let request = handshake(&format!("{elsewhere}?ticket={ticket}"));
            let outcome = call(&tickets, request).await;
            assert_eq!(outcome.refused(), RejectionKind::TicketInvalid);
        }
        assert!(call(&tickets, with(&ticket)).await.accepted());
    }

    #[tokio::test]
    async fn to_an_origin_leaves_the_ticket_valid_for_its_origin() {
        let tickets = builder().bind_origin().build().unwrap();
        let purpose = Purpose::handshake().origin("https://app.example");
        let ticket = issue(&tickets, purpose).await;
        for foreign in [
            "https://app.example.evil",
            "http://app.example",
            "https://app.example:444",
        ] {
            let outcome = call(&tickets, with(&ticket).header("origin", foreign)).await;
            assert_eq!(outcome.refused(), RejectionKind::TicketInvalid);
        }
        let own = "https://app.example";
        for odd in [
            with(&ticket),
            with(&ticket).header("origin", "null"),
            with(&ticket).header("origin", own).header("origin", own),
        ] {
            assert_eq!(
                call(&tickets, odd).await.refused(),
                RejectionKind::OriginDenied
            );
        }
        let outcome = call(&tickets, with(&ticket).header("origin", own)).await;
        assert!(outcome.accepted());
    }

    #[tokio::test]
    async fn to_an_address_leaves_the_ticket_valid_from_its_address() {
        let tickets = builder()
            .bind_address(|head| head.extensions.get::<IpAddr>().copied())
            .build()
            .unwrap();
        let from = |address: &str| address.parse::<IpAddr>().unwrap();
        let ticket = issue(&tickets, Purpose::handshake().address(from("192.0.2.1"))).await;
        let outcome = call(&tickets, with(&ticket).extension(from("192.0.2.2"))).await;
        assert_eq!(outcome.refused(), RejectionKind::TicketInvalid);
        let outcome = call(&tickets, with(&ticket)).await;
        assert_eq!(outcome.refused(), RejectionKind::Unavailable);
        // The same client, as a dual-stack socket names it.
        let outcome = call(&tickets, with(&ticket).extension(from("::ffff:192.0.2.1"))).await;
        assert!(outcome.accepted());
    }

    #[tokio::test]
    async fn to_a_channel_never_opens_a_socket_and_joins_no_other_channel() {
        let tickets = builder().build().unwrap();
        let ticket = issue(&tickets, Purpose::channel("lobby")).await;
        let outcome = call(&tickets, with(&ticket)).await;
        assert_eq!(outcome.refused(), RejectionKind::TicketInvalid);
        for other in ["", "Lobby", "lobby2", "lobb"] {
            let refused = tickets.take_for_channel(&ticket, other).await.unwrap_err();
            assert_eq!(refused.kind(), RejectionKind::TicketInvalid);
        }
        let grant = tickets.take_for_channel(&ticket, "lobby").await.unwrap();
        assert_eq!(*grant.identity(), ada());
        let replayed = tickets.take_for_channel(&ticket, "lobby").await;
        assert_eq!(replayed.unwrap_err().kind(), RejectionKind::TicketInvalid);
    }

    #[tokio::test]
    async fn to_a_handshake_never_joins_a_channel() {
        for (tickets, purpose) in [
            (builder().build().unwrap(), Purpose::handshake()),
            (builder().bind_path().build().unwrap(), Purpose::path("/ws")),
        ] {
            let ticket = issue(&tickets, purpose).await;
            for channel in ["", "/ws", "lobby"] {
                assert!(tickets.take_for_channel(&ticket, channel).await.is_err());
            }
            assert!(call(&tickets, with(&ticket)).await.accepted());
        }
    }

    #[tokio::test]
    async fn to_an_audience_keeps_two_kinds_apart_in_one_store() {
        let store = Arc::new(MemoryTickets::new());
        let kind = |audience: &'static str| {
            let builder = Tickets::builder(Arc::clone(&store));
            builder.audience(audience).build().unwrap()
        };
        let (chat, admin) = (kind("chat"), kind("admin"));
        let ticket = issue(&chat, Purpose::handshake()).await;
        assert!(!call(&admin, with(&ticket)).await.accepted());
        assert!(call(&chat, with(&ticket)).await.accepted());
    }

    #[tokio::test]
    async fn that_differs_from_the_purpose_is_an_error_at_the_ticket_endpoint() {
        let address = IpAddr::from([192, 0, 2, 1]);
        let unbound = builder().build().unwrap();
        let bound = builder()
            .bind_path()
            .bind_origin()
            .bind_address(|_| None)
            .build()
            .unwrap();
        let of = "https://app.example";
        for (tickets, purpose) in [
            (&unbound, Purpose::path("/ws")),
            (&unbound, Purpose::handshake().origin(of)),
            (&unbound, Purpose::handshake().address(address)),
            (&unbound, Purpose::channel("lobby").origin(of)),
            (&bound, Purpose::handshake().origin(of).address(address)),
            (&bound, Purpose::path("/ws").address(address)),
            (&bound, Purpose::path("/ws").origin(of)),
        ] {
            let refused = tickets.issue(TicketRequest::new(ada(), purpose)).await;
            assert!(matches!(refused, Err(IssueError::Binding(_))));
        }
        issue(&bound, Purpose::path("/ws").origin(of).address(address)).await;
    }
}

mod the_two_deadlines {
    use super::*;

    const NOW: u64 = 1_000_000;

    async fn expiry_and_end(
        builder: TicketsBuilder<User>,
        ticket_request: TicketRequest<User>,
    ) -> (SystemTime, Option<SystemTime>) {
        let tickets = builder.clock(Clock::fixed(NOW)).build().unwrap();
        let issued = tickets.issue(ticket_request).await.unwrap();
        let (_, validity, _) = call(&tickets, with(issued.ticket())).await.reached.unwrap();
        (issued.expires_at(), validity.end())
    }

    fn ticket_request() -> TicketRequest<User> {
        TicketRequest::new(ada(), Purpose::handshake())
    }

    #[tokio::test]
    async fn start_by_and_live_until_are_different() {
        let hour = Duration::from_secs(3600);
        let (expires_at, end) = expiry_and_end(builder().live_for(hour), ticket_request()).await;
        assert_eq!(expires_at, Clock::at(NOW + 30));
        assert_eq!(end, Some(Clock::at(NOW + 3600)));
    }

    #[tokio::test]
    async fn the_earliest_end_counts_and_limits_the_ticket_too() {
        let hour = Duration::from_secs(3600);
        let ticket_request = ticket_request()
            .until(Clock::at(NOW + 10))
            .until(Clock::at(NOW + 20));
        let (expires_at, end) = expiry_and_end(builder().live_for(hour), ticket_request).await;
        assert_eq!(expires_at, Clock::at(NOW + 10));
        assert_eq!(end, Some(Clock::at(NOW + 10)));
    }

    #[tokio::test]
    async fn an_end_that_is_over_is_an_error() {
        let tickets = builder().clock(Clock::fixed(NOW)).build().unwrap();
        for end in [0, NOW - 1, NOW] {
            let refused = tickets.issue(ticket_request().until(Clock::at(end))).await;
            assert!(matches!(refused, Err(IssueError::Over)));
        }
    }

    #[tokio::test]
    async fn revocation_keys_reach_the_grant() {
        let tickets = builder().build().unwrap();
        let issued = tickets
            .issue(ticket_request().revocable_by("user:ada"))
            .await;
        let outcome = call(&tickets, with(issued.unwrap().ticket())).await;
        let (_, validity, _) = outcome.reached.unwrap();
        assert_eq!(*validity.revocation_keys()[0], *"user:ada");
    }

    #[test]
    fn out_of_range_fail_in_the_constructor() {
        let secs = Duration::from_secs;
        let store = || {
            MemoryTickets::builder()
                .max_ttl(secs(3600))
                .build()
                .unwrap()
        };
        let new = || Tickets::<User>::builder(Arc::new(store()));
        assert!(new().ttl(secs(300)).build().is_ok());
        let long = new().ttl(secs(301)).build().unwrap_err();
        assert!(matches!(long, ConfigError::LongTtl));
        assert!(new().dangerous_long_ttl(secs(301)).build().is_ok());
        let longer = new().dangerous_long_ttl(secs(3601)).build().unwrap_err();
        assert!(matches!(longer, ConfigError::StoreTtl(_)));
        for zero in [
            new().ttl(Duration::ZERO),
            new().live_for(Duration::ZERO),
            new().timeout(Duration::ZERO),
        ] {
            assert!(matches!(zero.build().unwrap_err(), ConfigError::Zero));
        }
    }
}

mod the_store {
    use super::*;

    #[tokio::test]
    async fn that_fails_is_unavailable_and_never_a_pass() {
        let store = Arc::new(Recording::default());
        let tickets = Tickets::builder(Arc::clone(&store)).build().unwrap();
        let outcome = call(&tickets, with(&"A".repeat(43))).await;
        assert_eq!(outcome.refused(), RejectionKind::Unavailable);
        assert_eq!(outcome.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            store.asked.load(Ordering::Relaxed),
            1,
            "and not asked again"
        );
        let issued = tickets
            .issue(TicketRequest::new(ada(), Purpose::handshake()))
            .await;
        assert!(matches!(issued, Err(IssueError::Store(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn that_does_not_answer_is_unavailable_in_time() {
        let store = Arc::new(Recording::default());
        store.silent.store(true, Ordering::Relaxed);
        let tickets = Tickets::builder(store).build().unwrap();
        let began = tokio::time::Instant::now();
        let outcome = call(&tickets, with(&"A".repeat(43))).await;
        assert_eq!(outcome.refused(), RejectionKind::Unavailable);
        assert_eq!(began.elapsed().as_secs(), 2);
        let issued = tickets
            .issue(TicketRequest::new(ada(), Purpose::handshake()))
            .await;
        assert!(matches!(issued, Err(IssueError::TimedOut)));
    }

    #[tokio::test]
    async fn learns_no_eight_bytes_of_the_ticket() {
        let store = Arc::new(Keeping::default());
        let tickets = Tickets::builder(Arc::clone(&store)).build().unwrap();
        let ticket_request = TicketRequest::new(ada(), Purpose::handshake());
        let issued = tickets.issue(ticket_request).await.unwrap();
        let text = issued.ticket().as_bytes();
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
        let kept = store.0.lock().unwrap();
        // 16 of the digest, and the entry.
        assert!(kept.len() > 16);
        for part in text.windows(8).chain(bytes.windows(8)) {
            assert!(!kept.windows(8).any(|window| window == part));
        }
    }

    #[tokio::test]
    async fn is_given_no_more_than_4_kib() {
        assert_eq!(MAX_ENTRY, 4 * 1024);
        let store = Arc::new(Keeping::default());
        let builder = Tickets::builder(Arc::clone(&store));
        let tickets = builder.clock(Clock::fixed(1_000_000)).build().unwrap();
        let ticket_request = |length| {
            let name = "x".repeat(length);
            TicketRequest::new(User { name }, Purpose::handshake())
        };
        tickets.issue(ticket_request(0)).await.unwrap();
        // 16 are the key's.
        let longest = MAX_ENTRY - (store.0.lock().unwrap().len() - 16);
        tickets.issue(ticket_request(longest)).await.unwrap();
        let refused = tickets.issue(ticket_request(longest + 1)).await;
        assert!(matches!(refused, Err(IssueError::TooLarge)));
    }

    #[test]
    fn that_fails_names_the_cause_and_one_without_a_limit_has_none() {
        let error = StoreError::new("connection reset");
        assert_eq!(error.to_string(), "the store failed: connection reset");
        assert_eq!(error.source().unwrap().to_string(), "connection reset");
        assert_eq!(TicketStore::max_ttl(&Recording::default()), None);
        assert_eq!(ReplayStore::max_ttl(&Recording::default()), None);
    }

    #[tokio::test]
    async fn whose_entry_does_not_fit_the_payload_refuses() {
        let store = Arc::new(MemoryTickets::new());
        let numbers: Tickets<u32> = Tickets::builder(Arc::clone(&store)).build().unwrap();
        let users = Tickets::builder(store).build().unwrap();
        let issued = numbers
            .issue(TicketRequest::new(7, Purpose::handshake()))
            .await;
        let outcome = call(&users, with(issued.unwrap().ticket())).await;
        assert_eq!(outcome.refused(), RejectionKind::TicketInvalid);
    }
}

/// A store that counts how often it is asked, and fails or stays silent.
#[derive(Default)]
struct Recording {
    asked: AtomicUsize,
    silent: AtomicBool,
}

impl Recording {
    fn answer<T: Send + 'static>(&self, answer: T) -> BoxFuture<T> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.silent.load(Ordering::Relaxed) {
            Box::pin(pending())
        } else {
            Box::pin(ready(answer))
        }
    }
}

impl TicketStore for Recording {
    fn issue(
        &self,
        _key: TicketKey,
        _entry: Vec<u8>,
        _subject: Option<&str>,
        _ttl: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        self.answer(Err(StoreError::new("connection reset").into()))
    }

    fn take(&self, _key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        self.answer(Err(StoreError::new("connection reset")))
    }
}

impl ReplayStore for Recording {
    fn claim(&self, _key: TicketKey, _ttl: Duration) -> BoxFuture<Result<bool, StoreError>> {
        self.answer(Err(StoreError::new("connection reset")))
    }
}

/// Keeps everything that a store is told, one after the other.
#[derive(Debug, Default)]
struct Keeping(Mutex<Vec<u8>>);

impl TicketStore for Keeping {
    fn issue(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<&str>,
        _ttl: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        let mut kept = self.0.lock().unwrap();
        kept.extend(key.as_bytes());
        kept.extend(entry);
        kept.extend(subject.unwrap_or_default().as_bytes());
        Box::pin(ready(Ok(())))
    }

    fn take(&self, _key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(ready(Ok(None)))
    }
}
