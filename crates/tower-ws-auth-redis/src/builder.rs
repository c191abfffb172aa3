use std::fmt;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use tokio::runtime::Handle;

use crate::connection::{Link, Opener, manager_config};
use crate::{Redis, RedisError};

/// The time for which the first attempts to connect are driven without a command.
const WARM_UP: Duration = Duration::from_secs(60);

/// Configures [`Redis`]. Finish with [`connect`](Self::connect), or one of its siblings.
#[must_use]
#[derive(Clone)]
pub struct RedisBuilder {
    timeout: Duration,
    connect_timeout: Duration,
    max_in_flight: usize,
}

impl RedisBuilder {
    pub(crate) fn new() -> Self {
        Self {
            timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            max_in_flight: 1024,
        }
    }

    /// Sets the time limit of an operation, including the wait for a connection; 1 second by
    /// default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the time limit of one attempt to connect; 1 second by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the maximum number of commands in flight; 1,024 by default. Beyond it an operation
    /// fails at once with [`RedisError::Busy`].
    ///
    /// At most a third of them look up tickets, and at most a third load sessions. Anyone can
    /// present those, and guesses must leave room for revocations, claims and logins.
    pub fn max_in_flight(mut self, commands: usize) -> Self {
        self.max_in_flight = commands;
        self
    }

    /// Connects.
    ///
    /// The connection speaks RESP3, so that a break is noticed at once, even while the connection
    /// is idle. For a proxy without RESP3, end the URL in `?protocol=resp2`. The first command
    /// after a break then fails.
    ///
    /// # Errors
    ///
    /// Redis does not answer or refuses the credentials, or the URL is invalid.
    pub async fn connect(self, url: &str) -> Result<Redis, RedisError> {
        let client = client(url)?;
        // A separate connection: the shared one keeps trying and does not report why it fails.
        let config = self.connection_config();
        drop(
            client
                .get_multiplexed_async_connection_with_config(&config)
                .await?,
        );
        let redis = self.connect_lazy(url)?;
        redis.ping().await?;
        Ok(redis)
    }

    /// Starts to connect, and does not wait for the connection.
    ///
    /// # Errors
    ///
    /// The URL is invalid, or there is no Tokio runtime.
    pub fn connect_lazy(self, url: &str) -> Result<Redis, RedisError> {
        let config = manager_config(self.connect_timeout);
        self.open(Opener::One(client(url)?, config))
    }

    /// Starts to connect to a Redis Cluster, and does not wait for the connection. These are the
    /// URLs of some of its nodes. [The crate's documentation](crate#features) describes the
    /// differences.
    ///
    /// # Errors
    ///
    /// A URL is invalid, or there is no Tokio runtime.
    #[cfg(feature = "redis-cluster")]
    pub fn cluster_lazy<'a>(
        self,
        urls: impl IntoIterator<Item = &'a str>,
    ) -> Result<Redis, RedisError> {
        let nodes = urls.into_iter().map(parse);
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let client = redis::cluster::ClusterClient::builder(nodes.clone())
            // By default the client repeats a command after a broken connection.
            .retries(0)
            .connection_timeout(self.connect_timeout)
            .response_timeout(self.timeout)
            .build();
        let client = client.map_err(|_| RedisError::Url)?;
        let config = self.connection_config();
        self.open(Opener::Cluster(Box::new(client), nodes, config))
    }

    /// Starts to connect to the master with this name at these Sentinels, and does not wait for the
    /// connection. User, password, database and TLS of the master are those of `server`, whose host
    /// is ignored: `redis://user:password@master/0`.
    ///
    /// Each Sentinel has a second to connect, and half a second to answer.
    /// [`connect_timeout`](Self::connect_timeout) applies to the master only.
    ///
    /// # Errors
    ///
    /// A URL is invalid, or there is no Tokio runtime.
    #[cfg(feature = "redis-sentinel")]
    pub fn sentinel_lazy<'a>(
        self,
        sentinels: impl IntoIterator<Item = &'a str>,
        master: &str,
        server: &str,
    ) -> Result<Redis, RedisError> {
        use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};

        let sentinels = sentinels.into_iter().map(parse);
        let sentinels = sentinels.collect::<Result<Vec<_>, _>>()?;
        let server = parse(server)?;
        let mut node = SentinelNodeConnectionInfo::default()
            .set_redis_connection_info(server.redis_settings().clone());
        if matches!(server.addr(), redis::ConnectionAddr::TcpTls { .. }) {
            node = node.set_tls_mode(redis::TlsMode::Secure);
        }
        let master = master.to_owned();
        let client =
            SentinelClient::build(sentinels, master, Some(node), SentinelServerType::Master);
        let client = client.map_err(|_| RedisError::Url)?;
        let config = self.connection_config();
        self.open(Opener::Sentinel(client, config))
    }

    fn connection_config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.timeout))
    }

    fn open(self, opener: Opener) -> Result<Redis, RedisError> {
        let runtime = Handle::try_current().map_err(|_| RedisError::NoRuntime)?;
        let redis = Redis::new(
            Link::new(opener, &runtime),
            self.timeout,
            self.max_in_flight,
            runtime.clone(),
        );
        runtime.spawn(tokio::time::timeout(WARM_UP, redis.warm_up()));
        Ok(redis)
    }
}

fn client(url: &str) -> Result<Client, RedisError> {
    Client::open(parse(url)?).map_err(|_| RedisError::Url)
}

fn parse(url: &str) -> Result<ConnectionInfo, RedisError> {
    let info = url.into_connection_info().map_err(|_| RedisError::Url)?;
    #[cfg(feature = "redis-tls")]
    if matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. }) {
        crate::tls::choose_provider();
    }
    // Setting the client's name would need one more permission, and Redis 7.0 does not know the
    // command.
    let mut settings = info.redis_settings().clone().set_skip_set_lib_name();
    // In RESP2 the client does not notice the break of an idle connection.
    if !url.contains("protocol=") {
        settings = settings.set_protocol(ProtocolVersion::RESP3);
    }
    Ok(info.set_redis_settings(settings))
}

impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder")
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_in_flight", &self.max_in_flight)
            .finish()
    }
}
