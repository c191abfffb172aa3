use std::time::{Duration, Instant};

use test_servers::{Proxy, Server, free_port};
use tower_ws_auth_redis::{Redis, RedisError, RedisTicketStore};
use tower_ws_auth_ticket::{OnceStore as _, TicketStore as _};

use crate::{TTL, in_time, key, soon};

async fn store(url: &str) -> RedisTicketStore {
    RedisTicketStore::new(Redis::connect(url).await.unwrap())
}

/// Whatever the store is asked fails, and in time.
async fn refuses(store: &RedisTicketStore) {
    let (take, issue, claim) = tokio::join!(
        in_time(store.take(key(1))),
        in_time(store.issue(key(2), vec![1], Some("ada"), TTL)),
        in_time(store.claim(key(3), TTL)),
    );
    take.unwrap_err();
    issue.unwrap_err();
    claim.unwrap_err();
}

async fn works(store: &RedisTicketStore) {
    soon(async || store.take(key(0)).await).await;
    store
        .issue(key(7), vec![1], Some("ada"), TTL)
        .await
        .unwrap();
    assert!(store.take(key(7)).await.unwrap().is_some());
}

#[tokio::test]
async fn killed() {
    let mut server = Server::start();
    for url in [server.url(), format!("{}?protocol=resp2", server.url())] {
        let store = store(&url).await;
        works(&store).await;
        server.kill();
        for _ in 0..3 {
            refuses(&store).await;
        }
        server.start_again();
        works(&store).await;
    }
}

#[tokio::test]
async fn killed_for_longer_than_patience_lasts() {
    let mut server = Server::start();
    let store = store(&server.url()).await;
    server.kill();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(13) {
        refuses(&store).await;
    }
    server.start_again();
    works(&store).await;
}

#[tokio::test]
async fn paused() {
    let server = Server::start();
    let store = store(&server.url()).await;
    store.issue(key(1), vec![1], None, TTL).await.unwrap();
    server.pause();
    for _ in 0..3 {
        refuses(&store).await;
    }
    server.resume();
    works(&store).await;
}

#[tokio::test]
async fn slow() {
    let server = Server::with(&["--enable-debug-command", "yes"]);
    let store = store(&server.url()).await;
    let () = server.ask("CLIENT PAUSE 1500 ALL").await;
    refuses(&store).await;
    works(&store).await;
    let sleep = tokio::spawn({
        let url = server.url();
        async move {
            let client = redis::Client::open(url).unwrap();
            let mut wire = client.get_multiplexed_async_connection().await.unwrap();
            let sleep = redis::cmd("DEBUG").arg("SLEEP").arg("1.5").to_owned();
            let _: Result<(), _> = sleep.query_async(&mut wire).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    refuses(&store).await;
    works(&store).await;
    sleep.await.unwrap();
}

#[tokio::test]
async fn of_a_connection_whose_other_end_died_without_a_word() {
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let store = store(&proxy.url()).await;
    proxy.silence();
    refuses(&store).await;
    works(&store).await;
}

#[tokio::test]
async fn of_a_master_that_became_a_replica() {
    let (server, other) = (Server::start(), Server::start());
    let store = store(&server.url()).await;
    let () = server
        .ask(&format!("REPLICAOF 127.0.0.1 {}", other.port()))
        .await;
    refuses(&store).await;
    let () = server.ask("REPLICAOF NO ONE").await;
    works(&store).await;
}

#[tokio::test]
async fn before_the_first_connection() {
    let mut server = Server::start();
    let url = server.url();
    server.kill();
    let began = Instant::now();
    let error = Redis::connect(&url).await.unwrap_err();
    assert_eq!(
        error,
        RedisError::Connection(std::io::ErrorKind::ConnectionRefused)
    );
    let store = RedisTicketStore::new(Redis::connect_lazy(&url).unwrap());
    assert!(began.elapsed() < Duration::from_millis(200));
    refuses(&store).await;
    server.start_again();
    works(&store).await;
}

#[tokio::test]
async fn do_not_let_commands_pile_up() {
    let server = Server::start();
    let builder = Redis::builder().max_in_flight(8);
    let redis = builder.connect(&server.url()).await.unwrap();
    let store = RedisTicketStore::new(redis.clone());
    server.pause();
    let waiting: Vec<_> = (0..8).map(|n| tokio::spawn(store.take(key(n)))).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    assert_eq!(redis.ping().await, Err(RedisError::Busy(8)));
    assert!(began.elapsed() < Duration::from_millis(50));
    for take in waiting {
        take.await.unwrap().unwrap_err();
    }
    server.resume();
    works(&store).await;
}

#[tokio::test]
async fn by_credentials_and_urls_are_told_apart() {
    let server = Server::with(&["--requirepass", "sesame"]);
    let url = |user: &str| format!("redis://{user}127.0.0.1:{}", server.port());
    assert!(Redis::connect(&url(":sesame@")).await.is_ok());
    let wrong = Redis::connect(&url(":guessed@")).await.unwrap_err();
    assert_eq!(wrong, RedisError::Credentials);
    let missing = Redis::connect(&url("")).await.unwrap_err();
    assert_eq!(missing, RedisError::Credentials);
    for no_url in ["", "localhost", "http://localhost", "redis://host:port"] {
        assert_eq!(Redis::connect_lazy(no_url).unwrap_err(), RedisError::Url);
    }
    let nobody = format!("redis://127.0.0.1:{}", free_port());
    assert!(matches!(
        Redis::connect(&nobody).await,
        Err(RedisError::Connection(_))
    ));
}

#[test]
fn of_the_runtime_are_an_error() {
    let error = Redis::connect_lazy("redis://127.0.0.1").unwrap_err();
    assert_eq!(error, RedisError::NoRuntime);
}

#[cfg(feature = "tls-rustls")]
#[tokio::test]
async fn of_tls_are_an_error() {
    // It speaks no TLS, which must be an error, and no panic for want of cryptography.
    let server = Server::start();
    let url = format!("rediss://127.0.0.1:{}", server.port());
    assert!(matches!(
        Redis::connect(&url).await,
        Err(RedisError::Connection(_))
    ));
}
