//! The rule of the crate's documentation is enough, and no more than that.

use std::time::Duration;

use test_servers::Server;
use test_support::until;
use tokio::time::timeout;
use tower_ws_auth_core::{DisconnectReason, Grant, Revocations};
use tower_ws_auth_redis::{Redis, RedisError, RedisRevocations, RedisSessions, RedisTickets};
use tower_ws_auth_session::{Secrets, Sessions};
use tower_ws_auth_ticket::{ReplayStore as _, TicketStore as _};

use crate::{PATIENCE, TTL, key, unhurried};

/// The line after `ACL SETUSER` in the documentation.
fn documented() -> Vec<&'static str> {
    let docs = include_str!("../../src/lib.rs");
    let lines = docs
        .lines()
        .skip_while(|line| !line.contains("ACL SETUSER"));
    lines
        .take_while(|line| *line != "//! ```")
        .flat_map(|line| line.trim_start_matches("//!").split_whitespace())
        .filter(|word| *word != "\\")
        .collect()
}

#[tokio::test]
async fn the_documented_rule_suffices_for_everything() {
    let server = Server::start();
    let mut rule = documented();
    assert!(rule.len() > 10, "{rule:?}");
    let words = rule.join(" ").replace(">secret", ">sesame");
    let () = server.ask(&words).await;
    let url = format!("redis://wsauth:sesame@127.0.0.1:{}", server.port());
    let redis = unhurried(&url).await;
    everything(&redis, PATIENCE).await.unwrap();
    let denied: Vec<Vec<redis::Value>> = server.ask("ACL LOG").await;
    assert!(denied.is_empty(), "{denied:?}");

    // And each command of it is needed.
    rule.retain(|word| word.starts_with('+'));
    for command in &rule {
        let without = command.replace('+', "-");
        let () = server.ask(&format!("ACL SETUSER wsauth {without}")).await;
        // As one that was restarted, it does not know the scripts.
        let () = server.ask("SCRIPT FLUSH").await;
        let hearing = Duration::from_secs(2);
        let failed = everything(&redis, hearing).await.is_err() || redis.ping().await.is_err();
        // A failing undo of a count is not reported.
        assert!(failed || *command == "+zrem", "{command} is not needed");
        let () = server.ask(&format!("ACL SETUSER wsauth {command}")).await;
    }
    assert_eq!(redis.ping().await, Ok::<(), RedisError>(()));
}

/// How long it is waited for what must be heard is for the one who asks to say.
async fn everything(redis: &Redis, hearing: Duration) -> Result<(), Box<dyn std::error::Error>> {
    let tickets = RedisTickets::new(redis.clone()).per_subject(1);
    let n = std::process::id() as usize;
    tickets.issue(key(n), vec![1], Some("ada"), TTL).await?;
    let _ = tickets.issue(key(n + 1), vec![1], Some("ada"), TTL).await;
    tickets.take(key(n)).await?;
    tickets.claim(key(n), TTL).await?;
    let secrets = Secrets::express(["a secret of the tests, long enough"])?;
    let sessions: Sessions<serde_json::Value> =
        Sessions::builder(secrets, RedisSessions::new(redis.clone()))
            .timeout(PATIENCE)
            .build()?;
    let (id, cookie) = sessions.create(&serde_json::json!({"user": "ada"})).await?;
    let mut headers = http::HeaderMap::new();
    headers.insert(
        "cookie",
        cookie
            .to_str()?
            .split(';')
            .next()
            .ok_or("no cookie")?
            .parse()?,
    );
    let mut loaded = sessions.load(&headers).await?.ok_or("no session")?;
    sessions.save(&mut loaded).await?;
    sessions.touch(&mut loaded).await?;
    sessions.destroy(&id).await?;
    revocations(redis, hearing).await
}

async fn revocations(redis: &Redis, hearing: Duration) -> Result<(), Box<dyn std::error::Error>> {
    let node = || Revocations::new(RedisRevocations::new(redis.clone(), TTL));
    let (one, other) = (node(), node());
    // It knows what the last call revoked.
    let grant = Grant::new(()).revocable_by(one.key("user:ada").await?);
    let watch = other.watch(grant.validity()).await?;
    one.revoke("user:ada", DisconnectReason::Revoked).await?;
    let heard = until("the news", || {
        watch.connection().disconnect_reason().is_some()
    });
    let in_time = timeout(hearing, heard).await;
    in_time.map_err(|_| "nothing was heard".into())
}
