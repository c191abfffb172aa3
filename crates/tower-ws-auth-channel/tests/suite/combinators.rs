//! Two policies together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tower_ws_auth_channel::{
    And, ChannelAuthLayer, Decision, Evidence, JoinOutcome, Or, Policy, policy_fn,
};
use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::support::{TestJoin, ask, effect, join};

/// Says yes, with a note for the service, or refuses with this kind. Counts how often it is
/// polled for it.
fn says(
    effect: Result<u8, RejectionKind>,
    polled: &Arc<AtomicUsize>,
) -> impl Policy<&'static str, ()> + use<> {
    let polled = Arc::clone(polled);
    policy_fn(move |_: &TestJoin| {
        let polled = Arc::clone(&polled);
        async move {
            polled.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            let decision: Decision = match effect {
                Ok(note) => Ok(Evidence::new().with(note).with([note])),
                Err(kind) => Err(Rejection::new(kind, "")),
            };
            decision
        }
    })
}

const NO: Result<u8, RejectionKind> = Err(RejectionKind::Forbidden);
const BAD_TICKET: Result<u8, RejectionKind> = Err(RejectionKind::TicketInvalid);
const OUTAGE: Result<u8, RejectionKind> = Err(RejectionKind::Unavailable);

#[tokio::test]
async fn and_admits_what_both_admit_and_asks_the_second_only_then() {
    for (first, second, expected, asked) in [
        (Ok(1), Ok(2), "joined", 1),
        (Ok(1), BAD_TICKET, "ticket_invalid", 1),
        (NO, Ok(2), "forbidden", 0),
        (OUTAGE, Ok(2), "unavailable", 0),
        (NO, BAD_TICKET, "forbidden", 0),
    ] {
        let polled = Arc::new(AtomicUsize::new(0));
        let both = And::new(says(first, &Arc::default()), says(second, &polled));
        let layer = ChannelAuthLayer::new(both);
        assert_eq!(effect(&layer, join("lobby")).await, expected);
        assert_eq!(
            polled.load(Ordering::Relaxed),
            asked,
            "{first:?} {second:?}"
        );
    }
}

#[tokio::test]
async fn and_passes_on_the_evidence_of_both() {
    let first = policy_fn(|_: &TestJoin| async { Ok(Evidence::new().with("first").with(1_u8)) });
    let layer = ChannelAuthLayer::new(And::new(first, says(Ok(2), &Arc::default())));
    let JoinOutcome::Admitted(seen) = ask(&layer, join("lobby")).await else {
        panic!("denied");
    };
    assert_eq!(seen.pass().get(), Some(&"first"));
    assert_eq!(seen.pass().get(), Some(&2_u8));
}

#[tokio::test]
async fn or_asks_the_second_only_if_the_first_refuses() {
    for (first, second, expected, asked) in [
        (Ok(1), NO, "joined", 0),
        (Ok(1), Ok(2), "joined", 0),
        (NO, Ok(2), "joined", 1),
        (NO, BAD_TICKET, "ticket_invalid", 1),
        (OUTAGE, Ok(2), "joined", 1),
        // The first might have let it pass: come back later.
        (OUTAGE, BAD_TICKET, "unavailable", 1),
    ] {
        let polled = Arc::new(AtomicUsize::new(0));
        let either = Or::new(says(first, &Arc::default()), says(second, &polled));
        let layer = ChannelAuthLayer::new(either);
        assert_eq!(effect(&layer, join("lobby")).await, expected);
        assert_eq!(
            polled.load(Ordering::Relaxed),
            asked,
            "{first:?} {second:?}"
        );
    }
}

#[tokio::test]
async fn they_nest() {
    let policy = And::new(
        |join: &TestJoin| join.channel() != "staff",
        Or::new(
            |join: &TestJoin| *join.identity() == "eve",
            says(Ok(1), &Arc::default()),
        ),
    );
    let layer = ChannelAuthLayer::new(policy);
    assert_eq!(effect(&layer, join("lobby")).await, "joined");
    assert_eq!(effect(&layer, join("staff")).await, "forbidden");
}
