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
    /// Binds the address and builds the stack. The upstream need not be there yet.
    ///
    /// # Errors
    ///
    /// An address that is taken, options that contradict each other or the layers' rules, or a
    /// Redis that cannot be reached.
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is open; also after [`serve`](Self::serve) has taken the gateway.
    pub fn open(&self) -> Open {
        Open {
            leases: self.leases.clone(),
            tasks: self.server.tasks.clone(),
        }
    }

    /// Serves until `shutdown` is ready, then accepts nobody any more, ends what is open with 1001
    /// `going_away`, and waits for it no longer than the grace of the options. What is open then is
    /// dropped.
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
            // Again and again, for what was on its way in when the others were told.
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

/// Counts what a gateway has open.
#[derive(Clone)]
pub struct Open {
    leases: Leases,
    tasks: Tasks,
}

impl Open {
    /// How many WebSockets are open, or are being opened.
    pub fn sockets(&self) -> usize {
        self.leases.len()
    }

    /// How many tasks run: one for each client connection that is no WebSocket yet, one for each
    /// WebSocket and up to two more over HTTP/2, one for each closing handshake.
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
