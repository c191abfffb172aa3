use std::error::Error;

use test_servers::Server;
use tower_ws_auth_redis::{Redis, RedisSessions, RedisTickets};
use tower_ws_auth_ticket::TicketStore as _;

use crate::{TTL, key, unhurried};

const CANARY: &str = "canary";

fn with_sources(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<_> = chain.map(|error| format!("{error} {error:?}")).collect();
    texts.join(" ")
}

#[tokio::test]
async fn nothing_prints_the_password_or_a_key() {
    let server = Server::with(&["--requirepass", CANARY]);
    let url = format!("redis://:{CANARY}@127.0.0.1:{}", server.port());
    let redis = unhurried(&url).await;
    let tickets = RedisTickets::new(redis.clone());
    let sessions = RedisSessions::new(redis.clone());
    let mut texts = vec![format!(
        "{redis:?} {tickets:?} {sessions:?} {:?}",
        Redis::builder()
    )];
    // An error that Redis words itself, with the key in it.
    let odd = RedisTickets::new(redis).prefix(CANARY);
    odd.issue(key(1), CANARY.into(), Some(CANARY), TTL)
        .await
        .unwrap();
    let twice = odd.issue(key(1), CANARY.into(), Some(CANARY), TTL).await;
    texts.push(with_sources(&twice.unwrap_err()));
    for url in [
        format!("redis://:{CANARY}@host:port"),
        format!("{CANARY}://:x"),
    ] {
        texts.push(with_sources(&Redis::connect_lazy(&url).unwrap_err()));
    }
    let wrong = url.replace(CANARY, "canary2");
    texts.push(with_sources(&Redis::connect(&wrong).await.unwrap_err()));
    for text in texts {
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[tokio::test]
async fn an_unknown_command_is_not_repeated_with_its_arguments() {
    let server = Server::with(&["--rename-command", "GETDEL", ""]);
    let redis = unhurried(&server.url()).await;
    let error = RedisTickets::new(redis)
        .prefix(CANARY)
        .take(key(1))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store failed: Redis does not know a command: version 6.2 or later is needed"
    );
    assert!(!with_sources(&error).contains(CANARY));
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn the_log_reports_the_loss_and_the_return_of_redis_once_each() {
    use std::time::Duration;

    use crate::{PATIENCE, soon};

    let log = test_support::Log::capture();
    let mut server = Server::start();
    // So long that Redis is lost when it is killed, and not when the machine stalls.
    let builder = Redis::builder()
        .timeout(Duration::from_secs(3))
        .connect_timeout(PATIENCE);
    let redis = builder.connect(&server.url()).await.unwrap();
    let tickets = RedisTickets::new(redis.clone()).prefix(CANARY);
    server.kill();
    for _ in 0..2 {
        let _ = tokio::join!(
            tickets.take(key(1)),
            tickets.take(key(2)),
            tickets.take(key(3))
        );
    }
    server.start_again();
    for _ in 0..10 {
        soon(async || tickets.take(key(1)).await).await;
    }

    let log = log.text();
    let states: Vec<_> = log
        .lines()
        .filter(|line| line.contains("tower_ws_auth"))
        .filter_map(|line| line.split("state=").nth(1)?.split(' ').next())
        .collect();
    assert_eq!(
        states,
        ["\"connected\"", "\"lost\"", "\"connected\""],
        "{log}"
    );
    assert!(
        log.contains(" WARN tower_ws_auth: Redis does not answer"),
        "{log}"
    );
    assert!(
        log.contains("error=the connection to Redis failed"),
        "{log}"
    );
    assert!(!log.contains(CANARY), "{log}");
}
