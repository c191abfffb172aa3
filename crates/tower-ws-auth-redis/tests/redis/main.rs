//! Everything against a real `redis-server`, started on a free port for each test.
#![cfg(feature = "__test-with-redis")]
#![cfg(test)]

mod acl;
mod capacity;
mod cluster;
mod cuts;
mod extremes;
mod outages;
mod relay;
mod revocations;
mod secrecy;
mod sentinel;
mod sessions;
mod tickets;

use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use test_support::{PATIENCE, measured, until_ok};
use tower_ws_auth_redis::{Redis, RedisBuilder};
use tower_ws_auth_ticket::TicketKey;

/// Longer than a test takes, on the slowest machine.
const TTL: Duration = Duration::from_secs(3600);

fn key(n: usize) -> TicketKey {
    TicketKey::digest("test", &[&n.to_be_bytes()])
}

/// One that never gives up first: for tests in which Redis is always there.
fn patient() -> RedisBuilder {
    Redis::builder().timeout(PATIENCE).connect_timeout(PATIENCE)
}

async fn unhurried(url: &str) -> Redis {
    patient().connect(url).await.unwrap()
}

/// One with the default times, for tests in which Redis is not there. While the machine stalls, it
/// may have to try again.
async fn connected(url: &str) -> Redis {
    until_ok("a connection", async || Redis::connect(url).await).await
}

/// Another program's connection.
async fn wire(url: &str) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let client = redis::Client::open(url).unwrap();
    let wire = client.get_multiplexed_async_connection_with_config(&config);
    wire.await.unwrap()
}

/// Accepts connections and never answers, under this URL.
#[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
fn silent() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// The output, which must come within the time limit of every operation, and a little more.
async fn in_time<T>(operation: impl Future<Output = T>) -> T {
    let (answer, took) = measured(operation).await;
    assert!(took < Duration::from_millis(1300), "took {took:?}");
    answer
}

/// Retries until it works, which must be within two seconds.
async fn soon<T, E>(operation: impl AsyncFnMut() -> Result<T, E>) -> T {
    let (answer, took) = measured(until_ok("it works again", operation)).await;
    assert!(took < Duration::from_secs(2), "works again after {took:?}");
    answer
}
