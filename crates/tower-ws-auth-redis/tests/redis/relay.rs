//! Questions between nodes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::cmd;
use test_servers::Server;
use test_support::{until, until_ok};
use tower_ws_auth_core::BoxFuture;
use tower_ws_auth_core::relay::{Answers, NodeRelay};
use tower_ws_auth_redis::RedisRelay;

use crate::{unhurried, wire};

struct Node {
    relay: RedisRelay,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    here: Option<Arc<Answers>>,
}

impl Node {
    /// One that answers questions that begin with its name.
    async fn new(url: &str, name: &'static str) -> Self {
        let relay = RedisRelay::new(unhurried(url).await).unwrap();
        let relay = relay.timeout(Duration::from_secs(2));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        let answers = move |question: Vec<u8>| -> BoxFuture<Option<Vec<u8>>> {
            hearing.lock().unwrap().push(question.clone());
            let is_mine = question.starts_with(name.as_bytes());
            Box::pin(async move { is_mine.then(|| [name.as_bytes(), b" here"].concat()) })
        };
        let here: Arc<Answers> = Arc::new(answers);
        relay.attach(Arc::downgrade(&here));
        let node = Self {
            relay,
            heard,
            here: Some(here),
        };
        node.listens(true).await;
        node
    }

    async fn listens(&self, expected: bool) {
        let listens = || self.relay.is_listening() == expected;
        until("whether it listens", listens).await;
    }

    async fn ask(&self, question: &str) -> Option<String> {
        let answer = self.relay.ask(question.into()).await.unwrap();
        answer.map(|answer| String::from_utf8(answer).unwrap())
    }
}

#[tokio::test]
async fn the_node_that_can_answer_does_and_the_one_that_asks_does_not_hear_itself() {
    let server = Server::start();
    let a = Node::new(&server.url(), "a").await;
    let b = Node::new(&server.url(), "b").await;
    let c = Node::new(&server.url(), "c").await;
    assert_eq!(a.ask("b, are you there?").await.as_deref(), Some("b here"));
    assert_eq!(b.ask("c, are you there?").await.as_deref(), Some("c here"));
    // Many at once: each has its own answer.
    let asked = (0..50).map(|n| {
        let (node, of) = if n % 2 == 0 { (&a, "b") } else { (&b, "a") };
        async move { (of, node.ask(&format!("{of} {n}")).await) }
    });
    for (of, answer) in futures_util::future::join_all(asked).await {
        assert_eq!(answer, Some(format!("{of} here")));
    }
    assert_eq!(c.ask("d, are you there?").await, None);
    assert!(
        !a.heard
            .lock()
            .unwrap()
            .iter()
            .any(|q| q.starts_with(b"b, are"))
    );
}

#[tokio::test]
async fn a_renewal_takes_two_commands() {
    let server = Server::start();
    let a = Node::new(&server.url(), "a").await;
    let _b = Node::new(&server.url(), "b").await;
    let mut wire = wire(&server.url()).await;
    let count = async |wire: &mut redis::aio::MultiplexedConnection| -> u64 {
        let stats: String = cmd("INFO")
            .arg("commandstats")
            .query_async(wire)
            .await
            .unwrap();
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_publish:calls="));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    };
    let before = count(&mut wire).await;
    assert_eq!(a.ask("b").await.as_deref(), Some("b here"));
    assert_eq!(count(&mut wire).await - before, 2);
}

/// As when a stack is built anew and the old one goes a little later.
#[tokio::test]
async fn one_that_is_attached_twice_hears_until_both_have_gone() {
    let server = Server::start();
    let mut a = Node::new(&server.url(), "a").await;
    let b = Node::new(&server.url(), "b").await;
    let again: Arc<Answers> = Arc::new(|_| Box::pin(std::future::ready(None)));
    let subscribed = async |expected: u64| {
        let mut wire = wire(&server.url()).await;
        until_ok("the subscriptions", async || {
            let counted: (String, u64) = cmd("PUBSUB")
                .arg("NUMSUB")
                .arg("wsauth:relay")
                .query_async(&mut wire)
                .await
                .unwrap();
            (counted.1 == expected).then_some(())
        })
        .await;
    };
    a.relay.attach(Arc::downgrade(&again));
    subscribed(3).await;
    a.here = None;
    subscribed(2).await;
    assert!(a.relay.is_listening());
    assert_eq!(a.ask("b").await.as_deref(), Some("b here"));
    drop(again);
    a.listens(false).await;
    assert_eq!(b.ask("a").await, None);
}

#[tokio::test]
async fn what_strangers_publish_answers_nothing_and_breaks_nothing() {
    let server = Server::start();
    let a = Node::new(&server.url(), "a").await;
    let b = Node::new(&server.url(), "b").await;
    let mut wire = wire(&server.url()).await;
    for letter in [
        "",
        "{}",
        "\u{0}",
        r#"{"node":"x","number":0,"body":"YQ=="}"#,
        // A name that would be another channel.
        r#"{"node":"../../../../../../../../../../..","number":0,"body":"YQ=="}"#,
        r#"{"node":"00000000000000000000000000000000","number":0,"body":"?"}"#,
    ] {
        let published: u64 = cmd("PUBLISH")
            .arg("wsauth:relay")
            .arg(letter)
            .query_async(&mut wire)
            .await
            .unwrap();
        assert_eq!(published, 2);
    }
    assert_eq!(a.ask("b").await.as_deref(), Some("b here"));
    assert_eq!(b.heard.lock().unwrap().as_slice(), [b"b".to_vec()]);
}

#[tokio::test]
async fn a_node_that_hears_nothing_says_so_and_comes_back() {
    let server = Server::start();
    let mut a = Node::new(&server.url(), "a").await;
    let b = Node::new(&server.url(), "b").await;
    let mut wire = wire(&server.url()).await;
    let killed: u64 = cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("PUBSUB")
        .query_async(&mut wire)
        .await
        .unwrap();
    assert_eq!(killed, 2);
    until_ok("an answer", async || {
        a.relay.ask("b".into()).await.ok().flatten()
    })
    .await;
    // Nobody needs its answers any more.
    a.here = None;
    a.listens(false).await;
    assert!(a.relay.ask("b".into()).await.is_err());
    assert_eq!(b.ask("a").await, None);
}
