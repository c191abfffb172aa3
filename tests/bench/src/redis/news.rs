//! What a revocation costs Redis: it is recorded once, and told to every node.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use test_support::until_ok;
use tower_ws_auth::redis::{Redis, RedisRevocations};
use tower_ws_auth::{DisconnectReason, Revocations};

use super::Nodes;

const REVOCATIONS: u32 = 5000;
/// How many are under way.
const IN_FLIGHT: u32 = 16;

/// CPU seconds of Redis for each revocation, with this many nodes that hear of it.
pub(super) async fn cpu(nodes: usize) -> f64 {
    let redis = Nodes::start(1).await;
    let [url] = &redis.urls()[..] else {
        panic!("there is one Redis");
    };
    let day = Duration::from_secs(24 * 3600);
    let revocations: Vec<_> = (0..nodes)
        .map(|_| Redis::connect_lazy(url).unwrap())
        .map(|redis| Revocations::new(RedisRevocations::new(redis, day)))
        .collect();
    until_ok("every node listens", async || {
        let clients: String = redis.servers()[0].ask("CLIENT LIST TYPE pubsub").await;
        clients.lines().count() >= nodes
    })
    .await;
    let next = AtomicU32::new(0);
    let before = redis.cpu().await;
    let revoking = (0..IN_FLIGHT).map(async |_| {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= REVOCATIONS {
                return;
            }
            let key = format!("user:{n}");
            let revoked = revocations[0].revoke(key.as_str(), DisconnectReason::Revoked);
            revoked.await.unwrap();
        }
    });
    join_all(revoking).await;
    (redis.cpu().await - before) / f64::from(REVOCATIONS)
}
