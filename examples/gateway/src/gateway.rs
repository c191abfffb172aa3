use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tower_ws_auth::lease::{DisconnectReason, Leases};

use crate::options::Options;
use crate::server::Server;
use crate::stack;
use crate::tasks::Tasks;

/// A gateway that listens and is ready to serve.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    server: Server,
    leases: Leases,
    max_connections: u32,
    grace: Duration,
}

impl Gateway {
    /// Binds the address and builds the stack. The upstream may still be down.
    ///
    /// # Errors
    ///
    /// The address is taken, the options contradict each other or the layers' rules, or Redis is
    /// unavailable.
    pub async fn bind(options: Options) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let tasks = Tasks::default();
        let (stack, leases) = stack::build(&options, &tasks).await?;
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            server: Server {
                stack,
                tasks,
                trust_forwarded: options.trust_forwarded,
                head: options.head_timeout,
            },
            leases,
            max_connections: options.max_connections,
            grace: options.grace,
        })
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A counter of open connections, which also works after [`serve`](Self::serve) has taken the
    /// gateway.
    pub fn open(&self) -> Open {
        Open {
            leases: self.leases.clone(),
            tasks: self.server.tasks.clone(),
        }
    }

    /// Serves until `shutdown` is ready. Then it accepts no more clients and ends open connections
    /// with 1001 `going_away`. It waits at most for the grace of the options, and drops the rest.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self {
            listener,
            server,
            leases,
            ..
        } = self;
        let graceful = GracefulShutdown::new();
        tokio::select! {
            () = server.run(&listener, &graceful, self.max_connections) => {}
            () = shutdown => {}
        }
        drop(listener);
        let reason = async {
            // Repeated for connections that opened while the others were told.
            loop {
                leases.end_all(&DisconnectReason::GoingAway).await;
                sleep(Duration::from_millis(50)).await;
            }
        };
        let ended = async {
            graceful.shutdown().await;
            server.tasks.ended().await;
        };
        let _ = timeout(self.grace, async {
            tokio::select! {
                () = ended => {}
                () = reason => {}
            }
        })
        .await;
        server.tasks.end().await;
    }
}

/// Counts the open connections and tasks of a gateway.
#[derive(Clone)]
pub struct Open {
    leases: Leases,
    tasks: Tasks,
}

impl Open {
    /// The number of WebSockets that are open or being opened.
    pub fn sockets(&self) -> usize {
        self.leases.len()
    }

    /// The number of tasks: one for each client connection that is no WebSocket yet, one for each
    /// WebSocket and up to two more over HTTP/2, and one for each closing handshake.
    pub fn tasks(&self) -> usize {
        self.tasks.count()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("sockets", &self.sockets())
            .field("tasks", &self.tasks())
            .finish()
    }
}
