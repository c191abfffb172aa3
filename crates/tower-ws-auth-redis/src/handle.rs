use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{PubSubSink, PubSubStream};
use redis::{Cmd, FromRedisValue, Pipeline, RedisResult};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::connection::{Link, Wire};
use crate::state::{InFlight, Place, State};
use crate::{RedisBuilder, RedisError};

/// One connection to Redis, for all stores of a process. A clone shares it.
///
/// Commands of all callers travel on it at once, so there is no pool to size. It reconnects by
/// itself when Redis is back. No command is ever sent twice: a command without an answer may have
/// been carried out.
///
/// It connects in the Tokio runtime in which it was built, and fails once that one has ended.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

/// The kind of a credential's lookup.
#[derive(Clone, Copy)]
pub(crate) enum Lookup {
    Ticket,
    Session,
}

struct Inner {
    link: Link,
    timeout: Duration,
    in_flight: InFlight,
    /// Of these, the lookups of credentials that are not yet verified.
    ticket_lookups: InFlight,
    session_lookups: InFlight,
    state: State,
    runtime: Handle,
}

impl Redis {
    /// Connects with the defaults of the [builder](Self::builder).
    ///
    /// # Errors
    ///
    /// Redis does not answer or refuses the credentials, or the URL is invalid. To start an
    /// application without Redis, use [`connect_lazy`](Self::connect_lazy).
    pub async fn connect(url: &str) -> Result<Self, RedisError> {
        Self::builder().connect(url).await
    }

    /// Starts to connect with the defaults of the [builder](Self::builder), and does not wait for
    /// the connection. Until Redis answers, every operation fails.
    ///
    /// # Errors
    ///
    /// The URL is invalid, or there is no Tokio runtime.
    pub fn connect_lazy(url: &str) -> Result<Self, RedisError> {
        Self::builder().connect_lazy(url)
    }

    /// Starts with the defaults: a second for each operation and for each attempt to connect, and
    /// 1,024 commands in flight.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::new()
    }

    pub(crate) fn new(
        link: Link,
        timeout: Duration,
        max_in_flight: usize,
        runtime: Handle,
    ) -> Self {
        Self(Arc::new(Inner {
            link,
            timeout,
            in_flight: InFlight::new(max_in_flight),
            ticket_lookups: InFlight::new(max_in_flight.div_ceil(3)),
            session_lookups: InFlight::new(max_in_flight.div_ceil(3)),
            state: State::default(),
            runtime,
        }))
    }

    /// Pings Redis, for instance for a readiness probe.
    ///
    /// # Errors
    ///
    /// Redis did not answer within the timeout.
    pub async fn ping(&self) -> Result<(), RedisError> {
        self.ask(&redis::cmd("PING")).await
    }

    /// Sends one command, once.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        self.run(|mut wire| async move { command.query_async(&mut wire).await })
            .await
    }

    /// Takes a place for the lookup of a credential, until it is dropped.
    ///
    /// Anyone can present a credential. Each kind has a third of the places, so that guesses leave
    /// room for the commands of verified clients.
    pub(crate) fn place_for(&self, what: Lookup) -> Result<Place<'_>, RedisError> {
        let lookups = match what {
            Lookup::Ticket => &self.0.ticket_lookups,
            Lookup::Session => &self.0.session_lookups,
        };
        lookups.enter().ok_or(RedisError::Busy(lookups.most()))
    }

    /// Sends several commands at once, once.
    pub(crate) async fn ask_all<T>(&self, commands: &Pipeline) -> Result<T, RedisError>
    where
        T: FromRedisValue,
    {
        self.run(|mut wire| async move { commands.query_async(&mut wire).await })
            .await
    }

    /// Bounds an operation of several steps by the limit of a single step.
    pub(crate) async fn within<T, E>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
        late: impl FnOnce(RedisError) -> E,
    ) -> Result<T, E> {
        match timeout(self.0.timeout, operation).await {
            Ok(answer) => answer,
            Err(_) => Err(late(RedisError::TimedOut(self.0.timeout))),
        }
    }

    /// Pings until Redis answers, to drive the connection while it is idle. Ends with the last
    /// handle.
    pub(crate) fn warm_up(&self) -> impl Future<Output = ()> + Send + use<> {
        const PAUSE: Duration = Duration::from_millis(250);
        let inner = Arc::downgrade(&self.0);
        async move {
            while let Some(inner) = inner.upgrade() {
                let pinged = Self(inner).ping().await;
                if pinged.is_ok() || pinged.is_err_and(|error| error.is_answer()) {
                    return;
                }
                sleep(PAUSE).await;
            }
        }
    }

    /// Opens a connection that subscribes to a channel.
    pub(crate) async fn subscribe(
        &self,
        channel: &str,
    ) -> Result<(PubSubSink, PubSubStream), RedisError> {
        let opening = async {
            let (mut sink, stream) = self.0.link.subscriber().await?.split();
            sink.subscribe(channel).await?;
            Ok::<_, RedisError>((sink, stream))
        };
        // The time to connect plus the time for an answer.
        self.within(opening, |late| late).await
    }

    /// The runtime of background work.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    async fn run<T, F>(&self, question: impl FnOnce(Wire) -> F) -> Result<T, RedisError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let inner = &*self.0;
        // Refused instead of queued: a queue would only grow while Redis is slow.
        let Some(_place) = inner.in_flight.enter() else {
            return Err(RedisError::Busy(inner.in_flight.most()));
        };
        let began = inner.state.now();
        let mut used = None;
        let answer = timeout(inner.timeout, async {
            let line = inner.link.line().await?;
            let wire = line.wire();
            used = Some(line);
            question(wire).await
        });
        let answer = match answer.await {
            Ok(answer) => answer.map_err(RedisError::from),
            Err(_) => Err(RedisError::TimedOut(inner.timeout)),
        };
        match (&answer, used) {
            (Err(error), used) if !error.is_answer() => {
                inner.state.failed(began, error);
                used.inspect(|line| inner.link.judge(line, error));
            }
            (answer, Some(line)) => {
                inner.state.answered();
                line.answered();
                let wrong = answer
                    .as_ref()
                    .err()
                    .filter(|error| error.is_wrong_server());
                wrong.inspect(|error| inner.link.judge(&line, error));
            }
            (_, None) => {}
        }
        answer
    }
}

impl fmt::Debug for Redis {
    // Without the URL, which holds the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("timeout", &self.0.timeout)
            .field("max_in_flight", &self.0.in_flight.most())
            .finish_non_exhaustive()
    }
}
