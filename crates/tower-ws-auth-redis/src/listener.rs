use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tower_ws_auth_core::revocation::LocalConnections;

use crate::revocations::Shared;
use crate::{RedisError, news, trace};

/// Hears what other nodes revoke, for as long as somebody here wants to know.
pub(crate) struct Listener {
    shared: Arc<Shared>,
    here: LocalConnections,
}

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two looks at whether the connection lives, and at what is left to write.
const LOOK: Duration = Duration::from_secs(1);
/// Between two questions about every open connection. What is published may be lost.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// How many keys one question names.
const KEYS: usize = 256;

impl Listener {
    pub(crate) fn new(shared: Arc<Shared>, here: LocalConnections) -> Self {
        Self { shared, here }
    }

    pub(crate) async fn run(self) {
        let mut listening = true;
        while !self.here.is_gone() {
            let listened = async {
                let (sink, stream) = self.shared.redis.subscribe(self.shared.channel()).await?;
                self.listen(sink, stream, &mut listening).await
            };
            if let Err(error) = listened.await
                && std::mem::take(&mut listening)
            {
                trace::deaf(&error);
            }
            sleep(PAUSE).await;
        }
    }

    async fn listen(
        &self,
        mut sink: PubSubSink,
        mut stream: PubSubStream,
        listening: &mut bool,
    ) -> Result<(), RedisError> {
        // What is published from now on waits in the stream; what was before, is asked for.
        self.ask_about_everything().await?;
        *listening = true;
        trace::listening();
        let mut asked = Instant::now();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = stream.next() => {
                    let gone = RedisError::Connection(std::io::ErrorKind::UnexpectedEof);
                    let message = message.ok_or(gone)?;
                    if let Some((key, revocation)) = news::hear(message.get_payload_bytes()) {
                        self.here.revoked(&key, &revocation).await;
                    }
                }
                _ = look.tick() => {
                    if self.here.is_gone() {
                        return Ok(());
                    }
                    // One whose other end died without a word looks open for minutes.
                    let alive = async { Ok(sink.ping::<()>().await?) };
                    self.shared.redis.within(alive, |late| late).await?;
                    // If it fails it is tried again; what was heard does not suffer for it.
                    let _ = self.shared.catch_up().await;
                    if asked.elapsed() > ASK_AGAIN {
                        self.ask_about_everything().await?;
                        asked = Instant::now();
                    }
                }
            }
        }
    }

    async fn ask_about_everything(&self) -> Result<(), RedisError> {
        for keys in self.here.keys().chunks(KEYS) {
            let found = self.shared.find(keys.iter().map(|key| &**key)).await?;
            for (key, revocation) in keys.iter().zip(found) {
                if let Some(revocation) = revocation {
                    self.here.revoked(key, &revocation).await;
                }
            }
        }
        Ok(())
    }
}
