#![cfg(feature = "redis-sentinel")]

use std::sync::Arc;

use tempfile::TempDir;
use test_servers::Server;
use test_support::{until, until_ok, within};
use tower_ws_auth_core::BoxFuture;
use tower_ws_auth_core::relay::{Answers, NodeRelay as _};
use tower_ws_auth_redis::{Redis, RedisRelay, RedisTickets};
use tower_ws_auth_ticket::TicketStore as _;

use crate::{PATIENCE, TTL, in_time, key, silent, soon};

/// A Sentinel that calls this master `main`.
fn sentinel_of(master: &Server) -> (Server, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sentinel.conf");
    let watch = format!(
        "sentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 600000\n\
         sentinel failover-timeout main 2000\n",
        master.port()
    );
    std::fs::write(&config, watch).unwrap();
    let sentinel = Server::with(&[config.to_str().unwrap(), "--sentinel"]);
    (sentinel, folder)
}

#[tokio::test]
async fn the_master_that_sentinel_names_is_followed() {
    let mut master = Server::start();
    let replica = Server::with(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    let (sentinel, _folder) = sentinel_of(&master);
    let redis = Redis::builder()
        .sentinel_lazy([sentinel.url().as_str()], "main", "redis://master/0")
        .unwrap();
    let store = RedisTickets::new(redis);
    soon(async || store.take(key(0)).await).await;
    // Sentinel has to learn of the replica, and the replica of the data.
    until_ok("all know of the replica", async || {
        let of_replica: String = replica.ask("INFO replication").await;
        let of_sentinel: String = sentinel.ask("INFO sentinel").await;
        of_replica.contains("master_link_status:up") && of_sentinel.contains("slaves=1")
    })
    .await;
    // A new one each time, because one without an answer may have been issued.
    let mut n = 1;
    until_ok("a ticket", async || {
        n += 1;
        store.issue(key(n), vec![1], None, TTL).await
    })
    .await;
    until_ok("it is replicated", async || {
        replica.ask::<u64>("DBSIZE").await == master.ask::<u64>("DBSIZE").await
    })
    .await;
    master.kill();
    in_time(store.take(key(0))).await.unwrap_err();
    // Not before: a machine that stalls is not to lose its master.
    let soon_down = "SENTINEL SET main down-after-milliseconds 500";
    let () = sentinel.ask(soon_down).await;
    // A Sentinel that was stalled does nothing for half a minute.
    let patience = within(2 * PATIENCE);
    let take = async || in_time(store.take(key(n))).await;
    let taken = patience.until_ok("the replica takes over", take).await;
    assert!(taken.is_some(), "it was replicated");
    let again = soon(async || store.take(key(n)).await).await;
    assert!(again.is_none());
}

/// An address has as long to connect as an operation has for everything.
#[tokio::test]
async fn a_sentinel_that_never_answers_is_passed_over_by_commands_and_subscriptions() {
    let master = Server::start();
    let (sentinel, _folder) = sentinel_of(&master);
    let (_listener, dark) = silent();
    let urls = [dark.as_str(), &sentinel.url()];
    let redis = Redis::builder().sentinel_lazy(urls, "main", "redis://master/0");
    let redis = redis.unwrap();
    let store = RedisTickets::new(redis.clone());
    until_ok("a take", async || store.take(key(0)).await).await;

    let relay = RedisRelay::new(redis).unwrap();
    let nobody = |_| -> BoxFuture<Option<Vec<u8>>> { Box::pin(async { None }) };
    let here: Arc<Answers> = Arc::new(nobody);
    relay.attach(Arc::downgrade(&here));
    until("it listens", || relay.is_listening()).await;
}
