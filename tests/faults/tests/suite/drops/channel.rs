//! The join of a channel by ticket.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tower::{Layer, Service, service_fn};
use tower_ws_auth::channel::{ChannelAuthLayer, Join, JoinOutcome, TicketPolicy};
use tower_ws_auth::ticket::{MemoryTickets, Purpose, TicketRequest, Tickets};
use tower_ws_auth::{MemoryRevocations, Revocations};

use super::inner::SERVICE_WAITS;
use super::slow::{Slow, WAITS};
use super::steps::{everywhere, polled, waits};

#[tokio::test(start_paused = true)]
async fn a_ticket_joins_once_at_most_wherever_its_join_is_dropped() {
    for acts_after in 0..=WAITS {
        let memory = MemoryTickets::new();
        let store = Slow::new(memory.clone(), acts_after);
        let tickets = Tickets::<String>::builder(Arc::new(store)).build().unwrap();
        let revoked = MemoryRevocations::new(Duration::from_secs(3600), 100);
        let revocations = Revocations::new(Slow::new(revoked, acts_after));
        let policy = TicketPolicy::new(tickets.clone()).revocable(revocations.clone());
        let joined = Arc::new(AtomicUsize::new(0));
        let joins = Arc::clone(&joined);
        let inner = service_fn(move |_: Join<&'static str, ()>| {
            joins.fetch_add(1, Ordering::SeqCst);
            async {
                waits(SERVICE_WAITS).await;
                Ok::<_, Infallible>(())
            }
        });
        let mut service = ChannelAuthLayer::new(policy).layer(inner);
        let places = everywhere(async |polls| {
            let order = TicketRequest::new("ada".to_owned(), Purpose::channel("lobby"));
            let order = order.revocable_by("user:ada");
            let ticket = tickets.issue(order).await.unwrap().ticket().to_owned();
            let join = || Join::new("ada", "lobby", ()).with_credential(Some(ticket.clone()));
            let before = joined.load(Ordering::SeqCst);

            let first = polled(service.call(join()), polls).await;
            assert!(revocations.is_empty(), "after {polls} polls");
            let called = joined.load(Ordering::SeqCst) - before;
            if let Some(first) = &first {
                assert!(matches!(first, Ok(JoinOutcome::Admitted(()))));
            }
            let second = service.call(join()).await.unwrap();
            let accepted = usize::from(matches!(second, JoinOutcome::Admitted(())));
            assert_eq!(joined.load(Ordering::SeqCst) - before, called + accepted);
            assert!(called + accepted <= 1, "used twice after {polls} polls");
            assert_eq!(memory.outstanding(), 0);
            first.is_some()
        })
        .await;
        assert_eq!(places, 2 * WAITS + SERVICE_WAITS);
    }
}
