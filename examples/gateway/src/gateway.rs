use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tower_ws_auth::FirstMessageLayer;
use tower_ws_auth::first_message::EarlyConnections;
use tower_ws_auth::lease::{DisconnectReason, Leases};

use crate::admin::Admin;
use crate::cases::Cases;
use crate::options::{Options, Policy};
use crate::parts::Parts;
use crate::server::{Server, Shared};
use crate::strip::Strip;
use crate::tasks::Tasks;

/// A gateway that listens and is ready to serve.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    admin: Option<Admin>,
    server: Server,
    reload: Reload,
    leases: Leases,
    early: Option<EarlyConnections>,
    most: u32,
    drain: Duration,
    grace: Duration,
}

impl Gateway {
    /// Binds the addresses and builds the stacks. The upstream may still be down.
    ///
    /// # Errors
    ///
    /// An address is taken, the options contradict each other, have no effect or break the layers'
    /// rules, a file cannot be read, or Redis is unavailable. The text names the flag.
    pub async fn bind(options: Options) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let tasks = Tasks::default();
        let parts = Parts::new(&options, &tasks).await?;
        let leases = parts.lease.leases();
        let early = parts.first.as_ref().map(FirstMessageLayer::early);
        let router = Shared::new(parts.router(&options)?);
        if options.http.keep_credential {
            tracing::warn!("--keep-credential: the upstream and its logs see every credential");
        }
        let listener = TcpListener::bind(options.listen).await;
        let listener = listener.map_err(|error| format!("--listen {}: {error}", options.listen))?;
        let admin = match options.admin_listen {
            Some(address) => Some(Admin::bind(address, parts.clone()).await?),
            None => None,
        };
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            admin,
            server: Server {
                router: router.clone(),
                tasks,
                strip: Arc::new(Strip::new(
                    options.http.trust_forwarded,
                    &options.http.strip,
                )),
                usual: Cases::usual().await,
                keeps: options.http.keep_credential || !options.session.session_recheck.is_zero(),
                http_timeout: options.http.http_timeout,
                head: options.head_timeout,
            },
            leases,
            early,
            most: most(&options),
            drain: options.drain,
            grace: options.grace,
            reload: Reload {
                parts,
                options: Arc::new(options),
                router,
            },
        })
    }

    /// Reads the files of secrets again, also while the gateway serves. The connection to Redis
    /// stays.
    pub fn reload(&self) -> Reload {
        self.reload.clone()
    }

    /// The address of `--admin-listen`, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::address)
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
    /// with 1001 `going_away`, evenly over the drain of the options. After that it waits at most for
    /// their grace, and drops the rest.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self {
            listener,
            server,
            leases,
            early,
            admin,
            drain,
            ..
        } = self;
        let graceful = GracefulShutdown::new();
        let (ready, stop) = tokio::sync::watch::channel(true);
        if let Some(admin) = admin {
            tokio::spawn(admin.serve(stop));
        }
        tokio::select! {
            () = server.run(&listener, &graceful, self.most) => {}
            () = shutdown => {}
        }
        drop(listener);
        if let Some(early) = early {
            early.end_all();
        }
        ready.send_replace(false);
        let ended = async {
            graceful.shutdown().await;
            server.tasks.ended().await;
        };
        let mut ended = std::pin::pin!(ended);
        tokio::select! {
            () = &mut ended => {}
            () = drained(&leases, drain) => {
                let reason = async {
                    // Repeated for connections that opened while the others were told.
                    loop {
                        leases.end_all(&DisconnectReason::GoingAway).await;
                        sleep(Duration::from_millis(50)).await;
                    }
                };
                let _ = timeout(self.grace, async {
                    tokio::select! {
                        () = ended => {}
                        () = reason => {}
                    }
                })
                .await;
            }
        }
        server.tasks.end().await;
        drop(ready);
    }
}

/// How many clients may be served at a time: as many strangers as users, where a policy lets their
/// requests or preflights pass.
fn most(options: &Options) -> u32 {
    let policies = options.http.path.iter().map(|path| path.policy);
    let mut policies = policies.chain([options.http.http]);
    let kinds = if policies.all(|policy| policy == Policy::Refuse) {
        1
    } else {
        2
    };
    options.max_connections.saturating_mul(kinds)
}

/// Ends the connections one after the other, so that their clients do not come back all at once.
async fn drained(leases: &Leases, drain: Duration) {
    const STEP: Duration = Duration::from_millis(50);
    let began = tokio::time::Instant::now();
    let total = leases.len();
    let mut ended = 0;
    while began.elapsed() < drain {
        sleep(STEP.min(drain)).await;
        let share = (began.elapsed().as_secs_f64() / drain.as_secs_f64()).min(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a count of connections"
        )]
        let due = (total as f64 * share) as usize;
        ended += leases
            .end_some(due.saturating_sub(ended), &DisconnectReason::GoingAway)
            .await;
    }
}

/// Reads the files of secrets again. What is open stays open.
#[derive(Clone)]
pub struct Reload {
    parts: Parts,
    options: Arc<Options>,
    router: Shared,
}

impl Reload {
    /// Reads them now.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or holds no good secret. The former secrets stay in force.
    pub fn now(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.router.replace(self.parts.router(&self.options)?);
        Ok(())
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

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
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
