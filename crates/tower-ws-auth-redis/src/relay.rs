use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use redis::cmd;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tower_ws_auth_core::BoxFuture;
use tower_ws_auth_core::relay::{Answers, NodeRelay, RelayError};

use crate::{Redis, RedisError};

/// Carries questions between the nodes over Redis, such as renewals of connections.
///
/// A question is published to all nodes, and the one that can answer publishes its answer to the
/// node that asks: two commands. A renewal on another node costs these two and the question about
/// revocations, which comes first: nothing leaves a node before the whole strategy has accepted the
/// credential. What is published is not kept. A node that is cut off from Redis
/// neither asks nor answers.
///
/// Its user needs the channels `&wsauth:relay &wsauth:relay:*` besides those of
/// [the other stores](crate#access). Anyone who can publish there can give a connection any
/// identity of its user.
#[derive(Clone)]
pub struct RedisRelay(Arc<Inner>);

struct Inner {
    redis: Redis,
    prefix: String,
    /// Of this node, random.
    node: String,
    timeout: Duration,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Vec<u8>>>>,
    /// The subscriptions that it has now: one for each that is attached.
    listening: AtomicUsize,
    answering: Arc<Semaphore>,
}

/// A question or an answer, as it is published.
#[derive(Serialize, Deserialize)]
struct Letter {
    /// The node that asks.
    node: String,
    number: u64,
    body: String,
}

/// How many questions of others are answered at a time.
const MOST: usize = 256;
/// The pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);
/// The interval of checks for a live connection.
const LOOK: Duration = Duration::from_secs(1);

impl RedisRelay {
    /// Uses the channels `wsauth:relay` and `wsauth:relay:<node>`, and waits a second for an
    /// answer.
    ///
    /// # Errors
    ///
    /// The system has no entropy for the name of this node.
    pub fn new(redis: Redis) -> Result<Self, RelayError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| RelayError::new(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            redis,
            prefix: "wsauth:relay".to_owned(),
            node: format!("{:032x}", u128::from_be_bytes(bytes)),
            timeout: Duration::from_secs(1),
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
            listening: AtomicUsize::new(0),
            answering: Arc::new(Semaphore::new(MOST)),
        })))
    }

    /// Sets the prefix of the channels. Applications that share a Redis need different prefixes.
    /// Set it first: it starts anew.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        self.with(|inner| inner.prefix = prefix)
    }

    /// How long to wait for an answer. A second by default.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|inner| inner.timeout = timeout)
    }

    /// Whether it is subscribed, so that it can ask and answer.
    pub fn is_listening(&self) -> bool {
        self.0.is_listening()
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let old = &*self.0;
        let mut inner = Inner {
            redis: old.redis.clone(),
            prefix: old.prefix.clone(),
            node: old.node.clone(),
            timeout: old.timeout,
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
            listening: AtomicUsize::new(0),
            answering: Arc::new(Semaphore::new(MOST)),
        };
        change(&mut inner);
        Self(Arc::new(inner))
    }
}

impl Inner {
    fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Acquire) > 0
    }

    fn channel_of(&self, node: &str) -> String {
        format!("{}:{node}", self.prefix)
    }

    async fn publish(&self, channel: &str, letter: &Letter) -> Result<(), RedisError> {
        // Texts and a number can always be serialized.
        let letter = serde_json::to_vec(letter).unwrap_or_default();
        let mut publish = cmd("PUBLISH");
        publish.arg(channel).arg(letter);
        let _receivers: u64 = self.redis.ask(&publish).await?;
        Ok(())
    }

    async fn ask(self: Arc<Self>, question: Vec<u8>) -> Result<Option<Vec<u8>>, RelayError> {
        if !self.is_listening() {
            return Err(RelayError::new("this node does not hear from Redis"));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting().insert(number, answer);
        let _forget = Forget(&self, number);
        let letter = Letter {
            node: self.node.clone(),
            number,
            body: STANDARD.encode(question),
        };
        let published = self.publish(&self.prefix, &letter).await;
        published.map_err(RelayError::new)?;
        Ok(timeout(self.timeout, answered)
            .await
            .ok()
            .and_then(Result::ok))
    }

    async fn run(self: Arc<Self>, here: Weak<Answers>) {
        while here.strong_count() > 0 {
            // Until the subscription breaks.
            let _ = self.listen(&here).await;
            sleep(PAUSE).await;
        }
    }

    async fn listen(self: &Arc<Self>, here: &Weak<Answers>) -> Result<(), RedisError> {
        let (mut sink, mut stream) = self.redis.subscribe(&self.prefix).await?;
        let own = self.channel_of(&self.node);
        let subscribing = async { Ok(sink.subscribe(&own).await?) };
        self.redis.within(subscribing, |late| late).await?;
        let _listening = Listening::begin(&self.listening);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = stream.next() => {
                    let gone = RedisError::Connection(std::io::ErrorKind::UnexpectedEof);
                    let message = message.ok_or(gone)?;
                    let is_answer = message.get_channel_name() == own;
                    let letter = serde_json::from_slice(message.get_payload_bytes());
                    if let Ok(letter) = letter {
                        self.receive(letter, is_answer, here);
                    }
                }
                _ = look.tick() => {
                    if here.strong_count() == 0 {
                        return Ok(());
                    }
                    // A connection whose peer died silently looks open for minutes.
                    let alive = async { Ok(sink.ping::<()>().await?) };
                    self.redis.within(alive, |late| late).await?;
                }
            }
        }
    }

    fn receive(self: &Arc<Self>, letter: Letter, is_answer: bool, here: &Weak<Answers>) {
        let Ok(body) = STANDARD.decode(&letter.body) else {
            return;
        };
        if is_answer {
            if let Some(waiting) = self.waiting().remove(&letter.number) {
                let _ = waiting.send(body);
            }
            return;
        }
        // Its own question, or a name that could be another channel's.
        let is_node = letter.node.len() == 32 && letter.node.bytes().all(|b| b.is_ascii_hexdigit());
        if letter.node == self.node || !is_node {
            return;
        }
        let (Some(here), Ok(permit)) = (
            here.upgrade(),
            Arc::clone(&self.answering).try_acquire_owned(),
        ) else {
            return;
        };
        let inner = Arc::clone(self);
        let runtime = self.redis.runtime();
        runtime.spawn(async move {
            if let Some(answer) = here(body).await {
                let channel = inner.channel_of(&letter.node);
                let answer = Letter {
                    body: STANDARD.encode(answer),
                    ..letter
                };
                // Who asks is told by the timeout that none came.
                let _ = inner.publish(&channel, &answer).await;
            }
            drop(permit);
        });
    }

    /// Nothing under the lock panics.
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Vec<u8>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a subscription for as long as it lasts.
struct Listening<'a>(&'a AtomicUsize);

impl<'a> Listening<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Release);
        Self(count)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Forgets a question when nobody waits for its answer.
struct Forget<'a>(&'a Inner, u64);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.waiting().remove(&self.1);
    }
}

impl NodeRelay for RedisRelay {
    fn ask(&self, question: Vec<u8>) -> BoxFuture<Result<Option<Vec<u8>>, RelayError>> {
        Box::pin(Arc::clone(&self.0).ask(question))
    }

    fn attach(&self, here: Weak<Answers>) {
        let inner = Arc::clone(&self.0);
        self.0.redis.runtime().spawn(inner.run(here));
    }
}

impl fmt::Debug for RedisRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRelay")
            .field("prefix", &self.0.prefix)
            .field("timeout", &self.0.timeout)
            .finish_non_exhaustive()
    }
}
