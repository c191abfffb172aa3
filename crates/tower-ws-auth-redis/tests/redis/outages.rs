use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use test_servers::{Proxy, Server};
use test_support::{free_port, until_ok};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_ws_auth_redis::{Redis, RedisError, RedisTickets};
use tower_ws_auth_ticket::{ReplayStore as _, TicketStore as _};

use crate::{TTL, connected, in_time, key, measured, patient, soon, unhurried};

async fn store(url: &str) -> RedisTickets {
    RedisTickets::new(connected(url).await)
}

/// Asks the store for everything, and has its answers in time. Whether all of it failed.
async fn has_failed(store: &RedisTickets) -> bool {
    let (take, issue, claim) = tokio::join!(
        in_time(store.take(key(1))),
        in_time(store.issue(key(2), vec![1], Some("ada"), TTL)),
        in_time(store.claim(key(3), TTL)),
    );
    take.is_err() && issue.is_err() && claim.is_err()
}

/// Every operation of the store fails, and in time.
async fn refuses(store: &RedisTickets) {
    assert!(has_failed(store).await, "something was answered");
}

async fn works(store: &RedisTickets) {
    static FRESH: AtomicUsize = AtomicUsize::new(100);
    soon(async || store.take(key(0)).await).await;
    // A new one each time, because one without an answer may have been issued.
    soon(async || {
        let key = key(FRESH.fetch_add(1, Ordering::Relaxed));
        let issued = store.issue(key, vec![1], Some("ada"), TTL).await;
        issued.map_err(drop)?;
        store.take(key).await.map_err(drop)?.ok_or(())
    })
    .await;
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
    let another = RedisTickets::new(unhurried(&server.url()).await);
    another.issue(key(1), vec![1], None, TTL).await.unwrap();
    works(&store).await;
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
    // While the machine stalls, Redis may be done with its pause before it is asked.
    until_ok("a pause", async || {
        let () = server.ask("CLIENT PAUSE 1500 ALL").await;
        has_failed(&store).await
    })
    .await;
    works(&store).await;
    let mut wire = TcpStream::connect(("127.0.0.1", server.port()))
        .await
        .unwrap();
    wire.write_all(b"PING\r\n").await.unwrap();
    wire.read_exact(&mut [0; b"+PONG\r\n".len()]).await.unwrap();
    until_ok("a sleep", async || {
        // Redis reads it before everything that is sent from now on.
        wire.write_all(b"DEBUG SLEEP 1.5\r\n").await.unwrap();
        let failed = has_failed(&store).await;
        if failed {
            works(&store).await;
        }
        // It is awake again.
        wire.read_exact(&mut [0; b"+OK\r\n".len()]).await.unwrap();
        failed
    })
    .await;
}

#[tokio::test]
async fn of_a_connection_whose_peer_died_silently() {
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
    let connecting = async {
        let error = Redis::connect(&url).await.unwrap_err();
        assert_eq!(
            error,
            RedisError::Connection(std::io::ErrorKind::ConnectionRefused)
        );
        RedisTickets::new(Redis::connect_lazy(&url).unwrap())
    };
    let (store, took) = measured(connecting).await;
    // An attempt may last for a second.
    assert!(took < Duration::from_millis(500), "{took:?}");
    refuses(&store).await;
    server.start_again();
    works(&store).await;
}

#[tokio::test]
async fn do_not_let_commands_pile_up() {
    let server = Server::start();
    let redis = until_ok("a connection", async || {
        let builder = Redis::builder().max_in_flight(8);
        builder.connect(&server.url()).await
    });
    let redis = redis.await;
    let store = RedisTickets::new(redis.clone());
    server.pause();
    let waiting: Vec<_> = (0..8)
        .map(|n| tokio::spawn(store.claim(key(n), TTL)))
        .collect();
    // Each has its turn now, on the one thread that there is.
    tokio::task::yield_now().await;
    let at_once = redis.ping().now_or_never();
    assert_eq!(at_once, Some(Err(RedisError::Busy(8))));
    for claim in waiting {
        claim.await.unwrap().unwrap_err();
    }
    server.resume();
    works(&store).await;
}

#[tokio::test]
async fn by_credentials_and_urls_have_different_errors() {
    let server = Server::with(&["--requirepass", "sesame"]);
    let url = |user: &str| format!("redis://{user}127.0.0.1:{}", server.port());
    let connect = async |user| patient().connect(&url(user)).await;
    assert!(connect(":sesame@").await.is_ok());
    let wrong = connect(":guessed@").await.unwrap_err();
    assert_eq!(wrong, RedisError::Credentials);
    let missing = connect("").await.unwrap_err();
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

#[cfg(feature = "redis-tls")]
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
