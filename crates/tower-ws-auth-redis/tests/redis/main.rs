//! Everything against a real `redis-server`, started on a free port for each test.
#![cfg(feature = "__test-with-redis")]
#![cfg(test)]

mod acl;
mod cluster;
mod cuts;
mod outages;
mod revocations;
mod secrecy;
mod sentinel;
mod sessions;
mod tickets;

use std::time::{Duration, Instant};

use tower_ws_auth_ticket::TicketKey;

const TTL: Duration = Duration::from_secs(30);

fn key(n: usize) -> TicketKey {
    TicketKey::digest("test", &[&n.to_be_bytes()])
}

/// What comes out, which must be within the time that every operation has, and a little.
async fn in_time<T>(operation: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = operation.await;
    let took = began.elapsed();
    assert!(took < Duration::from_millis(1300), "took {took:?}");
    answer
}

/// Tries until it works, which must be within two seconds.
async fn soon<T, E>(mut operation: impl AsyncFnMut() -> Result<T, E>) -> T {
    let began = Instant::now();
    loop {
        if let Ok(answer) = operation().await {
            let took = began.elapsed();
            assert!(took < Duration::from_secs(2), "works again after {took:?}");
            return answer;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "never works again"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
