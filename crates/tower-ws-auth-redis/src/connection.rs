use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, Pipeline, RedisFuture, RedisResult, Value};
use tokio::runtime::Handle;

use crate::RedisError;
use crate::background::Background;
#[cfg(feature = "redis-cluster")]
use crate::{masters, redirect::Nodes};

/// The time that a line without any answer gets to connect by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to Redis: one shared line, and how to open the next one.
///
/// An address that does not answer may take longer than the caller has. So the next line is opened
/// in the background, and a server for subscriptions is looked for there too.
pub(crate) struct Link {
    shared: Arc<Shared>,
    /// Asynchronous, so that one caller opens the next line and the others wait.
    opening: tokio::sync::Mutex<Background<()>>,
    looking: tokio::sync::Mutex<Background<Client>>,
}

/// What the work in the background needs.
struct Shared {
    line: Mutex<Option<Arc<Line>>>,
    opener: tokio::sync::Mutex<Opener>,
}

/// Opens a line.
pub(crate) enum Opener {
    One(Client, ConnectionManagerConfig),
    #[cfg(feature = "redis-cluster")]
    Cluster(
        Box<redis::cluster::ClusterClient>,
        Vec<redis::ConnectionInfo>,
        redis::AsyncConnectionConfig,
    ),
    #[cfg(feature = "redis-sentinel")]
    Sentinel(
        redis::sentinel::SentinelClient,
        redis::AsyncConnectionConfig,
    ),
}

/// A connection, or a client that replaces one.
pub(crate) struct Line {
    wire: Wire,
    opened: Instant,
    /// Whether a command was answered on it. Before, it may still be connecting.
    established: AtomicBool,
}

/// A client that sends commands.
#[derive(Clone)]
pub(crate) enum Wire {
    One(ConnectionManager),
    #[cfg(feature = "redis-cluster")]
    Cluster(redis::cluster_async::ClusterConnection, Arc<Nodes>),
    #[cfg(feature = "redis-sentinel")]
    Master(redis::aio::MultiplexedConnection),
}

impl Link {
    pub(crate) fn new(opener: Opener, runtime: &Handle) -> Self {
        let shared = Shared {
            line: Mutex::new(None),
            opener: tokio::sync::Mutex::new(opener),
        };
        Self {
            shared: Arc::new(shared),
            opening: tokio::sync::Mutex::new(Background::new(runtime.clone())),
            looking: tokio::sync::Mutex::new(Background::new(runtime.clone())),
        }
    }

    /// Opens a separate connection for subscriptions only.
    pub(crate) async fn subscriber(&self) -> RedisResult<redis::aio::PubSub> {
        let shared = Arc::clone(&self.shared);
        let look = async move { shared.opener.lock().await.client().await };
        let client = self.looking.lock().await.run(look).await?;
        client.get_async_pubsub().await
    }

    /// The current line, or a new one.
    pub(crate) async fn line(&self) -> RedisResult<Arc<Line>> {
        if let Some(line) = self.shared.current() {
            return Ok(line);
        }
        let mut opening = self.opening.lock().await;
        loop {
            if let Some(line) = self.shared.current() {
                return Ok(line);
            }
            opening.run(Arc::clone(&self.shared).open()).await?;
        }
    }

    /// Drops or replaces a line after this error, if only another line can do better.
    ///
    /// A connection whose peer died silently looks open for minutes. A connection to a server that
    /// became a replica stays open, although its name leads to the new master.
    pub(crate) fn judge(&self, used: &Arc<Line>, error: &RedisError) {
        let hopeless = match used.wire {
            Wire::One(_) => {
                let silent = matches!(error, RedisError::TimedOut(_));
                let had_time = || used.opened.elapsed() > PATIENCE;
                let connected = || used.established.load(Ordering::Relaxed) || had_time();
                error.is_wrong_server() || silent && connected()
            }
            #[cfg(feature = "redis-cluster")]
            Wire::Cluster(..) => error.is_timeout(),
            #[cfg(feature = "redis-sentinel")]
            Wire::Master(_) => error.is_wrong_server() || !error.is_answer(),
        };
        let mut line = self.shared.lock();
        if !hopeless || !line.as_ref().is_some_and(|line| Arc::ptr_eq(line, used)) {
            return;
        }
        #[cfg(feature = "redis-cluster")]
        if matches!(used.wire, Wire::Cluster(..)) {
            // If it is locked, a line is being opened already.
            if let Ok(mut opening) = self.opening.try_lock() {
                opening.begin(Arc::clone(&self.shared).replace(Arc::clone(used)));
            }
            return;
        }
        *line = None;
    }
}

impl Shared {
    async fn open(self: Arc<Self>) -> RedisResult<()> {
        let line = self.opener.lock().await.open().await?;
        *self.lock() = Some(Arc::new(line));
        Ok(())
    }

    /// The other nodes may answer on the old line, so it stays until each master has answered on a
    /// new one. A dead master does not, before a replica is promoted in its place.
    #[cfg(feature = "redis-cluster")]
    async fn replace(self: Arc<Self>, old: Arc<Line>) -> RedisResult<()> {
        /// Each attempt connects to every node, and each command that times out asks for one.
        const PAUSE: Duration = Duration::from_millis(250);
        let new = self.open_whole().await;
        if let Ok(Some(new)) = new {
            let mut line = self.lock();
            if line.as_ref().is_some_and(|line| Arc::ptr_eq(line, &old)) {
                *line = Some(Arc::new(new));
            }
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
        new.map(drop)
    }

    /// A new line, if every master answers on it.
    #[cfg(feature = "redis-cluster")]
    async fn open_whole(&self) -> RedisResult<Option<Line>> {
        let new = self.opener.lock().await.open().await?;
        let Wire::Cluster(cluster, _) = new.wire() else {
            return Ok(None);
        };
        Ok(masters::answer(cluster).await?.then_some(new))
    }

    fn current(&self) -> Option<Arc<Line>> {
        self.lock().clone()
    }

    /// Nothing under the lock panics.
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Line>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    pub(crate) fn wire(&self) -> Wire {
        self.wire.clone()
    }

    pub(crate) fn answered(&self) {
        // Read first: a write by every command would move the cache line between all cores.
        if !self.established.load(Ordering::Relaxed) {
            self.established.store(true, Ordering::Relaxed);
        }
    }
}

impl Opener {
    /// A client of one server for subscriptions. In a cluster every node receives all messages.
    #[cfg_attr(
        not(feature = "redis-sentinel"),
        expect(clippy::unused_async, reason = "only Sentinel has to be asked")
    )]
    async fn client(&mut self) -> RedisResult<Client> {
        match self {
            Self::One(client, _) => Ok(client.clone()),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(_, nodes, _) => {
                // The next attempt takes another node, in case this one is down.
                nodes.rotate_left(1);
                Client::open(one_of(nodes)?)
            }
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(client, _) => client.async_get_client().await,
        }
    }

    #[cfg_attr(
        not(any(feature = "redis-cluster", feature = "redis-sentinel")),
        expect(
            clippy::unused_async,
            reason = "a single server is connected to lazily"
        )
    )]
    async fn open(&mut self) -> RedisResult<Line> {
        let (wire, established) = match self {
            Self::One(client, config) => {
                let (client, config) = (client.clone(), config.clone());
                let manager = ConnectionManager::new_lazy_with_config(client, config)?;
                (Wire::One(manager), false)
            }
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(client, nodes, config) => {
                let nodes = Nodes::new(one_of(nodes)?, config.clone());
                let cluster = client.get_async_connection().await?;
                (Wire::Cluster(cluster, Arc::new(nodes)), true)
            }
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(client, config) => {
                let master = client.get_async_connection_with_config(config).await?;
                (Wire::Master(master), true)
            }
        };
        Ok(Line {
            wire,
            opened: Instant::now(),
            established: AtomicBool::new(established),
        })
    }
}

#[cfg(feature = "redis-cluster")]
fn one_of(nodes: &[redis::ConnectionInfo]) -> RedisResult<redis::ConnectionInfo> {
    let empty = || {
        let kind = redis::ErrorKind::InvalidClientConfig;
        redis::RedisError::from((kind, "a cluster without nodes"))
    };
    nodes.last().cloned().ok_or_else(empty)
}

/// Never repeats a command. It tries to connect without end, and waits at most half a second
/// between two attempts.
pub(crate) fn manager_config(connect_timeout: Duration) -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(connect_timeout))
        // `Redis::run` has the time limit for everything, including the wait for a connection.
        .set_response_timeout(None)
        // These retries only concern connecting. After an error that is no I/O error, such as
        // LOADING, the manager would otherwise keep that error for ever.
        .set_number_of_retries(usize::MAX)
        .set_min_delay(Duration::from_millis(50))
        // The jitter can double it.
        .set_max_delay(Duration::from_millis(250))
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(wire) => wire.req_packed_command(command),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(wire, nodes) => Box::pin(nodes.command(wire, command)),
            #[cfg(feature = "redis-sentinel")]
            Self::Master(wire) => wire.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(wire) => wire.req_packed_commands(pipeline, offset, count),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(wire, nodes) => Box::pin(nodes.commands(wire, pipeline, offset, count)),
            #[cfg(feature = "redis-sentinel")]
            Self::Master(wire) => wire.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(wire) => wire.get_db(),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(wire, _) => wire.get_db(),
            #[cfg(feature = "redis-sentinel")]
            Self::Master(wire) => wire.get_db(),
        }
    }
}
