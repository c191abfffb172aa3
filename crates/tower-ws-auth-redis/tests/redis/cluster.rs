#![cfg(feature = "cluster")]

use test_servers::Server;
use tower_ws_auth_redis::{Redis, RedisBuilder, RedisTickets};
use tower_ws_auth_ticket::{ReplayStore as _, TicketStore as _};

use crate::{TTL, in_time, key, patient, soon};

/// Waits until Redis says so: after a start it takes two seconds to make sure that it may write.
async fn is_up(server: &Server) {
    while !server
        .ask::<String>("CLUSTER INFO")
        .await
        .contains("cluster_state:ok")
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// One node that has all slots: the protocol is that of a cluster, the routing trivial.
#[tokio::test]
async fn a_cluster_serves_tickets_and_comes_back() {
    let mut server = Server::with(&["--cluster-enabled", "yes"]);
    let () = server.ask("CLUSTER ADDSLOTSRANGE 0 16383").await;
    is_up(&server).await;
    let store = |builder: RedisBuilder| {
        let redis = builder.cluster_lazy([server.url().as_str()]).unwrap();
        RedisTickets::new(redis).per_subject(1)
    };
    let (hasty, store) = (store(Redis::builder()), store(patient()));
    soon(async || hasty.claim(key(0), TTL).await).await;
    soon(async || store.claim(key(0), TTL).await).await;
    store
        .issue(key(1), vec![1], Some("ada"), TTL)
        .await
        .unwrap();
    store
        .issue(key(2), vec![1], Some("ada"), TTL)
        .await
        .unwrap_err();
    assert!(store.take(key(1)).await.unwrap().is_some());
    assert!(store.take(key(1)).await.unwrap().is_none());

    server.kill();
    in_time(hasty.take(key(1))).await.unwrap_err();
    in_time(hasty.take(key(1))).await.unwrap_err();
    // Its nodes file is in its folder.
    server.start_again();
    is_up(&server).await;
    soon(async || hasty.claim(key(0), TTL).await).await;
    let taken = soon(async || hasty.take(key(1)).await).await;
    assert!(taken.is_none());
}
