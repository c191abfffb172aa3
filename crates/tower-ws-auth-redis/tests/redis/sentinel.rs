#![cfg(feature = "sentinel")]

use std::time::{Duration, Instant};

use test_servers::Server;
use tower_ws_auth_redis::{Redis, RedisTicketStore};
use tower_ws_auth_ticket::TicketStore as _;

use crate::{TTL, in_time, key, soon};

#[tokio::test]
async fn the_master_that_sentinel_names_is_followed() {
    let mut master = Server::start();
    let replica = Server::with(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sentinel.conf");
    let watch = format!(
        "sentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 500\n\
         sentinel failover-timeout main 2000\n",
        master.port()
    );
    std::fs::write(&config, watch).unwrap();
    let sentinel = Server::with(&[config.to_str().unwrap(), "--sentinel"]);

    let redis = Redis::builder()
        .sentinel_lazy([sentinel.url().as_str()], "main", "redis://master/0")
        .unwrap();
    let store = RedisTicketStore::new(redis);
    soon(async || store.issue(key(1), vec![1], None, TTL).await).await;
    // Sentinel has to learn of the replica, and the replica of the data.
    let began = Instant::now();
    while !replica
        .ask::<String>("INFO replication")
        .await
        .contains("master_link_status:up")
        || !sentinel
            .ask::<String>("INFO sentinel")
            .await
            .contains("slaves=1")
    {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    store.issue(key(2), vec![1], None, TTL).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    master.kill();
    in_time(store.take(key(3))).await.unwrap_err();
    let began = Instant::now();
    let taken = loop {
        if let Ok(taken) = in_time(store.take(key(2))).await {
            break taken;
        }
        assert!(began.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(taken.is_some(), "it was replicated");
    assert!(store.take(key(2)).await.unwrap().is_none());
}
