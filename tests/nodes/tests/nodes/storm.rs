//! Many users log in and out, are banned, mint and reconnect on two nodes. The clocks of the nodes
//! differ, and their ways to Redis are slow and break, by chance. Each user knows which credentials
//! must be refused, which connections must end, and that no other connection ends.
//!
//! `SUITE_TIER=assure cargo nextest run -p node-tests --all-features -- storm` makes it a long one.
//! It prints its seed; `STORM_SEED=…` repeats the same storm, as far as the machine does.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use futures_util::future::join_all;
use node_tests::{LongWay, Node};
use test_servers::{Proxy, Server};
use test_support::{Random, of_tier};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::PROGRAM;

/// By how many seconds a clock is wrong at most. Two of them differ by the allowed skew at most.
const WRONG: u32 = 30;
/// The longest delays of the ways to Redis, in milliseconds.
const WAYS: [u64; 4] = [0, 5, 50, 150];
/// The time that a revoked connection may stay open, from the answer or from the end of a cut. It
/// is the bound of SECURITY.md for news and for a node that is back, and some time for a slow
/// machine.
const BOUND: Duration = Duration::from_secs(20);

/// A node, and the way to Redis that breaks.
struct Place {
    node: Node,
    way: Proxy,
    mended: Mutex<Instant>,
}

impl Place {
    async fn new(server: &Server, mut random: Random) -> Self {
        let longest = random.of(&WAYS);
        let wrong = random.next() % u64::from(2 * WRONG + 1);
        let wrong = i64::try_from(wrong).unwrap() - i64::from(WRONG);
        println!("a node that is {longest} ms from Redis, and {wrong} s ahead");
        let delays = Duration::ZERO..=Duration::from_millis(longest);
        let long = LongWay::varying(server.port(), delays, random.next()).await;
        let way = Proxy::to(long.port()).await;
        Self {
            node: Node::start_with_clock(PROGRAM, &way.url(), wrong).await,
            way,
            mended: Mutex::new(Instant::now()),
        }
    }

    async fn cut(&self, random: &mut Random) {
        self.way.sever();
        pause(random, 200..1000).await;
        self.way.mend();
        *self.mended.lock().unwrap() = Instant::now();
    }
}

/// The outcome of a handshake.
enum Met {
    Open(Life),
    /// The token of the refusal.
    Refused(String),
}

/// A socket that was welcomed.
struct Life {
    place: usize,
    /// Ready with the last word of the server.
    ended: JoinHandle<String>,
}

impl Met {
    fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

/// A credential, and where it is shown.
#[derive(Clone, Debug)]
enum Shown {
    Cookie(String),
    Token(String),
    Ticket(String),
}

#[derive(Default)]
struct Counts {
    done: AtomicU64,
    minted: AtomicU64,
    logouts: AtomicU64,
    bans: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
    unavailable: AtomicU64,
}

struct Storm {
    places: [Place; 2],
    counts: Counts,
}

impl Storm {
    async fn show(&self, at: usize, shown: &Shown) -> Met {
        let node = &self.places[at].node;
        let origin = node.origin();
        let (path, cookie) = match shown {
            Shown::Cookie(cookie) => ("/session".to_owned(), cookie.as_str()),
            Shown::Token(token) => (format!("/jwt?token={token}"), ""),
            Shown::Ticket(ticket) => (format!("/ticket?ticket={ticket}"), ""),
        };
        let fields = [("origin", origin.as_str()), ("cookie", cookie)];
        let met = match socket_tests::handshake(node.address, &path, &fields).await {
            Ok(client) => welcomed(at, client).await,
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                Met::Refused(String::from_utf8(body).unwrap())
            }
            Err(error) => panic!("{error}"),
        };
        let counter = match &met {
            Met::Open(_) => &self.counts.opened,
            Met::Refused(token) if token == "unavailable" => &self.counts.unavailable,
            Met::Refused(_) => &self.counts.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        met
    }

    /// It was revoked before this was called: it ends in time.
    async fn ends(&self, life: Life, what: &str) {
        let mut ended = life.ended;
        let began = Instant::now();
        loop {
            let from = began.max(*self.places[life.place].mended.lock().unwrap());
            let Some(left) = BOUND.checked_sub(from.elapsed()) else {
                panic!("a socket is open {BOUND:?} after {what}");
            };
            if timeout(left, &mut ended).await.is_ok() {
                return;
            }
        }
    }
}

/// Waits for the first word, and reads to the end in the background.
async fn welcomed(place: usize, mut client: socket_tests::Client) -> Met {
    let (said, first) = oneshot::channel();
    let ended = tokio::spawn(async move {
        let mut said = Some(said);
        let mut last = "no close frame".to_owned();
        while let Some(Ok(message)) = client.next().await {
            let word = match message {
                Message::Close(Some(frame)) => {
                    frame.reason.as_str().clone_into(&mut last);
                    Err(last.clone())
                }
                Message::Text(_) => Ok(()),
                _ => continue,
            };
            let _ = said.take().map(|said| said.send(word));
        }
        last
    });
    let first = timeout(socket_tests::PATIENCE, first).await;
    match first.expect("no word") {
        Ok(Ok(())) => Met::Open(Life { place, ended }),
        Ok(Err(reason)) => Met::Refused(reason),
        // It ended without a word, as one that is revoked in this moment.
        Err(_) => Met::Refused("lost".to_owned()),
    }
}

/// One user, with actions one after the other, and some at once.
struct User {
    name: String,
    random: Random,
    storm: Arc<Storm>,
    cookie: Option<String>,
    tokens: Vec<String>,
    /// The credentials that must never be accepted again.
    dead: VecDeque<Shown>,
    /// When a ban failed: it may be written later by the node that was asked.
    ban_failed: Option<Instant>,
    /// By the cookie.
    by_session: Vec<Life>,
    by_token: Vec<Life>,
}

impl User {
    fn place(&mut self) -> usize {
        self.random.below(2)
    }

    fn node(&mut self) -> Node {
        let place = self.place();
        self.storm.places[place].node.clone()
    }

    fn is_dead(&mut self, shown: Shown) {
        self.dead.push_back(shown);
        if self.dead.len() > 8 {
            self.dead.pop_front();
        }
    }

    async fn acts(&mut self) {
        self.keeps_what_is_good().await;
        let Some(cookie) = self.cookie.clone() else {
            return self.logs_in().await;
        };
        match self.random.below(100) {
            0..30 => self.opens(&cookie).await,
            30..45 => self.mints_a_token(&cookie).await,
            45..60 => self.uses_a_ticket_twice(&cookie).await,
            60..75 => self.shows_a_dead_credential().await,
            75..88 => self.logs_out(&cookie).await,
            _ => self.is_banned(&cookie).await,
        }
        for open in [&mut self.by_session, &mut self.by_token] {
            let late = open.len().saturating_sub(3);
            open.drain(..late).for_each(|life| life.ended.abort());
        }
        self.counts(|counts| &counts.done);
    }

    fn counts(&self, what: impl FnOnce(&Counts) -> &AtomicU64) {
        what(&self.storm.counts).fetch_add(1, Ordering::Relaxed);
    }

    /// No socket has ended without a reason.
    async fn keeps_what_is_good(&mut self) {
        let open = self.by_session.iter_mut().chain(&mut self.by_token);
        let over = open.filter(|life| life.ended.is_finished());
        let over: Vec<_> = over.map(|life| &mut life.ended).collect();
        let reasons = join_all(over).await;
        if let Some(reason) = reasons.into_iter().next() {
            self.is_refused(&format!("the end of a socket: {}", reason.unwrap()));
        }
    }

    async fn logs_in(&mut self) {
        let body = format!(r#"{{"user":"{}"}}"#, self.name);
        let answer = self.node().post("/login", "", &body).await;
        match answer.status {
            204 => self.cookie = answer.cookie(),
            503 => {}
            other => panic!("a login is answered {other}"),
        }
    }

    /// A valid credential is admitted by either node, unless Redis is unavailable.
    async fn opens(&mut self, cookie: &str) {
        let shown = match self.tokens.last() {
            Some(token) if self.random.below(2) == 0 => Shown::Token(token.clone()),
            _ => Shown::Cookie(cookie.to_owned()),
        };
        let at = self.place();
        match (self.storm.show(at, &shown).await, &shown) {
            (Met::Open(life), Shown::Cookie(_)) => self.by_session.push(life),
            (Met::Open(life), _) => self.by_token.push(life),
            (Met::Refused(token), _) if token == "unavailable" => {}
            (Met::Refused(token), _) => self.is_refused(&token),
        }
    }

    /// Valid by all that is known: only a failed ban can have been written since.
    fn is_refused(&mut self, token: &str) {
        let is_uncertain = self.ban_failed.is_some_and(|at| at.elapsed() < BOUND);
        assert!(is_uncertain, "{} reads {token}", self.name);
        for life in self.ends_all() {
            life.ended.abort();
        }
        self.tokens.clear();
    }

    async fn mints_a_token(&mut self, cookie: &str) {
        let answer = self.node().post("/token", cookie, r#"{"ttl":600}"#).await;
        self.counts(|counts| &counts.minted);
        match answer.status {
            200 => self.tokens.push(text(&answer.json()["token"])),
            503 => {}
            _ => self.is_refused(&answer.body),
        }
    }

    async fn uses_a_ticket_twice(&mut self, cookie: &str) {
        let answer = self.node().post("/ticket", cookie, "").await;
        self.counts(|counts| &counts.minted);
        match answer.status {
            200 => {}
            503 => return,
            _ => return self.is_refused(&answer.body),
        }
        let ticket = Shown::Ticket(text(&answer.json()["ticket"]));
        let (one, other) = (self.place(), self.place());
        let storm = Arc::clone(&self.storm);
        let met = tokio::join!(storm.show(one, &ticket), storm.show(other, &ticket));
        let open = [&met.0, &met.1].into_iter().filter(|met| met.is_open());
        assert!(open.count() <= 1, "a ticket was good for two");
        for met in [met.0, met.1] {
            if let Met::Open(life) = met {
                life.ended.abort();
            }
        }
        // A ticket whose answer was lost may still exist. A used one is dead.
        self.is_dead_once_used(ticket).await;
    }

    async fn is_dead_once_used(&mut self, ticket: Shown) {
        for _ in 0..2 {
            let at = self.place();
            match self.storm.show(at, &ticket).await {
                Met::Open(life) => life.ended.abort(),
                Met::Refused(token) if token == "ticket_invalid" => {
                    return self.is_dead(ticket);
                }
                Met::Refused(_) => {}
            }
        }
    }

    async fn shows_a_dead_credential(&mut self) {
        let Some(shown) = self.dead.back().cloned() else {
            return;
        };
        let at = self.place();
        if let Met::Refused(token) = self.storm.show(at, &shown).await {
            let told = [
                "session_invalid",
                "token_invalid",
                "ticket_invalid",
                "unavailable",
            ];
            assert!(told.contains(&&*token), "{token}");
            return;
        }
        panic!("{} was let in again by {shown:?}", self.name);
    }

    /// While handshakes are under way.
    async fn logs_out(&mut self, cookie: &str) {
        let (storm, node) = (Arc::clone(&self.storm), self.node());
        let shown = Shown::Cookie(cookie.to_owned());
        let places = [self.place(), self.place()];
        let racers = join_all(places.map(|at| storm.show(at, &shown)));
        let (answer, met) = tokio::join!(node.post("/logout", cookie, ""), racers);
        self.counts(|counts| &counts.logouts);
        for met in met {
            match met {
                Met::Open(life) => self.by_session.push(life),
                Met::Refused(_) => {}
            }
        }
        // A credential minted for a session ends with it.
        let tokens = std::mem::take(&mut self.tokens);
        let open = self.ends_all();
        if answer.status != 204 {
            assert_eq!(answer.status, 503, "for a logout");
            // Its outcome is unknown.
            for life in open {
                life.ended.abort();
            }
            return;
        }
        join_all(open.into_iter().map(|life| storm.ends(life, "a logout"))).await;
        for shown in tokens.into_iter().map(Shown::Token).chain([shown]) {
            self.is_dead(shown);
            self.shows_a_dead_credential().await;
        }
    }

    /// The user's open sockets, of which none may stay; the session is over.
    fn ends_all(&mut self) -> Vec<Life> {
        self.cookie = None;
        let mut open = std::mem::take(&mut self.by_session);
        open.append(&mut self.by_token);
        open
    }

    /// While handshakes and mintings are under way.
    async fn is_banned(&mut self, cookie: &str) {
        let (storm, node) = (Arc::clone(&self.storm), self.node());
        let minting = [self.node(), self.node()];
        let mut shown = vec![Shown::Cookie(cookie.to_owned())];
        shown.extend(self.tokens.drain(..).map(Shown::Token));
        let places: Vec<_> = shown.iter().map(|_| self.place()).collect();
        let racers = shown.iter().zip(places);
        let racers = join_all(racers.map(|(shown, at)| storm.show(at, shown)));
        let body = format!(r#"{{"user":"{}"}}"#, self.name);
        let (answer, met, token, ticket) = tokio::join!(
            node.post("/revoke", cookie, &body),
            racers,
            minting[0].post("/token", cookie, r#"{"ttl":600}"#),
            minting[1].post("/ticket", cookie, ""),
        );
        self.counts(|counts| &counts.bans);
        for met in met {
            match met {
                Met::Open(life) => self.by_token.push(life),
                Met::Refused(_) => {}
            }
        }
        let open = self.ends_all();
        if answer.status != 204 {
            for life in open {
                life.ended.abort();
            }
            if answer.status != 503 {
                self.is_refused(&answer.body);
            }
            self.ban_failed = Some(Instant::now());
            return;
        }
        join_all(open.into_iter().map(|life| storm.ends(life, "a ban"))).await;
        // A credential minted meanwhile was minted for an earlier session.
        if token.status == 200 {
            shown.push(Shown::Token(text(&token.json()["token"])));
        }
        if ticket.status == 200 {
            shown.push(Shown::Ticket(text(&ticket.json()["ticket"])));
        }
        for shown in shown {
            self.is_dead(shown);
            self.shows_a_dead_credential().await;
        }
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// That of the environment, or another one each time.
fn seed() -> u64 {
    let of_now = || {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap()
    };
    std::env::var("STORM_SEED").map_or_else(|_| of_now(), |seed| seed.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_or_left_open_that_was_revoked() {
    let time = of_tier(Duration::from_secs(5), Duration::from_secs(120));
    let users = of_tier(60, 200);
    let seed = seed();
    println!("STORM_SEED={seed}");
    let mut random = Random::new(seed);
    let mut fork = || Random::new(random.next());
    let server = Server::start();
    let (here, there) = tokio::join!(Place::new(&server, fork()), Place::new(&server, fork()));
    let storm = Arc::new(Storm {
        places: [here, there],
        counts: Counts::default(),
    });
    let began = Instant::now();
    let users = (0..users).map(|n| {
        let mut user = User {
            name: format!("user-{n}"),
            random: fork(),
            storm: Arc::clone(&storm),
            cookie: None,
            tokens: Vec::new(),
            dead: VecDeque::new(),
            ban_failed: None,
            by_session: Vec::new(),
            by_token: Vec::new(),
        };
        tokio::spawn(async move {
            while began.elapsed() < time {
                user.acts().await;
                pause(&mut user.random, 0..600).await;
            }
        })
    });
    let users: Vec<_> = users.collect();
    let cutting = {
        let (storm, mut random) = (Arc::clone(&storm), fork());
        tokio::spawn(async move {
            while began.elapsed() < time {
                pause(&mut random, 1000..4000).await;
                let place = &storm.places[random.below(2)];
                place.cut(&mut random).await;
            }
        })
    };
    for user in users {
        user.await.unwrap();
    }
    cutting.await.unwrap();
    storm.counts.print(began.elapsed());
}

/// Of so many milliseconds.
async fn pause(random: &mut Random, millis: Range<usize>) {
    let more = random.below(millis.len());
    sleep(Duration::from_millis((millis.start + more) as u64)).await;
}

impl Counts {
    fn print(&self, took: Duration) {
        let [done, minted, logouts, bans] = [&self.done, &self.minted, &self.logouts, &self.bans]
            .map(|counter| counter.load(Ordering::Relaxed));
        let [opened, refused, unavailable] = [&self.opened, &self.refused, &self.unavailable]
            .map(|counter| counter.load(Ordering::Relaxed));
        let handshakes = opened + refused + unavailable;
        let rate = (minted + logouts + bans + handshakes) / took.as_secs().max(1);
        println!(
            "{done} acts in {took:.1?}, {rate} requests a second: {minted} mintings, \
             {logouts} logouts, {bans} bans, {handshakes} handshakes, of which {opened} opened, \
             {refused} were refused and {unavailable} found no Redis"
        );
        assert!(opened > 0 && refused > 0 && unavailable < opened);
        assert!(minted > 0 && logouts > 0 && bans > 0);
    }
}
