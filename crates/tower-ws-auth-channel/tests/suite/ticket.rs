//! A ticket minted for one channel, taken by its join.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use test_support::handshake;
use tokio::sync::Barrier;
use tokio_test::assert_pending;
use tower::{Layer, ServiceExt, service_fn};
use tower_ws_auth_channel::{
    And, ChannelAuthLayer, Join, JoinOutcome, Or, Patterns, Policy, TicketPolicy,
};
use tower_ws_auth_core::{Advice, Grant, Rejection, RejectionKind};
use tower_ws_auth_ticket::{
    BoxFuture, MemoryTickets, Purpose, PutError, StoreError, TicketKey, TicketLayer, TicketRequest,
    TicketStore, Tickets,
};

use crate::support::{TestJoin, ask, effect, join, join_with};

fn tickets() -> Tickets<String> {
    Tickets::builder(Arc::new(MemoryTickets::new()))
        .build()
        .unwrap()
}

async fn mint(tickets: &Tickets<String>, purpose: Purpose) -> String {
    let order = TicketRequest::new("ada".to_owned(), purpose).revocable_by("user:ada");
    tickets.issue(order).await.unwrap().ticket().to_owned()
}

async fn ticket_for(tickets: &Tickets<String>, channel: &str) -> String {
    mint(tickets, Purpose::channel(channel)).await
}

fn layer(tickets: &Tickets<String>) -> ChannelAuthLayer<TicketPolicy<String>> {
    ChannelAuthLayer::new(TicketPolicy::new(tickets.clone()))
}

#[tokio::test]
async fn joins_its_channel_once_and_leaves_its_grant() {
    let tickets = tickets();
    let layer = layer(&tickets);
    let ticket = ticket_for(&tickets, "lobby").await;
    let JoinOutcome::Admitted(seen) = ask(&layer, join_with("lobby", &ticket)).await else {
        panic!("denied");
    };
    let grant: &Grant<String> = seen.pass().get().unwrap();
    assert_eq!(grant.identity(), "ada");
    assert_eq!(&*grant.validity().revocation_keys()[0], "user:ada");
    assert_eq!(
        effect(&layer, join_with("lobby", &ticket)).await,
        "ticket_invalid"
    );
}

#[tokio::test]
async fn is_unknown_to_another_channel_and_stays_valid_for_its_own() {
    let tickets = tickets();
    let layer = layer(&tickets);
    let ticket = ticket_for(&tickets, "lobby").await;
    for other in ["staff", "lobby2", "Lobby", "lobb", "lobby "] {
        assert_eq!(
            effect(&layer, join_with(other, &ticket)).await,
            "ticket_invalid"
        );
    }
    assert_eq!(effect(&layer, join_with("lobby", &ticket)).await, "joined");
}

#[tokio::test]
async fn is_required() {
    let layer = layer(&tickets());
    assert_eq!(effect(&layer, join("lobby")).await, "credentials_missing");
    for bad in ["x", "canary canary", &"A".repeat(43), &"A".repeat(8000)] {
        assert_eq!(
            effect(&layer, join_with("lobby", bad)).await,
            "ticket_invalid"
        );
    }
}

#[tokio::test]
async fn opens_no_socket_and_a_sockets_ticket_joins_nothing() {
    let tickets = tickets();
    let channel = ticket_for(&tickets, "lobby").await;
    let socket = mint(&tickets, Purpose::handshake()).await;
    let service = TicketLayer::new(tickets.strategy()).layer(service_fn(async |_: Request<()>| {
        Ok::<_, std::io::Error>(Response::new(()))
    }));
    let handshake = |ticket: &str| {
        let request = handshake::request(&format!("/ws?ticket={ticket}"));
        request.body(()).unwrap()
    };
    let refused = service.clone().oneshot(handshake(&channel)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        refused.extensions().get::<Rejection>().unwrap().reason(),
        "ticket_invalid"
    );
    let layer = layer(&tickets);
    assert_eq!(
        effect(&layer, join_with("lobby", &socket)).await,
        "ticket_invalid"
    );

    // Both are unburnt.
    assert_eq!(effect(&layer, join_with("lobby", &channel)).await, "joined");
    let accepted = service.oneshot(handshake(&socket)).await.unwrap();
    assert_eq!(accepted.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_racers_exactly_one_joins() {
    let tickets = tickets();
    let layer = layer(&tickets);
    for _ in 0..200 {
        let ticket = ticket_for(&tickets, "lobby").await;
        let start = Arc::new(Barrier::new(2));
        let racers = [(); 2].map(|()| {
            let (layer, ticket, start) = (layer.clone(), ticket.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                effect(&layer, join_with("lobby", &ticket)).await
            })
        });
        let [one, other] = racers;
        let mut ends = [one.await.unwrap(), other.await.unwrap()];
        ends.sort_unstable();
        assert_eq!(ends, ["joined", "ticket_invalid"]);
    }
}

mod is_taken_last {
    use super::*;

    #[tokio::test]
    async fn after_the_layers_own_checks() {
        let (store, tickets) = counted();
        let long = "x".repeat(300);
        let layer = layer(&tickets);
        for channel in ["", "a\nb", &long] {
            let ticket = "A".repeat(43);
            assert_eq!(
                effect(&layer, join_with(channel, &ticket)).await,
                "forbidden"
            );
        }
        assert_eq!(
            effect(&layer, join_with("lobby", "no ticket")).await,
            "ticket_invalid"
        );
        assert_eq!(store.asked(), 0);
    }

    #[tokio::test]
    async fn after_the_pattern() {
        let tickets = tickets();
        let patterns = Patterns::<&'static str, ()>::builder()
            .allow("lobby")
            .rule("ticket-*", TicketPolicy::new(tickets.clone()))
            .build()
            .unwrap();
        let layer = ChannelAuthLayer::new(patterns);
        let lobby = ticket_for(&tickets, "lobby").await;
        let other = ticket_for(&tickets, "other").await;
        let good = ticket_for(&tickets, "ticket-1").await;
        assert_eq!(effect(&layer, join_with("lobby", &lobby)).await, "joined");
        assert_eq!(
            effect(&layer, join_with("other", &other)).await,
            "forbidden"
        );
        assert_eq!(effect(&layer, join_with("ticket-1", &good)).await, "joined");
        assert_eq!(
            effect(&layer, join_with("ticket-1", &good)).await,
            "ticket_invalid"
        );
        // These two were not presented.
        assert!(tickets.take_for_channel(&lobby, "lobby").await.is_ok());
        assert!(tickets.take_for_channel(&other, "other").await.is_ok());
    }

    #[tokio::test]
    async fn and_not_for_a_channel_that_the_client_is_in() {
        struct Message {
            is_in: bool,
        }
        let tickets = tickets();
        let layer = ChannelAuthLayer::new(And::new(
            |join: &Join<&'static str, Message>| !join.message().is_in,
            TicketPolicy::new(tickets.clone()),
        ));
        let ticket = ticket_for(&tickets, "lobby").await;
        let join = |is_in| {
            Join::new("ada", "lobby", Message { is_in }).with_credential(Some(ticket.clone()))
        };
        assert_eq!(effect(&layer, join(true)).await, "forbidden");
        assert_eq!(effect(&layer, join(false)).await, "joined");
    }

    #[tokio::test]
    async fn and_not_for_a_client_that_needs_none() {
        let tickets = tickets();
        let layer = ChannelAuthLayer::new(Or::new(
            |join: &TestJoin| *join.identity() == "ada",
            TicketPolicy::new(tickets.clone()),
        ));
        let ticket = ticket_for(&tickets, "lobby").await;
        assert_eq!(effect(&layer, join_with("lobby", &ticket)).await, "joined");
        let eve = || Join::new("eve", "lobby", ()).with_credential(Some(ticket.clone()));
        assert_eq!(effect(&layer, eve()).await, "joined");
        assert_eq!(effect(&layer, eve()).await, "ticket_invalid");
    }
}

/// The compiler does not see it behind the type of the patterns.
#[tokio::test]
async fn that_a_rule_spent_before_a_refusal_is_not_to_be_presented_again() {
    let tickets = tickets();
    let patterns = || {
        let ticket = TicketPolicy::new(tickets.clone());
        let patterns = Patterns::<&'static str, ()>::builder()
            .allow("lobby")
            .rule("ticket-*", ticket);
        patterns.build().unwrap()
    };
    let outage =
        |_: &TestJoin| Err::<(), _>(Rejection::new(RejectionKind::Unavailable, "a test's"));
    let passes = |_: &TestJoin| true;
    let nested = || Patterns::builder().rule("*", patterns()).build().unwrap();
    let spent = "ticket-1";
    for advice in [
        advice(&tickets, And::new(patterns(), outage), spent).await,
        advice(&tickets, And::new(nested(), outage), spent).await,
        advice(
            &tickets,
            And::new(And::new(passes, patterns()), outage),
            spent,
        )
        .await,
        advice(
            &tickets,
            And::new(And::new(patterns(), passes), outage),
            spent,
        )
        .await,
    ] {
        assert_eq!(advice, ("unavailable", Advice::RefreshLater));
    }
    // No ticket is spent by this rule.
    for advice in [
        advice(&tickets, And::new(patterns(), outage), "lobby").await,
        advice(&tickets, And::new(nested(), outage), "lobby").await,
    ] {
        assert_eq!(advice, ("unavailable", Advice::BackOff));
    }
}

/// Of the denial of a join with a ticket.
async fn advice<P>(tickets: &Tickets<String>, policy: P, channel: &str) -> (&'static str, Advice)
where
    P: Policy<&'static str, ()>,
{
    let ticket = ticket_for(tickets, channel).await;
    let answer = ask(&ChannelAuthLayer::new(policy), join_with(channel, &ticket)).await;
    let denial = answer.denial().unwrap();
    (denial.reason(), denial.advice())
}

mod a_join_that_is_dropped {
    use super::*;

    #[tokio::test]
    async fn before_it_is_polled_has_taken_nothing() {
        let tickets = tickets();
        let layer = layer(&tickets);
        let ticket = ticket_for(&tickets, "lobby").await;
        drop(
            layer
                .layer(service_fn(inner))
                .oneshot(join_with("lobby", &ticket)),
        );
        assert_eq!(effect(&layer, join_with("lobby", &ticket)).await, "joined");
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_store_is_asked_never_reaches_the_service() {
        let (store, tickets) = counted();
        let layer = layer(&tickets);
        let service = layer.layer(service_fn(inner));
        let joining = service.oneshot(join_with("lobby", &"A".repeat(43)));
        let mut joining = tokio_test::task::spawn(joining);
        assert_pending!(joining.poll());
        drop(joining);
        assert_eq!(store.asked(), 1);
    }

    async fn inner(_: TestJoin) -> Result<(), std::io::Error> {
        panic!("the service was called")
    }
}

mod a_store {
    use super::*;

    #[tokio::test]
    async fn that_fails_denies_as_unavailable_and_is_not_asked_again() {
        let store = Arc::new(Broken::default());
        let tickets: Tickets<String> = Tickets::builder(store.clone()).build().unwrap();
        let answer = ask(&layer(&tickets), join_with("lobby", &"A".repeat(43))).await;
        let denial = answer.denial().unwrap();
        assert_eq!(denial.reason(), "unavailable");
        // The ticket may be gone, so the client must not come back with it.
        assert_eq!(denial.advice(), Advice::RefreshLater);
        assert_eq!(store.0.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn that_does_not_answer_denies_as_unavailable_in_time() {
        let (store, tickets) = counted();
        let layer = layer(&tickets);
        let joining = effect(&layer, join_with("lobby", &"A".repeat(43)));
        let end = tokio::time::timeout(Duration::from_secs(3), joining).await;
        assert_eq!(end.unwrap(), "unavailable");
        assert_eq!(store.asked(), 1);
    }

    #[derive(Default)]
    struct Broken(AtomicUsize);

    impl TicketStore for Broken {
        fn issue(
            &self,
            _: TicketKey,
            _: Vec<u8>,
            _: Option<&str>,
            _: Duration,
        ) -> BoxFuture<Result<(), PutError>> {
            Box::pin(async { Err(StoreError::new("down").into()) })
        }
        fn take(&self, _: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Err(StoreError::new("down")) })
        }
    }
}

#[tokio::test]
async fn does_not_print() {
    let tickets = tickets();
    let ticket = ticket_for(&tickets, "lobby").await;
    let answer = ask(&layer(&tickets), join_with("staff", &ticket)).await;
    let policy = TicketPolicy::new(tickets);
    let text = format!("{answer:?} {policy:?} {:?}", policy.clone());
    assert!(!text.contains(&ticket), "{text}");
}

/// A store that counts and never answers.
#[derive(Default)]
struct Silent(AtomicUsize);

impl Silent {
    fn asked(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn counted() -> (Arc<Silent>, Tickets<String>) {
    let store = Arc::new(Silent::default());
    let tickets = Tickets::builder(store.clone()).build().unwrap();
    (store, tickets)
}

impl TicketStore for Silent {
    fn issue(
        &self,
        _: TicketKey,
        _: Vec<u8>,
        _: Option<&str>,
        _: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        Box::pin(pending())
    }
    fn take(&self, _: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(pending())
    }
}
