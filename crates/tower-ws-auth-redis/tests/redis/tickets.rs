use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use test_servers::Server;
use test_support::until_ok;
use tower_ws_auth_redis::{Redis, RedisTickets};
use tower_ws_auth_ticket::{PutError, ReplayStore as _, StoreError, TicketStore as _};

use crate::{TTL, key, unhurried};

async fn store(server: &Server) -> RedisTickets {
    RedisTickets::new(unhurried(&server.url()).await)
}

#[tokio::test]
async fn are_taken_once() {
    let server = Server::start();
    let (a, b) = (store(&server).await, store(&server).await);
    // Any bytes are an entry.
    let entry: Vec<u8> = (0..=255).collect();
    a.issue(key(1), entry.clone(), Some("ada"), TTL)
        .await
        .unwrap();
    assert_eq!(b.take(key(2)).await.unwrap(), None);
    assert_eq!(b.take(key(1)).await.unwrap(), Some(entry));
    assert_eq!(a.take(key(1)).await.unwrap(), None);
    assert_eq!(b.take(key(1)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_taken_by_one_of_sixteen_racers_on_two_connections() {
    const TICKETS: usize = 2_000;
    let server = Server::start();
    let stores = [store(&server).await, store(&server).await];
    for n in 0..TICKETS {
        stores[0].issue(key(n), vec![1], None, TTL).await.unwrap();
    }
    let taken: Arc<Vec<AtomicUsize>> = Arc::new((0..TICKETS).map(|_| 0.into()).collect());
    let racers = (0..16).map(|racer| {
        let (store, taken) = (stores[racer % 2].clone(), Arc::clone(&taken));
        tokio::spawn(async move {
            for (n, count) in taken.iter().enumerate() {
                if store.take(key(n)).await.unwrap().is_some() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    });
    for racer in racers.collect::<Vec<_>>() {
        racer.await.unwrap();
    }
    assert!(taken.iter().all(|count| count.load(Ordering::Relaxed) == 1));
}

#[tokio::test]
async fn are_not_put_over_one_another() {
    let server = Server::start();
    let store = store(&server).await;
    store.issue(key(1), vec![1], None, TTL).await.unwrap();
    let twice = store.issue(key(1), vec![2], None, TTL).await.unwrap_err();
    assert!(matches!(twice, PutError::Store(_)), "{twice:?}");
    assert_eq!(store.take(key(1)).await.unwrap(), Some(vec![1]));
}

#[tokio::test]
async fn expire() {
    let server = Server::start();
    let store = store(&server).await;
    let ttl = Duration::from_millis(60);
    store.issue(key(1), vec![1], None, TTL).await.unwrap();
    store.issue(key(2), vec![1], None, ttl).await.unwrap();
    store
        .issue(key(3), vec![1], Some("bob"), ttl)
        .await
        .unwrap();
    assert!(store.take(key(1)).await.unwrap().is_some());
    tokio::time::sleep(ttl * 2).await;
    assert_eq!(store.take(key(2)).await.unwrap(), None);
    assert_eq!(store.take(key(3)).await.unwrap(), None);
    // And leave nothing behind, when Redis has found the time.
    until_ok("an empty Redis", async || {
        server.ask::<u64>("DBSIZE").await == 0
    })
    .await;
}

#[tokio::test]
async fn of_one_subject_are_bounded() {
    let server = Server::start();
    let (a, b) = (
        store(&server).await.per_subject(3),
        store(&server).await.per_subject(3),
    );
    let put = async |n, subject: Option<&str>, ttl| {
        let store = if n % 2 == 0 { &a } else { &b };
        store.issue(key(n), vec![1], subject, ttl).await
    };
    for n in 0..3 {
        put(n, Some("ada"), TTL).await.unwrap();
    }
    for n in 3..6 {
        let full = put(n, Some("ada"), TTL).await.unwrap_err();
        assert!(matches!(full, PutError::SubjectFull), "{full:?}");
        assert_eq!(a.take(key(n)).await.unwrap(), None, "it was not issued");
    }
    // No entry was lost, and other subjects are not affected.
    assert!(a.take(key(0)).await.unwrap().is_some());
    put(7, Some("bob"), TTL).await.unwrap();
    put(8, None, TTL).await.unwrap();
    // A refused entry does not count, and an expired one no longer.
    let shortly = Duration::from_millis(200);
    for round in 1..100 {
        let (first, eve) = (round * 100, format!("eve{round}"));
        for n in first..first + 3 {
            put(n, Some(&eve), shortly).await.unwrap();
        }
        if put(first + 3, Some(&eve), TTL).await.is_ok() {
            // They had expired already, while the machine stalled.
            continue;
        }
        tokio::time::sleep(shortly + Duration::from_millis(20)).await;
        for n in first + 10..first + 13 {
            put(n, Some(&eve), TTL).await.unwrap();
        }
        assert!(put(first + 13, Some(&eve), TTL).await.is_err());
        return;
    }
    panic!("they expire too early");
}

#[tokio::test]
async fn that_live_shortly_do_not_end_the_count_of_the_others() {
    let server = Server::start();
    let store = store(&server).await.per_subject(2);
    let shortly = Duration::from_millis(30);
    store
        .issue(key(1), vec![1], Some("ada"), TTL)
        .await
        .unwrap();
    store
        .issue(key(2), vec![1], Some("ada"), shortly)
        .await
        .unwrap();
    tokio::time::sleep(shortly * 3).await;
    store
        .issue(key(3), vec![1], Some("ada"), TTL)
        .await
        .unwrap();
    let full = store
        .issue(key(4), vec![1], Some("ada"), TTL)
        .await
        .unwrap_err();
    assert!(matches!(full, PutError::SubjectFull), "{full:?}");
}

#[tokio::test]
async fn can_be_taken_but_not_issued_while_redis_is_full() {
    let server = Server::start();
    let store = store(&server).await;
    store
        .issue(key(1), vec![1], Some("ada"), TTL)
        .await
        .unwrap();
    let () = server.ask("CONFIG SET maxmemory-policy noeviction").await;
    let () = server.ask("CONFIG SET maxmemory 1").await;
    for subject in [None, Some("ada")] {
        let full = store
            .issue(key(2), vec![1], subject, TTL)
            .await
            .unwrap_err();
        assert!(matches!(full, PutError::Full), "{full:?}");
    }
    let full = store.claim(key(3), TTL).await.unwrap_err();
    assert!(matches!(full, StoreError::Full), "{full:?}");
    assert!(store.take(key(1)).await.unwrap().is_some());
    let () = server.ask("CONFIG SET maxmemory 0").await;
    store.issue(key(2), vec![1], None, TTL).await.unwrap();
}

#[tokio::test]
async fn cost_one_command_each() {
    let server = Server::start();
    let store = store(&server).await;
    for n in 0..100 {
        store.issue(key(n), vec![1], None, TTL).await.unwrap();
    }
    let () = server.ask("CONFIG RESETSTAT").await;
    for n in 0..200 {
        assert_eq!(store.take(key(n)).await.unwrap().is_some(), n < 100);
    }
    assert_eq!(
        calls(&server).await,
        BTreeMap::from([("getdel".into(), 200)])
    );
    let () = server.ask("CONFIG RESETSTAT").await;
    for n in 0..100 {
        store.issue(key(n), vec![1], None, TTL).await.unwrap();
        assert!(store.claim(key(n), TTL).await.unwrap());
    }
    assert_eq!(calls(&server).await, BTreeMap::from([("set".into(), 200)]));
}

/// How often Redis has carried out what, the operator's own commands left out.
async fn calls(server: &Server) -> BTreeMap<String, u64> {
    let info: String = server.ask("INFO commandstats").await;
    let calls = info.lines().filter_map(|line| {
        let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let own = ["info", "client", "config"]
            .iter()
            .any(|own| command.starts_with(own));
        let calls = rest.split(',').next()?.parse().ok()?;
        (!own).then(|| (command.to_owned(), calls))
    });
    calls.collect()
}

#[tokio::test]
async fn and_claims_of_different_prefixes_do_not_meet() {
    let server = Server::start();
    let a = store(&server).await;
    let b = store(&server).await.prefix("other:");
    a.issue(key(1), vec![1], None, TTL).await.unwrap();
    assert_eq!(b.take(key(1)).await.unwrap(), None);
    assert!(a.claim(key(1), TTL).await.unwrap());
    assert!(b.claim(key(1), TTL).await.unwrap());
    assert!(a.take(key(1)).await.unwrap().is_some());
    let keys: Vec<Vec<u8>> = server.ask("KEYS *").await;
    assert_eq!(keys.len(), 2);
    assert!(
        keys.iter()
            .any(|key| key.starts_with(b"wsauth:ticket:once:"))
    );
    assert!(keys.iter().any(|key| key.starts_with(b"other:once:")));
}

#[tokio::test]
async fn a_claim_is_the_first_ones_until_its_time_has_passed() {
    let server = Server::start();
    let stores = [store(&server).await, store(&server).await];
    let claims: Vec<_> = (0..16)
        .map(|n| tokio::spawn(stores[n % 2].claim(key(1), TTL)))
        .collect();
    let mut first = 0;
    for claim in claims {
        first += usize::from(claim.await.unwrap().unwrap());
    }
    assert_eq!(first, 1);
    let ttl = Duration::from_millis(100);
    assert!(stores[0].claim(key(2), ttl).await.unwrap());
    tokio::time::sleep(ttl * 2).await;
    assert!(stores[0].claim(key(2), ttl).await.unwrap());
    assert!(!stores[0].claim(key(1), TTL).await.unwrap());
}

#[tokio::test]
async fn a_ttl_without_end_or_of_nothing_is_no_error() {
    let server = Server::start();
    let store = store(&server).await;
    store
        .issue(key(1), vec![1], Some("ada"), Duration::MAX)
        .await
        .unwrap();
    assert!(store.take(key(1)).await.unwrap().is_some());
    assert!(store.claim(key(1), Duration::ZERO).await.unwrap());
    let no_time = Duration::from_millis(20);
    tokio::time::sleep(no_time).await;
    assert!(store.claim(key(1), Duration::MAX).await.unwrap());
}

/// The numbers of the crate's documentation.
#[tokio::test]
async fn have_the_size_that_is_documented() {
    let server = Server::start();
    let store = store(&server).await;
    let mut sizes = Vec::new();
    for (subject, entry) in [(None, 16), (None, 100), (Some("ada"), 100)] {
        // Valkey frees what it flushes later, unless it is told otherwise.
        let () = server.ask("FLUSHALL SYNC").await;
        let before = used(&server).await;
        for n in 0..10_000 {
            let name = subject.map(|name: &str| format!("{name}{n}"));
            store
                .issue(key(n), vec![b'x'; entry], name.as_deref(), TTL)
                .await
                .unwrap();
        }
        sizes.push((used(&server).await - before) / 10_000);
    }
    let () = server.ask("FLUSHALL SYNC").await;
    let before = used(&server).await;
    for n in 0..10_000 {
        store.claim(key(n), TTL).await.unwrap();
    }
    sizes.push((used(&server).await - before) / 10_000);
    println!("bytes: entry of 16, of 100, of 100 with a subject, claim: {sizes:?}");
    for (size, documented) in sizes.iter().zip([200, 300, 520, 200]) {
        assert!(*size <= documented, "{sizes:?}");
    }
}

async fn used(server: &Server) -> u64 {
    let info: String = server.ask("INFO memory").await;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    line.unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn are_shown_and_kept_and_a_claim_is_known_and_not_made() {
    let mut server = Server::start();
    let (a, b) = (store(&server).await, store(&server).await);
    let entry: Vec<u8> = (0..=255).collect();
    let look = async |n| b.peek(key(n)).unwrap().await.unwrap();
    assert_eq!(look(1).await, None);
    a.issue(key(1), entry.clone(), None, TTL).await.unwrap();
    for _ in 0..2 {
        assert_eq!(look(1).await, Some(entry.clone()));
    }
    assert_eq!(a.take(key(1)).await.unwrap(), Some(entry));
    assert_eq!(look(1).await, None);

    let claimed = async || b.is_claimed(key(1)).unwrap().await.unwrap();
    assert!(!claimed().await);
    assert!(!claimed().await);
    assert!(a.claim(key(1), TTL).await.unwrap());
    assert!(claimed().await);
    let second = Redis::builder().timeout(Duration::from_secs(1));
    let redis = second.connect(&server.url()).await.unwrap();
    let hurried = RedisTickets::new(redis);
    server.kill();
    assert!(hurried.peek(key(1)).unwrap().await.is_err());
    assert!(hurried.is_claimed(key(1)).unwrap().await.is_err());
}
