#![cfg(feature = "redis-cluster")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use test_servers::{Cluster, Proxy, Server};
use test_support::{bounded, free_port, of_tier, until_ok};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower_ws_auth_core::revocation::Recorded;
use tower_ws_auth_core::{
    DisconnectReason, Revocation, RevocationKey, RevocationStore as _, Revocations,
};
use tower_ws_auth_redis::{Redis, RedisBuilder, RedisRevocations, RedisSessions, RedisTickets};
use tower_ws_auth_session::{Replaced, SessionStore as _};
use tower_ws_auth_ticket::{ReplayStore as _, TicketStore as _};

use crate::{TTL, in_time, key, patient, sessions, silent, soon};

/// Waits until Redis says so: after a start it takes two seconds to make sure that it may write.
async fn is_up(server: &Server) {
    until_ok("the cluster is up", async || {
        let info: String = server.ask("CLUSTER INFO").await;
        info.contains("cluster_state:ok")
    })
    .await;
}

/// One node that has all slots: the protocol is that of a cluster, the routing trivial.
async fn one_node() -> Server {
    let bus = free_port().to_string();
    let server = Server::with(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
    let () = server.ask("CLUSTER ADDSLOTSRANGE 0 16383").await;
    is_up(&server).await;
    server
}

/// A proxy to a node, by which clients are told to come.
async fn proxy_of(server: &Server) -> Proxy {
    let proxy = Proxy::to(server.port()).await;
    let port = proxy.url().rsplit_once(':').unwrap().1.to_owned();
    let announce = format!("CONFIG SET cluster-announce-port {port}");
    let () = server.ask(&announce).await;
    let () = server.ask("CONFIG SET cluster-announce-ip 127.0.0.1").await;
    proxy
}

#[tokio::test]
async fn a_cluster_serves_tickets_and_comes_back() {
    let mut server = one_node().await;
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

/// As without a cluster: a command without an answer may have been carried out.
#[tokio::test]
async fn a_take_in_a_cluster_whose_answer_is_lost_is_an_error_and_is_not_sent_again() {
    let server = one_node().await;
    let proxy = proxy_of(&server).await;
    let redis = patient().cluster_lazy([proxy.url().as_str()]).unwrap();
    let store = RedisTickets::new(redis);
    until_ok("a claim", async || store.claim(key(0), TTL).await).await;
    store.issue(key(1), vec![1], None, TTL).await.unwrap();
    proxy.cut_answer(0);
    store.take(key(1)).await.unwrap_err();
    assert!(proxy.has_cut());
    let again = until_ok("a take", async || store.take(key(1)).await).await;
    assert!(again.is_none());
    let stats: String = server.ask("INFO commandstats").await;
    let taken = stats.lines().find(|line| line.contains("_getdel:"));
    // One that was lost, and the last one. Those in between found no connection.
    assert!(taken.unwrap().contains(":calls=2,"), "{taken:?}");
}

#[tokio::test]
async fn a_cluster_whose_connection_falls_silent_is_reached_by_another_one() {
    let server = one_node().await;
    let proxy = proxy_of(&server).await;
    let redis = Redis::builder().cluster_lazy([proxy.url().as_str()]);
    let store = RedisTickets::new(redis.unwrap());
    until_ok("a claim", async || store.claim(key(0), TTL).await).await;
    proxy.silence();
    in_time(store.take(key(1))).await.unwrap_err();
    let first = soon(async || store.claim(key(0), TTL).await).await;
    assert!(!first);
}

#[tokio::test]
async fn a_cluster_is_reached_although_one_of_its_urls_never_answers() {
    let server = one_node().await;
    let (_listener, dark) = silent();
    let urls = [dark.as_str(), &server.url()];
    let store = RedisTickets::new(Redis::builder().cluster_lazy(urls).unwrap());
    until_ok("a claim", async || store.claim(key(0), TTL).await).await;
}

#[tokio::test]
async fn an_attempt_to_connect_ends_with_the_last_handle() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let builder = Redis::builder().timeout(Duration::from_millis(50));
    let redis = builder.connect_timeout(TTL).cluster_lazy([url.as_str()]);
    let redis = redis.unwrap();
    let accepted = bounded("a connection", listener.accept()).await;
    let (mut socket, _) = accepted.unwrap();
    redis.ping().await.unwrap_err();
    drop(redis);
    let mut sent = Vec::new();
    // Much longer than a ping waits, and shorter than a new handle tries.
    let soon = Duration::from_secs(30);
    let ends = timeout(soon, socket.read_to_end(&mut sent)).await;
    ends.expect("it goes on").unwrap();
}

/// The stores of one node of an application, with all keys of a kind in the slot of `{moved}`.
struct Stores {
    tickets: RedisTickets,
    sessions: RedisSessions,
    revocations: RedisRevocations,
}

impl Stores {
    fn new(redis: &Redis) -> Self {
        let tickets = RedisTickets::new(redis.clone()).prefix("{moved}:ticket:");
        Self {
            tickets: tickets.per_subject(u32::MAX),
            sessions: RedisSessions::new(redis.clone()).prefix("{moved}:sess:"),
            revocations: RedisRevocations::new(redis.clone(), TTL),
        }
    }
}

fn connect(builder: RedisBuilder, cluster: &Cluster) -> Redis {
    let urls = cluster.urls();
    builder
        .cluster_lazy(urls.iter().map(String::as_str))
        .unwrap()
}

/// Everything once, by two nodes. Each thing works, and nothing works twice.
async fn everything_works([here, there]: [&Stores; 2], n: usize) {
    let ticket = key(n);
    let issued = here.tickets.issue(ticket, vec![1], Some("ada"), TTL).await;
    issued.unwrap_or_else(|error| panic!("issue {n}: {error:?}"));
    let looked = there.tickets.peek(ticket).unwrap().await;
    assert!(looked.unwrap().is_some(), "peek {n}");
    let racers = [here, there, here, there];
    let taken = join_all(racers.map(|store| store.tickets.take(ticket))).await;
    let taken = taken
        .into_iter()
        .map(|taken| usize::from(taken.unwrap().is_some()));
    assert_eq!(taken.sum::<usize>(), 1, "take {n}");
    let claimed = join_all(racers.map(|store| store.tickets.claim(ticket, TTL))).await;
    let claimed = claimed
        .into_iter()
        .map(|claimed| usize::from(claimed.unwrap()));
    assert_eq!(claimed.sum::<usize>(), 1, "claim {n}");

    let id = sessions::id().await;
    assert!(
        here.sessions.create(&id, "{}", TTL).await.unwrap(),
        "create {n}"
    );
    let loaded = there.sessions.load(&id).await.unwrap();
    assert_eq!(loaded.unwrap().record, "{}", "load {n}");
    let replaced = here.sessions.replace(&id, "{}", "[]", TTL).await;
    assert_eq!(replaced.unwrap(), Replaced::Done, "replace {n}");
    let taken = join_all(racers.map(|store| store.sessions.take(&id))).await;
    let taken = taken
        .into_iter()
        .map(|taken| usize::from(taken.unwrap().is_some()));
    assert_eq!(taken.sum::<usize>(), 1, "logout {n}");

    // Two in the slot that is moved, and two elsewhere; of each kind one is revoked.
    let names = ["{moved}", "{moved}never", "user:", "never:"].map(|name| format!("{name}{n}"));
    let revocation = Revocation::at_micros(1 + n as u64, DisconnectReason::Revoked);
    for name in [&names[0], &names[2]] {
        let kept = here
            .revocations
            .record(name.as_str().into(), revocation.clone());
        assert_eq!(
            kept.await.unwrap(),
            Recorded::Written(revocation.clone()),
            "revoke {n}"
        );
    }
    let keys = names.map(RevocationKey::from).to_vec();
    let found = there.revocations.find(keys).await;
    let found = found.unwrap_or_else(|error| panic!("find {n}: {error:?}"));
    let revoked = Some(revocation);
    assert_eq!(found, [revoked.clone(), None, revoked, None], "find {n}");
}

/// Some things that are done all the time, until it is told to end.
struct Load {
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let nodes = [0, 1].map(|_| Arc::new(Stores::new(&connect(patient(), cluster))));
        let (next, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let stop = Arc::new(AtomicBool::new(false));
        let worker = |_| {
            let (nodes, next) = (nodes.clone(), Arc::clone(&next));
            let (done, stop) = (Arc::clone(&done), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    everything_works([&nodes[n % 2], &nodes[1 - n % 2]], n).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let workers = (0..4).map(worker).collect();
        Self {
            done,
            stop,
            workers,
        }
    }

    /// Waits until so much more has been done, and fails if a worker did.
    async fn goes_on(&mut self, rounds: usize) {
        let enough = self.done.load(Ordering::Relaxed) + rounds;
        until_ok("the load goes on", async || {
            if let Some(failed) = self.workers.iter().position(JoinHandle::is_finished) {
                self.workers.swap_remove(failed).await.unwrap();
            }
            self.done.load(Ordering::Relaxed) >= enough
        })
        .await;
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            bounded("the load ends", worker).await.unwrap();
        }
        self.done.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_moved_under_load_refuses_no_request_and_nothing_is_used_twice() {
    let masters = 3;
    let cluster = Cluster::start(masters, 0).await;
    let (slot, mut from) = cluster.slot("{moved}", masters).await;
    let rounds = of_tier(10, 50);
    let mut load = Load::start(&cluster);
    load.goes_on(rounds).await;
    for _ in 0..of_tier(2, 6) {
        let to = (from + 1) % masters;
        let (asked, moved) = (cluster.errors("ASK").await, cluster.errors("MOVED").await);
        // New keys are at one node and old ones at the other, for a while.
        cluster.begin_to_move(slot, from, to).await;
        load.goes_on(rounds).await;
        cluster.move_keys(slot, from, to).await;
        load.goes_on(rounds).await;
        assert!(cluster.errors("ASK").await > asked, "nobody was sent on");
        cluster.end_move(slot, to).await;
        load.goes_on(rounds).await;
        assert!(
            cluster.errors("MOVED").await > moved,
            "nobody was sent away"
        );
        from = to;
    }
    let done = load.end().await;
    println!("{done} rounds");
}

/// A client that is redirected looks the slot up again, so the next command goes to the new node.
#[tokio::test]
async fn a_transaction_that_meets_a_slot_that_has_moved_finds_it_and_so_do_the_next() {
    let masters = 3;
    let cluster = Cluster::start(masters, 0).await;
    let store = RedisTickets::new(connect(patient(), &cluster));
    let issue = async |n| {
        let issued = store.issue(key(n), vec![1], Some("ada"), TTL).await;
        issued.unwrap();
    };
    issue(0).await;
    // Only the count of that subject's tickets is there, which is a transaction.
    let mut counts = Vec::new();
    for node in &cluster.nodes {
        let found: Vec<String> = node.ask("KEYS wsauth:ticket:subject:*").await;
        counts.extend(found);
    }
    let (slot, from) = cluster.slot(&counts[0], masters).await;
    let to = (from + 1) % masters;
    cluster.begin_to_move(slot, from, to).await;
    issue(1).await;
    cluster.move_keys(slot, from, to).await;
    issue(2).await;
    cluster.end_move(slot, to).await;
    issue(3).await;
    bounded("the client has looked anew", async {
        let mut n = 4;
        loop {
            let before = cluster.errors("MOVED").await;
            issue(n).await;
            if cluster.errors("MOVED").await == before {
                return;
            }
            n += 1;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_is_unavailable_until_its_replica_is_promoted_and_nothing_is_used_twice()
{
    let masters = 3;
    let mut cluster = Cluster::start(masters, 3).await;
    let (_, dead) = cluster.slot("{moved}", masters).await;
    let replica = masters + dead;
    let nodes = [0, 1].map(|_| Stores::new(&connect(Redis::builder(), &cluster)));
    let nodes = [&nodes[0], &nodes[1]];
    until_ok("a claim", async || {
        nodes[0].tickets.claim(key(0), TTL).await
    })
    .await;
    let revocations = nodes.map(|node| Revocations::new(node.revocations.clone()));
    // Some are taken before it dies, some while it is dead, and some never.
    let tickets = 1..=of_tier(30, 300);
    for n in tickets.clone() {
        let (node, ticket) = (&nodes[n % 2].tickets, key(n));
        // One that had no answer in time may be there all the same.
        let issue = async || match node.issue(ticket, vec![1], Some("ada"), TTL).await {
            Err(_) => node.take(ticket).await.map(drop).map_err(drop).and(Err(())),
            Ok(()) => Ok(()),
        };
        until_ok("a ticket", issue).await;
    }
    let mut uses = vec![0; *tickets.end() + 1];
    for n in tickets.clone().step_by(3) {
        let taken = until_ok("a take", async || nodes[0].tickets.take(key(n)).await).await;
        uses[n] += usize::from(taken.is_some());
    }
    let claimed = until_ok("a claim", async || {
        nodes[1].tickets.claim(key(0), TTL).await
    })
    .await;
    assert!(!claimed);

    cluster.kill(dead, replica).await;
    for n in tickets.clone().skip(1).step_by(3).take(3) {
        for node in nodes {
            in_time(node.tickets.take(key(n))).await.unwrap_err();
            in_time(node.tickets.claim(key(0), TTL)).await.unwrap_err();
        }
    }
    let id = sessions::id().await;
    in_time(nodes[0].sessions.load(&id)).await.unwrap_err();
    cluster.fails_over(dead, replica).await;

    // Without a restart or any other intervention.
    for node in nodes {
        until_ok("a peek", async || node.tickets.peek(key(1)).unwrap().await).await;
    }
    for n in tickets.clone() {
        let racers = [nodes[0], nodes[1], nodes[0], nodes[1]];
        let racers = racers.map(|node| async move {
            until_ok("a take", async || node.tickets.take(key(n)).await).await
        });
        let taken = join_all(racers).await;
        uses[n] += taken.into_iter().flatten().count();
    }
    assert!(uses.iter().all(|&uses| uses <= 1), "{uses:?}");
    println!(
        "{} of {} tickets were good",
        uses.iter().sum::<usize>(),
        uses.len() - 1
    );
    let again = until_ok("a claim", async || {
        nodes[0].tickets.claim(key(0), TTL).await
    })
    .await;
    assert!(!again, "a claim is undone");
    // A revocation on one node is heard on the other.
    for (n, node) in revocations.iter().enumerate() {
        let name = format!("{{moved}}user:{n}");
        let revoke = async || node.revoke(&name, DisconnectReason::Revoked).await;
        until_ok("a revocation", revoke).await;
        let keys = vec![RevocationKey::from(name)];
        let other = &nodes[1 - n].revocations;
        let found = until_ok("a look", async || other.find(keys.clone()).await).await;
        assert!(found[0].is_some());
    }
    everything_works(nodes, 1_000_000).await;
}

/// The client has one task for all commands, and more than it can poll at a time may starve some.
#[tokio::test]
async fn no_command_is_overtaken_by_thousands() {
    const AT_ONCE: usize = 600;
    let masters = 3;
    let cluster = Cluster::start(masters, 0).await;
    let builder = patient().max_in_flight(4 * AT_ONCE);
    let store = RedisTickets::new(connect(builder, &cluster));
    until_ok("a claim", async || store.claim(key(0), TTL).await).await;
    let (next, done) = (AtomicUsize::new(1), AtomicUsize::new(0));
    let rounds = of_tier(20_000, 100_000);
    let asking = (0..AT_ONCE).map(async |_| {
        let mut longest = 0;
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n > rounds {
                return longest;
            }
            let before = done.load(Ordering::Relaxed);
            let taken = store.take(key(n)).await;
            assert!(taken.unwrap().is_none());
            let meanwhile = done.fetch_add(1, Ordering::Relaxed) - before;
            longest = longest.max(meanwhile);
        }
    });
    let longest = join_all(asking).await.into_iter().max().unwrap();
    println!("at most {longest} of {rounds} were answered while one waited");
    assert!(longest < 4 * AT_ONCE, "{longest} overtook it");
}

/// Its machine is gone, so connections to it are neither broken nor refused.
#[tokio::test]
async fn a_master_that_falls_silent_fails_its_own_keys_alone_until_its_replica_is_promoted() {
    let masters = 3;
    let cluster = Cluster::start(masters, 3).await;
    let (_, dark) = cluster.slot("{moved}", masters).await;
    let replica = masters + dark;
    let mut n = 0;
    let elsewhere = loop {
        let prefix = format!("{{{n}}}");
        if cluster.slot(&prefix, masters).await.1 != dark {
            break prefix;
        }
        n += 1;
    };
    let builder = Redis::builder().timeout(Duration::from_millis(300));
    let builder = builder.connect_timeout(Duration::from_millis(200));
    let redis = connect(builder, &cluster);
    let other = RedisTickets::new(redis.clone()).prefix(elsewhere);
    let store = Stores::new(&redis).tickets;
    let claim = async |store: &RedisTickets, n| {
        until_ok("a claim", async || store.claim(key(n), TTL).await).await
    };
    claim(&store, 0).await;
    let redirected = async || {
        let mut redirected = 0;
        for n in (0..cluster.nodes.len()).filter(|&n| n != dark) {
            redirected += cluster.errors_of(n, "MOVED").await;
        }
        redirected
    };
    let before = redirected().await;

    cluster.nodes[dark].pause();
    for n in 1..8 {
        store.claim(key(n), TTL).await.unwrap_err();
        claim(&other, n).await;
    }
    // A client without a connection to a master asks its replica, and holds up everything else
    // while it tries to connect.
    assert_eq!(redirected().await, before);
    cluster.fails_over(dark, replica).await;
    claim(&store, 8).await;
}
