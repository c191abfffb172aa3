use std::time::{Duration, Instant, SystemTime};

use test_servers::{Proxy, Server};
use test_support::{stays, until, until_ok, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower_ws_auth_core::private::Watch;
use tower_ws_auth_core::revocation::{Recorded, Revocation, RevocationStore as _};
use tower_ws_auth_core::{
    Clock, DisconnectReason, Grant, RejectionKind, RevocationKey, Revocations, StoreError,
};
use tower_ws_auth_redis::{Redis, RedisRevocations};

use crate::{connected, in_time, soon, unhurried, wire};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// One that waits for Redis as long as it takes.
async fn node(url: &str) -> Revocations {
    at(unhurried(url).await, Clock::system())
}

/// One with the default times, which notices in time that Redis is not there.
async fn hasty_node(url: &str) -> Revocations {
    at(connected(url).await, Clock::system())
}

/// All nodes and all who issue credentials have the clock of this machine.
fn at(redis: Redis, clock: Clock) -> Revocations {
    let revocations = Revocations::builder(RedisRevocations::new(redis, DAY)).clock(clock);
    revocations.allowed_skew(Duration::ZERO).build()
}

/// A handshake by a credential that was issued then.
async fn open(
    node: &Revocations,
    key: impl Into<RevocationKey>,
    issued: SystemTime,
) -> Result<Watch, RejectionKind> {
    let grant = Grant::new(()).issued_at(issued).revocable_by(key);
    let watched = in_time(node.watch(grant.validity())).await;
    watched.map_err(|rejection| rejection.kind())
}

/// A handshake that is decided; a hasty node may have to be asked again while the machine stalls.
async fn decided(
    node: &Revocations,
    key: &str,
    issued: SystemTime,
) -> Result<Watch, RejectionKind> {
    until_ok("a decision", async || match open(node, key, issued).await {
        Err(RejectionKind::Unavailable) => Err(()),
        decided => Ok(decided),
    })
    .await
}

async fn open_now(node: &Revocations, key: &str) -> Watch {
    decided(node, key, SystemTime::now()).await.unwrap()
}

/// In less than the minute after which a node asks about all its connections.
async fn ends(watch: &Watch) -> DisconnectReason {
    let in_time = within(Duration::from_secs(30));
    let reason = in_time.until_ok("its end", async || watch.connection().disconnect_reason());
    reason.await
}

fn is_open(watch: &Watch) -> bool {
    watch.connection().disconnect_reason().is_none()
}

/// Waits until a node hears the others.
async fn listens(node: &Revocations, others: &Revocations) {
    let mut patience = Duration::from_millis(10);
    until_ok("it hears the others", async || {
        let key = format!("probe:{:?}", Instant::now());
        let watch = open_now(node, &key).await;
        others
            .revoke(&key, DisconnectReason::Revoked)
            .await
            .map_err(drop)?;
        patience *= 2;
        let heard = until("the news", || !is_open(&watch));
        timeout(patience, heard).await.map_err(drop)
    })
    .await;
}

#[tokio::test]
async fn revoked_on_one_node_ends_connections_and_refuses_credentials_on_all() {
    let server = Server::start();
    let nodes = [node(&server.url()).await, node(&server.url()).await];
    listens(&nodes[1], &nodes[0]).await;
    let before = SystemTime::now();
    let here = open_now(&nodes[0], "user:ada").await;
    let there = open_now(&nodes[1], "user:ada").await;
    let another = open_now(&nodes[1], "user:bob").await;
    let reason = DisconnectReason::application(4999, "banned").unwrap();
    nodes[0].revoke("user:ada", reason.clone()).await.unwrap();
    assert_eq!(here.connection().disconnect_reason(), Some(reason.clone()));
    assert_eq!(ends(&there).await, reason);
    for node in &nodes {
        let refused = open(node, "user:ada", before).await;
        assert_eq!(refused.unwrap_err(), RejectionKind::TokenInvalid);
        // And what was issued since passes, and stays.
        let young = open_now(node, "user:ada").await;
        let moment = Duration::from_millis(50);
        stays("the young one", moment, || is_open(&young)).await;
    }
    assert_eq!(another.connection().disconnect_reason(), None);
}

#[tokio::test]
async fn a_revocation_while_a_node_was_cut_off_ends_its_connections_when_it_is_back() {
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let cut_off = hasty_node(&proxy.url()).await;
    let other = node(&server.url()).await;
    listens(&cut_off, &other).await;
    // More keys than one question names.
    let mut open = Vec::new();
    for n in 0..600 {
        open.push(open_now(&cut_off, &format!("user:{n}")).await);
    }
    proxy.silence();
    for n in (0..600).step_by(3) {
        let reason = DisconnectReason::SessionEnded;
        other.revoke(&format!("user:{n}"), reason).await.unwrap();
    }
    // The sign of life is awaited for a second, after a second at most.
    for watch in open.iter().step_by(3) {
        assert_eq!(ends(watch).await, DisconnectReason::SessionEnded);
    }
    let on = open
        .iter()
        .filter(|watch| watch.connection().disconnect_reason().is_none());
    assert_eq!(on.count(), 400);
}

#[tokio::test]
async fn a_revocation_while_redis_is_down_is_an_error_and_is_written_later() {
    let mut server = Server::start();
    let one = hasty_node(&server.url()).await;
    let other = hasty_node(&server.url()).await;
    listens(&one, &other).await;
    listens(&other, &one).await;
    let before = SystemTime::now();
    let here = open_now(&one, "user:ada").await;
    let there = open_now(&other, "user:ada").await;
    server.kill();
    in_time(one.revoke("user:ada", DisconnectReason::Revoked))
        .await
        .unwrap_err();
    assert_eq!(
        here.connection().disconnect_reason(),
        Some(DisconnectReason::Revoked)
    );
    let refused = open(&one, "user:bob", before).await;
    assert_eq!(refused.unwrap_err(), RejectionKind::Unavailable);
    assert_eq!(there.connection().disconnect_reason(), None);

    server.start_again();
    assert_eq!(ends(&there).await, DisconnectReason::Revoked);
    let refused = decided(&other, "user:ada", before).await;
    assert_eq!(refused.unwrap_err(), RejectionKind::TokenInvalid);
}

#[tokio::test]
async fn a_redis_that_is_paused_or_full_is_unavailable_in_time_and_works_again() {
    let server = Server::start();
    let hasty = hasty_node(&server.url()).await;
    open_now(&hasty, "user:ada").await;
    server.pause();
    for _ in 0..2 {
        let refused = open(&hasty, "user:ada", SystemTime::now()).await;
        assert_eq!(refused.unwrap_err(), RejectionKind::Unavailable);
        in_time(hasty.revoke("user:ada", DisconnectReason::Revoked))
            .await
            .unwrap_err();
    }
    server.resume();
    soon(async || open(&hasty, "user:eve", SystemTime::now()).await).await;

    let node = node(&server.url()).await;
    let () = server.ask("CONFIG SET maxmemory 1").await;
    let error = node
        .revoke("user:bob", DisconnectReason::Revoked)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Full), "{error}");
    let () = server.ask("CONFIG SET maxmemory 0").await;
    node.revoke("user:bob", DisconnectReason::Revoked)
        .await
        .unwrap();
}

#[tokio::test]
async fn another_program_revokes_by_the_documented_script() {
    let server = Server::start();
    let node = node(&server.url()).await;
    listen(&server, 1).await;
    let watch = open(&node, "user:ada", Clock::at(1_600_000_000))
        .await
        .unwrap();
    let mut wire = wire(&server.url()).await;
    let mut revoke = async |moment: &str| {
        let value = format!("{moment} revoked");
        let mut eval = redis::cmd("EVAL");
        eval.arg(RedisRevocations::SCRIPT)
            .arg(1)
            .arg("wsauth:revoked:user:ada")
            .arg(moment)
            .arg(&value)
            .arg(86_400_000)
            .arg("wsauth:revoked")
            .arg(format!(
                r#"{{"key":"user:ada","revocation":"{moment} revoked"}}"#
            ));
        let kept: (u8, String) = eval.query_async(&mut wire).await.unwrap();
        kept
    };
    let kept = "1700000000000000 revoked".to_owned();
    assert_eq!(revoke("1700000000000000").await, (1, kept.clone()));
    assert_eq!(ends(&watch).await, DisconnectReason::Revoked);
    for earlier in ["1700000000000000", "999", "1699999999999999"] {
        assert_eq!(revoke(earlier).await, (0, kept.clone()));
    }
    for (issued, passes) in [(1_700_000_000, false), (1_700_000_001, true)] {
        let opened = open(&node, "user:ada", Clock::at(issued)).await;
        assert_eq!(opened.is_ok(), passes);
    }
}

#[tokio::test]
async fn an_unreadable_value_under_a_key_refuses() {
    let server = Server::start();
    let node = node(&server.url()).await;
    let mut wire = wire(&server.url()).await;
    for text in [
        &b"99999999999999999999 revoked"[..],
        b"",
        b"\xff\xfe",
        b"17 9 9",
        b"yes",
    ] {
        let mut set = redis::cmd("SET");
        let set = set.arg("wsauth:revoked:user:ada").arg(text);
        let () = set.query_async(&mut wire).await.unwrap();
        let refused = open(&node, "user:ada", SystemTime::now()).await;
        assert_eq!(refused.unwrap_err(), RejectionKind::TokenInvalid);
        // No credential can be issued that would be accepted in spite of it, now or later.
        node.key("user:ada").await.unwrap_err();
    }
    // It ends with the next revocation that can be read.
    node.revoke("user:ada", DisconnectReason::Revoked)
        .await
        .unwrap();
    let refused = open(&node, "user:ada", Clock::at(1000)).await;
    assert_eq!(refused.unwrap_err(), RejectionKind::TokenInvalid);
    let key = node.key("user:ada").await.unwrap();
    open(&node, key, Clock::at(1000)).await.unwrap();
    // Invalid messages on the channel do not stop a node from hearing.
    let other = self::node(&server.url()).await;
    listens(&node, &other).await;
    let () = server.ask("PUBLISH wsauth:revoked nonsense").await;
    let watch = open_now(&node, "user:bob").await;
    node.revoke("user:bob", DisconnectReason::Revoked)
        .await
        .unwrap();
    assert!(watch.connection().disconnect_reason().is_some());
    listens(&node, &other).await;
}

/// A node asks about hundreds of keys at once when it is back.
#[tokio::test]
async fn an_unreadable_value_under_one_key_affects_no_other_key() {
    #[cfg(feature = "tracing")]
    let log = test_support::Log::capture();
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let (cut_off, other) = (
        hasty_node(&proxy.url()).await,
        hasty_node(&server.url()).await,
    );
    listens(&cut_off, &other).await;
    let ada = open_now(&cut_off, "user:ada").await;
    let eve = open_now(&cut_off, "user:eve").await;
    let mut bystanders = Vec::new();
    for n in 0..300 {
        bystanders.push(open_now(&cut_off, &format!("user:{n}")).await);
    }
    proxy.sever();
    let () = server.ask("SET wsauth:revoked:user:ada yes").await;
    other
        .revoke("user:eve", DisconnectReason::Revoked)
        .await
        .unwrap();
    proxy.mend();
    assert_eq!(ends(&ada).await, DisconnectReason::Revoked);
    assert_eq!(ends(&eve).await, DisconnectReason::Revoked);
    // It goes on hearing, and no other connection has ended.
    listens(&cut_off, &other).await;
    let ended = bystanders
        .iter()
        .filter_map(|watch| watch.connection().disconnect_reason());
    assert_eq!(ended.count(), 0);
    // A client with another, readable key is not refused.
    let grant = Grant::new(()).revocable_by("user:0").revocable_by("user:1");
    until_ok("a watch", async || cut_off.watch(grant.validity()).await).await;
    #[cfg(feature = "tracing")]
    {
        let log = log.text();
        let line = log.lines().find(|line| line.contains("cannot be read"));
        let line = line.expect("nothing is logged");
        assert!(line.contains(" WARN tower_ws_auth"), "{line}");
        assert!(line.contains("count=1"), "{line}");
        assert!(!line.contains("user:"), "{line}");
    }
}

#[tokio::test]
async fn a_revocation_is_kept_for_the_retention_in_so_many_bytes() {
    let server = Server::start();
    let node = node(&server.url()).await;
    node.revoke("user:ada", DisconnectReason::Revoked)
        .await
        .unwrap();
    let left: u64 = server.ask("PTTL wsauth:revoked:user:ada").await;
    assert!((86_300_000..=86_400_000).contains(&left), "{left}");
    let value: String = server.ask("GET wsauth:revoked:user:ada").await;
    assert!(value.ends_with(" revoked"), "{value}");
    let bytes: u64 = server.ask("MEMORY USAGE wsauth:revoked:user:ada").await;
    assert!(bytes < 200, "{bytes}: the documentation says 184");
}

#[tokio::test]
async fn the_listener_stops_when_the_last_handle_is_gone() {
    let server = Server::start();
    let node = node(&server.url()).await;
    listen(&server, 1).await;
    drop(node);
    listen(&server, 0).await;
}

/// Waits until so many nodes listen.
async fn listen(server: &Server, nodes: u64) {
    until_ok("the listeners", async || {
        let (_, count): (String, u64) = server.ask("PUBSUB NUMSUB wsauth:revoked").await;
        count == nodes
    })
    .await;
}

/// Revocations written in any order: the latest stays.
mod never_moves_backwards {
    use super::*;

    /// A node that revokes at this moment.
    async fn node_at(url: &str, seconds: u64) -> Revocations {
        at(connected(url).await, Clock::fixed(seconds))
    }

    async fn kept(server: &Server, key: &str) -> Option<String> {
        server.ask(&format!("GET wsauth:revoked:{key}")).await
    }

    /// Revokes while Redis cannot be reached.
    async fn fails_to_revoke(node: &Revocations, key: &str) {
        in_time(node.revoke(key, DisconnectReason::Revoked))
            .await
            .unwrap_err();
    }

    /// Waits until a node has written what it could not write: this key was the last one.
    async fn has_caught_up(server: &Server, last: &str) {
        until_ok("the last key", async || kept(server, last).await).await;
    }

    #[tokio::test]
    async fn a_late_write_does_not_replace_a_later_revocation() {
        let server = Server::start();
        let proxy = Proxy::to(server.port()).await;
        let cut_off = node_at(&proxy.url(), 1000).await;
        let other = node_at(&server.url(), 2000).await;
        proxy.sever();
        fails_to_revoke(&cut_off, "user:ada").await;
        fails_to_revoke(&cut_off, "last").await;
        other
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        proxy.mend();
        has_caught_up(&server, "last").await;
        let kept = kept(&server, "user:ada").await;
        assert_eq!(kept.as_deref(), Some("2000000000 revoked"));
        let between = open(&other, "user:ada", Clock::at(1500)).await;
        assert_eq!(between.unwrap_err(), RejectionKind::TokenInvalid);
    }

    #[tokio::test]
    async fn a_repeated_revocation_that_succeeded_is_not_written_again() {
        let server = Server::start();
        let proxy = Proxy::to(server.port()).await;
        let node = node_at(&proxy.url(), 1000).await;
        proxy.sever();
        fails_to_revoke(&node, "user:ada").await;
        proxy.mend();
        let revoke = async || node.revoke("user:ada", DisconnectReason::Revoked).await;
        until_ok("a revocation", revoke).await;
        let () = server.ask("DEL wsauth:revoked:user:ada").await;
        proxy.sever();
        fails_to_revoke(&node, "last").await;
        proxy.mend();
        has_caught_up(&server, "last").await;
        assert_eq!(kept(&server, "user:ada").await, None);
    }

    #[tokio::test]
    async fn a_node_with_a_slow_clock_still_revokes_recent_credentials() {
        let server = Server::start();
        let ahead = node_at(&server.url(), 1060).await;
        let behind = node_at(&server.url(), 1000).await;
        ahead
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        // A login right after that.
        let key = ahead.key("user:ada").await.unwrap();
        let issued = Clock::at(1030);
        let lease = open(&behind, key.clone(), issued).await.unwrap();
        behind
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        let kept = kept(&server, "user:ada").await;
        assert_eq!(kept.as_deref(), Some("1060000001 revoked"));
        assert_eq!(
            lease.connection().disconnect_reason(),
            Some(DisconnectReason::Revoked)
        );
        for node in [&ahead, &behind] {
            let refused = open(node, key.clone(), issued).await;
            assert_eq!(refused.unwrap_err(), RejectionKind::TokenInvalid);
            let again = node.key("user:ada").await.unwrap();
            open(node, again, issued).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_revocation_at_the_end_of_time_is_an_error_and_ends_local_connections() {
        let server = Server::start();
        let node = node_at(&server.url(), 1000).await;
        let end = u64::MAX;
        let lease = open(&node, "user:ada", Clock::at(1)).await.unwrap();
        let mut wire = wire(&server.url()).await;
        let mut command = redis::cmd("SET");
        command
            .arg("wsauth:revoked:user:ada")
            .arg(format!("{end} revoked"));
        let () = command.query_async(&mut wire).await.unwrap();
        let error = node
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no later one"), "{error}");
        assert!(lease.connection().disconnect_reason().is_some());
        let refused = open(&node, "user:ada", Clock::at(2000)).await;
        assert_eq!(refused.unwrap_err(), RejectionKind::TokenInvalid);
    }

    /// A command with the digest of the script, and the script once.
    #[tokio::test]
    async fn a_revocation_is_one_command_as_a_rule() {
        let server = Server::start();
        let node = node(&server.url()).await;
        for n in 0..10 {
            let key = format!("user:{n}");
            node.revoke(&key, DisconnectReason::Revoked).await.unwrap();
        }
        let stats: String = server.ask("INFO commandstats").await;
        let calls = |command: &str| {
            let name = format!("cmdstat_{command}:calls=");
            let line = stats.lines().find_map(|line| line.strip_prefix(&name));
            let calls = line.and_then(|line| line.split(',').next());
            calls.map_or(0, |calls| calls.parse::<u64>().unwrap())
        };
        assert_eq!((calls("evalsha"), calls("eval")), (10, 1), "{stats}");
    }
}

/// Forwards to a server, and each piece from the client some time later.
async fn slow_way_to(port: u16, later: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let ((mut asks, mut hears), (mut answers, mut asked)) =
                (client.into_split(), server.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut hears).await });
            tokio::spawn(async move {
                let mut piece = [0; 4096];
                while let Ok(length @ 1..) = asks.read(&mut piece).await {
                    tokio::time::sleep(later).await;
                    asked.write_all(&piece[..length]).await.unwrap();
                }
            });
        }
    });
    here
}

/// It writes one after the other, each of which takes its time.
#[tokio::test]
async fn a_node_that_writes_what_it_could_not_write_hears_the_others_meanwhile() {
    const UNWRITTEN: usize = 300;
    let server = Server::start();
    let slow = slow_way_to(server.port(), Duration::from_millis(30)).await;
    let proxy = Proxy::to(slow).await;
    let (node, other) = (
        hasty_node(&proxy.url()).await,
        self::node(&server.url()).await,
    );
    listens(&node, &other).await;
    let ada = open_now(&node, "user:ada").await;
    proxy.sever();
    let fail = (0..UNWRITTEN).map(async |n| {
        let key = format!("late:{n}");
        let revoke = node.revoke(&key, DisconnectReason::Revoked);
        in_time(revoke).await.unwrap_err();
    });
    futures_util::future::join_all(fail).await;
    proxy.mend();
    let written = async || {
        let keys: Vec<String> = server.ask("KEYS wsauth:revoked:late:*").await;
        keys.len()
    };
    until_ok("the first", async || (written().await > 0).then_some(())).await;
    let revoke = other.revoke("user:ada", DisconnectReason::Revoked);
    revoke.await.unwrap();
    assert_eq!(ends(&ada).await, DisconnectReason::Revoked);
    let by_then = written().await;
    assert!(by_then < UNWRITTEN, "all {by_then} came first");
    let all = async || (written().await == UNWRITTEN).then_some(());
    until_ok("the others", all).await;
}

/// As where one master of a cluster is down.
#[tokio::test]
async fn a_revocation_that_cannot_be_written_holds_up_no_other() {
    let server = Server::start();
    let () = server
        .ask("ACL SETUSER node on >secret ~* +@all allchannels")
        .await;
    let url = format!("redis://node:secret@127.0.0.1:{}", server.port());
    let store = RedisRevocations::new(unhurried(&url).await, DAY);
    let record = async |key: &str| {
        let revocation = Revocation::at_micros(1, DisconnectReason::Revoked);
        store.record(key.into(), revocation).await
    };
    let () = server.ask("ACL SETUSER node resetkeys").await;
    for key in ["bad", "good", "bad too", "good too"] {
        record(key).await.unwrap_err();
    }
    let () = server.ask("ACL SETUSER node ~wsauth:revoked:good*").await;
    // It writes what it has not written once it listens.
    let _node = Revocations::new(store.clone());
    let keys: [RevocationKey; 2] = ["good".into(), "good too".into()];
    let found = async || store.find(keys.to_vec()).await.unwrap();
    until_ok("the good ones", async || {
        found().await.iter().all(Option::is_some).then_some(())
    })
    .await;
}

/// Redis keeps a revocation with a margin, and beside it the moment of one without.
mod a_margin_and_a_firm_revocation {
    use super::*;
    use futures_util::StreamExt as _;
    use serde_json::{Value, json};

    const KEY: &str = "wsauth:revoked:user:ada";

    fn revoked(at: u64, margin: u64) -> Revocation {
        let reason = DisconnectReason::application(4999, "50% off ~9 !7\n").unwrap();
        Revocation::at_micros(at, reason).with_margin(Duration::from_secs(margin))
    }

    #[tokio::test]
    async fn are_kept_and_published_in_any_order_for_any_key() {
        let server = Server::start();
        let store = RedisRevocations::new(unhurried(&server.url()).await, DAY);
        let client = redis::Client::open(server.url()).unwrap();
        let mut news = client.get_async_pubsub().await.unwrap();
        news.subscribe("wsauth:revoked").await.unwrap();
        let mut news = news.on_message();
        let (firm, margin) = (revoked(5_000_000, 0), revoked(7_000_000, 30));
        let both = margin.clone().with_firm(5_000_000);
        let text = "7000000 ~30 !5000000 4999 50% off ~9 !7\n";
        for key in [
            "user:ada",
            "",
            "a \"key\", \\ \n\0\u{7f}\u{2028}\u{1f600} / ",
            r#""revocation":"1 ~9 !7 "#,
        ] {
            for is_late in [false, true] {
                let record = async |revocation: &Revocation| {
                    store.record(key.into(), revocation.clone()).await.unwrap()
                };
                let [first, second] = if is_late {
                    [&margin, &firm]
                } else {
                    [&firm, &margin]
                };
                assert_eq!(record(first).await, Recorded::Written(first.clone()));
                in_time(news.next()).await.unwrap();
                let expected = if is_late {
                    Recorded::Kept(both.clone())
                } else {
                    Recorded::Written(both.clone())
                };
                assert_eq!(record(second).await, expected);
                let heard = in_time(news.next()).await.unwrap();
                let heard: Value = serde_json::from_slice(heard.get_payload_bytes()).unwrap();
                assert_eq!(heard, json!({ "key": key, "revocation": text }));
                let found = store.find(vec![key.into()]).await.unwrap();
                assert_eq!(found, [Some(both.clone())]);
                // Said again, nothing changes and nobody is told: the next news is another one's.
                for again in [&firm, &margin] {
                    assert_eq!(record(again).await, Recorded::Kept(both.clone()));
                }
                let () = server.ask("FLUSHALL").await;
            }
        }
    }

    /// As `Revocation::with_earlier` does for the store in memory.
    #[tokio::test]
    async fn are_merged_as_in_memory() {
        let server = Server::start();
        let store = RedisRevocations::new(unhurried(&server.url()).await, DAY);
        // In seconds: when each was, and its margin.
        let all: [&[(u64, u64)]; 8] = [
            &[(5, 0), (7, 30), (9, 30)],
            &[(5, 0), (7, 2), (9, 30)],
            &[(5, 0), (7, 3), (9, 30)],
            &[(7, 30), (5, 0), (6, 0), (4, 0)],
            &[(7, 30), (5, 1), (6, 0), (6, 30)],
            &[(7, 30), (7, 0), (7, 60)],
            &[(5, 0), (7, 30), (9, 0), (11, 30)],
            &[(5, u64::MAX), (7, 30), (6, 0)],
        ];
        for revocations in all {
            let memory = tower_ws_auth_core::MemoryRevocations::new(DAY, 10);
            for (at, margin) in revocations {
                let revocation = revoked(at * 1_000_000, *margin);
                let expected = memory.record("user:ada".into(), revocation.clone());
                let kept = store.record("user:ada".into(), revocation);
                let expected = expected.await.unwrap();
                assert_eq!(kept.await.unwrap(), expected, "{revocations:?}");
            }
            let () = server.ask("FLUSHALL").await;
        }
    }

    async fn kept(server: &Server) -> String {
        server.ask(&format!("GET {KEY}")).await
    }

    /// A write that failed, and then a margin by this node or another one.
    #[tokio::test]
    async fn are_both_written_by_a_node_that_was_cut_off() {
        for by_itself in [true, false] {
            let server = Server::start();
            let proxy = Proxy::to(server.port()).await;
            let cut_off = at(connected(&proxy.url()).await, Clock::fixed(1000));
            let other = at(unhurried(&server.url()).await, Clock::fixed(2000));
            let missed = open_now(&other, "user:ada").await;
            let revoked = DisconnectReason::Revoked;
            let within = Duration::from_secs(30);
            proxy.sever();
            let revoke = in_time(cut_off.revoke("user:ada", revoked.clone()));
            revoke.await.unwrap_err();
            if by_itself {
                let revoke = cut_off.revoke_within("user:ada", revoked.clone(), within);
                in_time(revoke).await.unwrap_err();
            } else {
                let revoke = other.revoke_within("user:ada", revoked.clone(), within);
                revoke.await.unwrap();
            }
            let revoke = in_time(cut_off.revoke("last", revoked));
            revoke.await.unwrap_err();
            proxy.mend();
            let last = async || {
                server
                    .ask::<Option<String>>("GET wsauth:revoked:last")
                    .await
            };
            until_ok("the last key", last).await;
            let expected = if by_itself {
                "1000000001 ~30 !1000000000 revoked"
            } else {
                "2000000000 ~30 !1000000000 revoked"
            };
            assert_eq!(kept(&server).await, expected);
            assert_eq!(ends(&missed).await, DisconnectReason::Revoked);
        }
    }

    /// A write that failed is still to be done when a margin has been written.
    #[tokio::test]
    async fn are_both_written_if_only_the_first_had_failed() {
        let server = Server::start();
        let proxy = Proxy::to(server.port()).await;
        let store = RedisRevocations::new(connected(&proxy.url()).await, DAY);
        let (firm, margin) = (revoked(5_000_000, 0), revoked(7_000_000, 30));
        proxy.sever();
        let record = in_time(store.record("user:ada".into(), firm));
        record.await.unwrap_err();
        proxy.mend();
        let record = async || store.record("user:ada".into(), margin.clone()).await.ok();
        let kept = until_ok("a revocation", record).await;
        assert_eq!(kept, Recorded::Written(margin.clone()));
        // It writes what it has not written once it listens.
        let _node = Revocations::new(store.clone());
        let both = [Some(margin.with_firm(5_000_000))];
        let found = async || store.find(vec!["user:ada".into()]).await.ok();
        until_ok("both", async || {
            found().await.filter(|found| *found == both)
        })
        .await;
    }

    /// By a node of the time before margins.
    #[tokio::test]
    async fn are_read_as_older_nodes_wrote_them() {
        let server = Server::start();
        let node = at(unhurried(&server.url()).await, Clock::fixed(2000));
        let mut wire = wire(&server.url()).await;
        for (old, expected) in [
            ("1000 revoked", "2000000000 ~30 !1000 revoked"),
            ("1000 ~9 revoked", "2000000001 ~30 !1000 revoked"),
            ("1999999999 ~9 revoked", "2000000002 ~30 revoked"),
        ] {
            let mut set = redis::cmd("SET");
            let () = set.arg(KEY).arg(old).query_async(&mut wire).await.unwrap();
            let within = Duration::from_secs(30);
            let revoke = node.revoke_within("user:ada", DisconnectReason::Revoked, within);
            revoke.await.unwrap();
            assert_eq!(kept(&server).await, expected, "{old}");
        }
    }
}

#[tokio::test]
async fn a_line_break_in_a_key_ends_only_its_own_connections() {
    let server = Server::start();
    let nodes = [node(&server.url()).await, node(&server.url()).await];
    listens(&nodes[1], &nodes[0]).await;
    let strange = [
        "user:ada\nuser:bob",
        "user:eve\",\"revocation\":\"1 revoked\",\"key\":\"user:bob",
        "user:bob\n",
        "\nuser:bob",
        "",
    ];
    let bystander = open_now(&nodes[1], "user:bob").await;
    for key in strange {
        let own = open_now(&nodes[1], key).await;
        let reason = DisconnectReason::application(4999, "7 revoked\nuser:bob").unwrap();
        nodes[0].revoke(key, reason.clone()).await.unwrap();
        assert_eq!(ends(&own).await, reason, "{key:?}");
        assert_eq!(bystander.connection().disconnect_reason(), None, "{key:?}");
    }
}

/// A node without news ends its connections in time.
#[tokio::test]
async fn a_node_without_news_for_too_long_ends_its_revocable_connections() {
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let store = RedisRevocations::new(connected(&proxy.url()).await, DAY);
    let bounded = store.end_connections_after_silence(Duration::from_secs(3));
    let bounded = Revocations::new(bounded);
    let other = node(&server.url()).await;
    listens(&bounded, &other).await;
    let watch = open_now(&bounded, "user:ada").await;
    // As long as it hears that nothing happens, nothing does.
    let longer = Duration::from_secs(5);
    stays("the connection", longer, || is_open(&watch)).await;
    let began = Instant::now();
    proxy.sever();
    assert_eq!(ends(&watch).await, DisconnectReason::GoingAway);
    let took = began.elapsed();
    // The last sign of life may be a second old, and the clock of a test machine coarse.
    assert!(took > Duration::from_millis(1900), "{took:?}");
    println!("ended {took:?} after the way was cut");
    proxy.mend();
    let again = open_now(&bounded, "user:ada").await;
    listens(&bounded, &other).await;
    assert_eq!(again.connection().disconnect_reason(), None);
}
