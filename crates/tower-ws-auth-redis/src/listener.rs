use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tower_ws_auth_core::revocation::{DisconnectReason, LocalConnections};

use crate::revocations::Shared;
use crate::{RedisError, trace, wire_format};

/// Receives the revocations of other nodes, for as long as this node needs them.
pub(crate) struct Listener {
    shared: Arc<Shared>,
    here: LocalConnections,
    /// How long connections may stay open without news, if that is bounded.
    silence: Option<Duration>,
}

/// The state of the subscription.
struct Hearing {
    /// Whether it receives news, for the log.
    is_on: bool,
    /// The last moment up to which no news was missed.
    heard: Instant,
    /// When all keys were last looked up.
    asked: Instant,
}

/// The pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);
/// The interval of checks for a live connection and for unwritten revocations.
const LOOK: Duration = Duration::from_secs(1);
/// The interval of lookups for every open connection. Published news may be lost.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// The number of keys in one lookup.
const KEYS: usize = 256;

impl Listener {
    pub(crate) fn new(
        shared: Arc<Shared>,
        here: LocalConnections,
        silence: Option<Duration>,
    ) -> Self {
        Self {
            shared,
            here,
            silence,
        }
    }

    pub(crate) async fn run(self) {
        let mut hearing = Hearing {
            is_on: true,
            heard: Instant::now(),
            asked: Instant::now(),
        };
        while !self.here.is_gone() {
            let listened = async {
                let (sink, stream) = self.shared.redis.subscribe(self.shared.channel()).await?;
                self.listen(sink, stream, &mut hearing).await
            };
            if let Err(error) = listened.await
                && std::mem::take(&mut hearing.is_on)
            {
                trace::deaf(&error);
            }
            // If subscribing fails, a lookup may still succeed.
            if hearing.asked.elapsed() > ASK_AGAIN {
                let _ = self.ask_about_everything(&mut hearing).await;
            }
            let is_silent = |limit| hearing.heard.elapsed() > limit;
            if self.silence.is_some_and(is_silent) {
                self.here.end_all(&DisconnectReason::GoingAway).await;
            }
            sleep(PAUSE).await;
        }
    }

    async fn listen(
        &self,
        mut sink: PubSubSink,
        mut stream: PubSubStream,
        hearing: &mut Hearing,
    ) -> Result<(), RedisError> {
        // Whatever else takes its time, news is not kept waiting.
        let mut look = pin!(self.look(&mut sink, hearing));
        loop {
            tokio::select! {
                message = stream.next() => {
                    let gone = RedisError::Connection(std::io::ErrorKind::UnexpectedEof);
                    let message = message.ok_or(gone)?;
                    if let Some((key, revocation)) = wire_format::hear(message.get_payload_bytes()) {
                        self.here.revoked(&key, &revocation).await;
                    }
                }
                looked = &mut look => return looked,
            }
        }
    }

    /// Asks about what may have been missed, writes what could not be written, and checks that the
    /// connection lives.
    async fn look(&self, sink: &mut PubSubSink, hearing: &mut Hearing) -> Result<(), RedisError> {
        // News is heard from now on. Older revocations are looked up.
        self.ask_about_everything(hearing).await?;
        hearing.is_on = true;
        trace::listening();
        tokio::select! {
            looked = self.look_again(sink, hearing) => looked,
            () = self.catch_up() => Ok(()),
        }
    }

    async fn look_again(
        &self,
        sink: &mut PubSubSink,
        hearing: &mut Hearing,
    ) -> Result<(), RedisError> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            if self.here.is_gone() {
                return Ok(());
            }
            // A connection whose peer died silently looks open for minutes.
            let alive = async { Ok(sink.ping::<()>().await?) };
            self.shared.redis.within(alive, |late| late).await?;
            hearing.heard = Instant::now();
            if hearing.asked.elapsed() > ASK_AGAIN {
                self.ask_about_everything(hearing).await?;
            }
        }
    }

    /// Writes what could not be written, for as long as it is polled. A failure is retried.
    async fn catch_up(&self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let _ = self.shared.catch_up().await;
        }
    }

    async fn ask_about_everything(&self, hearing: &mut Hearing) -> Result<(), RedisError> {
        let began = Instant::now();
        for keys in self.here.keys().chunks(KEYS) {
            let found = self.shared.find(keys.iter().map(|key| &**key)).await?;
            for (key, revocation) in keys.iter().zip(found) {
                if let Some(revocation) = revocation {
                    self.here.revoked(key, &revocation).await;
                }
            }
        }
        (hearing.heard, hearing.asked) = (began, began);
        Ok(())
    }
}
