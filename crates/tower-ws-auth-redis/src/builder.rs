use std::fmt;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use tokio::runtime::Handle;

use crate::connection::{Link, Opener, manager_config};
use crate::{Redis, RedisError};

/// How long the first attempts to connect are driven while nobody asks for anything.
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

    /// How long an operation may take, the wait for a connection included; a second by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long one attempt to connect may take; a second by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How many commands may wait for their answers; 1,024 by default. Beyond it an operation
    /// fails at once with [`RedisError::Busy`].
    ///
    /// At most a third of them look up tickets, and at most a third load sessions: anybody can
    /// present those, and guesses must not take the places of revocations, claims and logins.
    pub fn max_in_flight(mut self, commands: usize) -> Self {
        self.max_in_flight = commands;
        self
    }

    /// Connects.
    ///
    /// The connection speaks RESP3: one that breaks while nobody uses it is noticed and replaced
    /// at once. For a proxy that does not know it, end the URL in `?protocol=resp2`; then the
    /// first command after such a break fails.
    ///
    /// # Errors
    ///
    /// Redis does not answer or refuses the credentials, or the URL is none.
    pub async fn connect(self, url: &str) -> Result<Redis, RedisError> {
        let client = client(url)?;
        // Apart from the shared connection, which goes on trying and does not say why it fails.
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

    /// Begins to connect, and does not wait for it.
    ///
    /// # Errors
    ///
    /// The URL is none, or there is no Tokio runtime.
    pub fn connect_lazy(self, url: &str) -> Result<Redis, RedisError> {
        let config = manager_config(self.connect_timeout);
        self.open(Opener::One(client(url)?, config))
    }

    /// Begins to connect to a Redis Cluster, some of whose nodes have these URLs, and does not
    /// wait for it. See [the crate's documentation](crate#features) for what that changes.
    ///
    /// # Errors
    ///
    /// A URL is none, or there is no Tokio runtime.
    #[cfg(feature = "cluster")]
    pub fn cluster_lazy<'a>(
        self,
        urls: impl IntoIterator<Item = &'a str>,
    ) -> Result<Redis, RedisError> {
        let nodes = urls.into_iter().map(parse);
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let client = redis::cluster::ClusterClient::builder(nodes.clone())
            // By default it sends a command again whose connection broke.
            .retries(0)
            .connection_timeout(self.connect_timeout)
            .response_timeout(self.timeout)
            .build();
        let client = client.map_err(|_| RedisError::Url)?;
        let config = self.connection_config();
        self.open(Opener::Cluster(client, nodes, config))
    }

    /// Begins to connect to the master that these Sentinels know under this name, and does not
    /// wait for it. User, password, database and TLS of the master are those of `server`, whose
    /// host is not looked at: `redis://user:password@master/0`.
    ///
    /// # Errors
    ///
    /// A URL is none, or there is no Tokio runtime.
    #[cfg(feature = "sentinel")]
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
            Link::new(opener),
            self.timeout,
            self.max_in_flight,
            runtime.clone(),
        );
        let first = redis.clone();
        runtime.spawn(async move { tokio::time::timeout(WARM_UP, first.wait()).await });
        Ok(redis)
    }
}

fn client(url: &str) -> Result<Client, RedisError> {
    Client::open(parse(url)?).map_err(|_| RedisError::Url)
}

fn parse(url: &str) -> Result<ConnectionInfo, RedisError> {
    let info = url.into_connection_info().map_err(|_| RedisError::Url)?;
    #[cfg(feature = "tls-rustls")]
    if matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. }) {
        crate::tls::choose_provider();
    }
    // The client's name would be one more command to permit, and Redis 7.0 does not know it.
    let mut settings = info.redis_settings().clone().set_skip_set_lib_name();
    // In RESP2 the client does not look at a connection that nobody uses.
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
