//! The memory store: taken once, bounded, and expired without a sweep.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tower_ws_auth_core::Clock;
use tower_ws_auth_ticket::{
    MemoryTickets, MemoryTicketsBuilder, MemoryTicketsError, PutError, ReplayStore, StoreError,
    TicketKey, TicketStore,
};

const TTL: Duration = Duration::from_secs(30);
const ALMOST: Duration = Duration::from_millis(29_999);

/// A clock that a test moves, in milliseconds.
#[derive(Clone)]
struct Time(Arc<AtomicU64>);

impl Time {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_000_000_007)))
    }

    fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::Relaxed);
    }

    fn clock(&self) -> Clock {
        let millis = Arc::clone(&self.0);
        Clock::from_fn(move || {
            std::time::UNIX_EPOCH + Duration::from_millis(millis.load(Ordering::Relaxed))
        })
    }

    fn store(&self) -> MemoryTicketsBuilder {
        MemoryTickets::builder().clock(self.clock())
    }
}

fn key(n: usize) -> TicketKey {
    TicketKey::digest("test", &[&n.to_be_bytes()])
}

fn put(store: &MemoryTickets, n: usize, subject: Option<&str>) -> Result<(), PutError> {
    store.issue_now(key(n), n.to_be_bytes().to_vec(), subject, TTL)
}

mod taking {
    use super::*;

    #[test]
    fn gives_an_entry_to_the_first_caller_only() {
        let store = MemoryTickets::new();
        put(&store, 1, None).unwrap();
        assert_eq!(store.take_now(key(1)), Some(1_usize.to_be_bytes().to_vec()));
        assert_eq!(store.take_now(key(1)), None);
        assert_eq!(store.take_now(key(2)), None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn by_sixteen_racers_accepts_each_of_100_000_tickets_exactly_once() {
        const TICKETS: usize = 100_000;
        // None expires, however long it takes.
        let store = Time::new().store().build().unwrap();
        for n in 0..TICKETS {
            put(&store, n, None).unwrap();
        }
        let accepted: Arc<Vec<AtomicUsize>> =
            Arc::new((0..TICKETS).map(|_| AtomicUsize::new(0)).collect());
        let start = Arc::new(tokio::sync::Barrier::new(16));
        let racers: Vec<_> = (0..16)
            .map(|_| {
                let (store, accepted) = (store.clone(), Arc::clone(&accepted));
                let start = Arc::clone(&start);
                tokio::spawn(async move {
                    for n in 0..TICKETS {
                        // Repeatedly, or one thread runs ahead and meets no other.
                        if n % 16 == 0 {
                            start.wait().await;
                        }
                        if let Some(entry) = store.take(key(n)).await.unwrap() {
                            assert_eq!(entry, n.to_be_bytes());
                            accepted[n].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        for racer in racers {
            racer.await.unwrap();
        }
        assert!(accepted.iter().all(|n| n.load(Ordering::Relaxed) == 1));
        assert_eq!(store.outstanding(), 0);
    }

    #[test]
    fn refuses_a_key_that_is_there_already_and_keeps_its_entry() {
        let store = MemoryTickets::new();
        put(&store, 1, Some("ada")).unwrap();
        let again = store.issue_now(key(1), b"other".to_vec(), Some("bob"), TTL);
        assert!(matches!(again, Err(PutError::Store(_))));
        assert_eq!(store.outstanding(), 1);
        assert_eq!(store.take_now(key(1)), Some(1_usize.to_be_bytes().to_vec()));
    }
}

mod expiry {
    use super::*;

    #[test]
    fn comes_at_the_millisecond_wherever_in_a_period_a_ticket_was_issued() {
        for offset in [0, 1, 4_999, 15_000, 22_992, 22_993, 22_994, 29_999] {
            let time = Time::new();
            let store = time.store().build().unwrap();
            time.pass(Duration::from_millis(offset));
            put(&store, 1, None).unwrap();
            put(&store, 2, None).unwrap();
            time.pass(ALMOST);
            assert!(store.take_now(key(1)).is_some(), "{offset}");
            time.pass(Duration::from_millis(1));
            assert!(store.take_now(key(2)).is_none(), "{offset}");
        }
    }

    #[test]
    fn is_each_tickets_own() {
        let time = Time::new();
        let store = time.store().build().unwrap();
        let second = Duration::from_secs(1);
        store.issue_now(key(1), vec![], None, second).unwrap();
        store.issue_now(key(2), vec![], None, TTL).unwrap();
        time.pass(second);
        assert!(store.take_now(key(1)).is_none());
        assert!(store.take_now(key(2)).is_some());
    }

    #[test]
    fn makes_room_without_any_take() {
        let time = Time::new();
        let store = time.store().capacity(1000).build().unwrap();
        for n in 0..1000 {
            put(&store, n, None).unwrap();
        }
        assert!(matches!(put(&store, 1000, None), Err(PutError::Full)));
        time.pass(2 * TTL);
        for n in 2000..3000 {
            put(&store, n, None).unwrap();
        }
        assert!(matches!(put(&store, 3000, None), Err(PutError::Full)));
    }

    #[test]
    fn of_all_shards_is_noticed_by_as_many_issues() {
        const SHARDS: usize = 16;
        let time = Time::new();
        let store = time.store().capacity(1000).build().unwrap();
        for n in 0..1000 {
            put(&store, n, None).unwrap();
        }
        time.pass(2 * TTL);
        for n in 1000..1000 + SHARDS {
            put(&store, n, None).unwrap();
        }
        assert_eq!(store.outstanding(), SHARDS);
    }

    #[test]
    fn counts_every_ticket_right_over_many_periods() {
        let time = Time::new();
        let store = time.store().capacity(500).per_subject(500).build().unwrap();
        let mut lost = 0;
        for n in 0..20_000 {
            time.pass(Duration::from_millis(100));
            let subject = format!("subject {}", n % 7);
            lost += usize::from(put(&store, n, Some(&subject)).is_err());
            if n % 3 != 0 {
                store.take_now(key(n));
            }
            assert!(store.outstanding() <= 500);
        }
        assert_eq!(lost, 0, "at most 200 expired ones count at a time");
        time.pass(2 * TTL);
        for n in 20_000..20_500 {
            put(&store, n, Some("ada")).unwrap();
        }
        assert_eq!(store.outstanding(), 500);
    }

    #[test]
    fn survives_a_clock_that_is_set_back() {
        let time = Time::new();
        let store = time.store().per_subject(1).build().unwrap();
        put(&store, 1, Some("ada")).unwrap();
        time.0.fetch_sub(3_600_000, Ordering::Relaxed);
        assert!(store.take_now(key(1)).is_some());
        put(&store, 2, Some("ada")).unwrap();
        assert!(store.take_now(key(2)).is_some());
        put(&store, 3, Some("ada")).unwrap();
        assert!(put(&store, 4, Some("ada")).is_err());
    }
}

mod bounds {
    use super::*;

    #[test]
    fn in_total_refuse_the_next_and_drop_no_ticket() {
        let store = MemoryTickets::builder().capacity(100).build().unwrap();
        for n in 0..100 {
            put(&store, n, None).unwrap();
        }
        for n in 100..10_000 {
            assert!(matches!(put(&store, n, None), Err(PutError::Full)));
        }
        assert!((0..100).all(|n| store.take_now(key(n)).is_some()));
        put(&store, 100, None).unwrap();
    }

    #[test]
    fn per_subject_leave_other_subjects_alone() {
        let store = MemoryTickets::builder().per_subject(3).build().unwrap();
        for n in 0..3 {
            put(&store, n, Some("ada")).unwrap();
        }
        let fourth = put(&store, 3, Some("ada"));
        assert!(matches!(fourth, Err(PutError::SubjectFull)));
        put(&store, 4, Some("bob")).unwrap();
        put(&store, 5, None).unwrap();
        assert_eq!(store.outstanding(), 5);
    }

    #[test]
    fn per_subject_go_down_when_a_ticket_is_taken() {
        let store = MemoryTickets::builder().per_subject(1).build().unwrap();
        for n in 0..1000 {
            put(&store, n, Some("ada")).unwrap();
            assert!(put(&store, n + 5000, Some("ada")).is_err());
            assert!(store.take_now(key(n)).is_some());
        }
    }

    #[test]
    fn per_subject_go_down_when_tickets_expire() {
        let time = Time::new();
        let store = time.store().per_subject(2).build().unwrap();
        put(&store, 1, Some("ada")).unwrap();
        time.pass(TTL);
        put(&store, 2, Some("ada")).unwrap();
        time.pass(TTL);
        // The first one's period is over by now, the second's is not.
        put(&store, 3, Some("ada")).unwrap();
        assert!(put(&store, 4, Some("ada")).is_err());
        time.pass(2 * TTL);
        put(&store, 5, Some("ada")).unwrap();
        put(&store, 6, Some("ada")).unwrap();
    }

    #[test]
    fn hold_the_memory_of_many_issues() {
        let allocated = allocation_counter::measure(|| {
            let time = Time::new();
            let store = time.store().capacity(10_000).build().unwrap();
            let peak = allocation_counter::measure(|| {
                for n in 0..300_000 {
                    // Two of three are abandoned, by ever new subjects.
                    let _ = put(&store, n, Some(&n.to_string()));
                    if n % 3 == 0 {
                        store.take_now(key(n));
                    }
                    if n % 100 == 0 {
                        time.pass(Duration::from_millis(100));
                    }
                }
            });
            assert!(peak.bytes_max < 10_000 * 150, "{}", peak.bytes_max);
        });
        assert_eq!(allocated.bytes_current, 0);
    }

    #[test]
    fn of_zero_or_beyond_a_week_fail_in_the_constructor() {
        let build = MemoryTicketsBuilder::build;
        let new = MemoryTickets::builder;
        let week = Duration::from_secs(7 * 86_400);
        for (bad, error) in [
            (new().capacity(0), MemoryTicketsError::Capacity),
            (new().per_subject(0), MemoryTicketsError::Capacity),
            (new().max_ttl(Duration::ZERO), MemoryTicketsError::MaxTtl),
            (new().max_ttl(week + TTL), MemoryTicketsError::MaxTtl),
        ] {
            assert_eq!(build(bad).unwrap_err(), error);
        }
        assert!(build(new().max_ttl(week)).is_ok());
        assert!(build(new().max_ttl(Duration::from_millis(1))).is_ok());
    }

    #[test]
    fn on_the_ttl_are_reported_and_enforced() {
        let store = MemoryTickets::new();
        assert_eq!(TicketStore::max_ttl(&store), Some(TTL));
        assert_eq!(ReplayStore::max_ttl(&store), Some(TTL));
        let long = store.issue_now(key(1), vec![], None, TTL * 2);
        assert!(matches!(long, Err(PutError::Store(_))));
        assert!(store.claim_now(key(1), TTL * 2).is_err());
        assert_eq!(store.outstanding(), 0);
    }
}

mod claims {
    use super::*;

    #[tokio::test]
    async fn are_granted_to_the_first_until_they_expire() {
        let time = Time::new();
        let store: Arc<dyn ReplayStore> = Arc::new(time.store().build().unwrap());
        assert!(store.claim(key(1), TTL).await.unwrap());
        time.pass(ALMOST);
        assert!(!store.claim(key(1), TTL).await.unwrap());
        assert!(store.claim(key(2), TTL).await.unwrap());
        time.pass(Duration::from_millis(1));
        assert!(store.claim(key(1), TTL).await.unwrap());
        assert!(!store.claim(key(1), TTL).await.unwrap());
    }

    #[test]
    fn that_cannot_be_remembered_are_an_error() {
        let store = MemoryTickets::builder().capacity(1).build().unwrap();
        assert!(store.claim_now(key(1), TTL).unwrap());
        let full = store.claim_now(key(2), TTL);
        assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    }

    #[test]
    fn count_once_whether_refused_or_claimed_again() {
        let time = Time::new();
        let store = time.store().build().unwrap();
        assert!(store.claim_now(key(1), TTL).unwrap());
        assert!(!store.claim_now(key(1), TTL).unwrap());
        assert_eq!(store.outstanding(), 1);
        time.pass(TTL);
        assert!(store.claim_now(key(1), TTL).unwrap());
        assert_eq!(store.outstanding(), 1);
    }
}
