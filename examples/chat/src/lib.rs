//! A chat that shows every layer of tower-ws-auth at work; `cargo run -p chat` starts it.
//!
//! [`Chat::bind`] builds the stack, [`Chat::serve`] runs it. Read `app.rs` first: it is the part to
//! copy.

mod account;
mod app;
mod credentials;
mod doors;
mod first;
mod hub;
mod logout;
mod metrics;
mod options;
mod page;
mod protocol;
mod relay;
mod socket;
mod tls;
mod tokens;
mod trusted;
mod user;

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use tower_ws_auth::Clock;
use tower_ws_auth::close::ClientProtocol;
use tower_ws_auth::first_message::EarlyConnections;
use tower_ws_auth::lease::{DisconnectReason, LeaseLayer, Leases};

use self::credentials::Credentials;
pub use self::options::{Hmac, JwtOptions, Offer, Opaque, Options, Protocol, Secret};
use self::tls::{Tls, TlsListener};
pub use self::tokens::DemoTokens;
use self::user::User;

/// The time that a shutdown waits: for requests under way, and then for closing handshakes.
const GRACE: Duration = Duration::from_secs(6);

/// A chat that listens and is ready to serve.
#[derive(Debug)]
pub struct Chat {
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    closing_handshakes: TaskTracker,
    address: SocketAddr,
    credentials: Credentials,
    leases: Leases,
    early: EarlyConnections,
}

impl Chat {
    /// Binds the address and builds the stack.
    ///
    /// # Errors
    ///
    /// The address is taken, or the options contradict each other or the layers' rules.
    pub async fn bind(options: Options) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Self::bind_with_clock(options, Clock::system()).await
    }

    /// [`bind`](Self::bind) with another clock.
    ///
    /// # Errors
    ///
    /// As those of `bind`.
    pub async fn bind_with_clock(
        options: Options,
        clock: Clock,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let credentials = Credentials::new(&options, &clock).await?;
        let tls = match (&options.tls_cert, &options.tls_key) {
            (Some(certificate), Some(key)) => Some(tls::read(certificate, key)?),
            _ => None,
        };
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
        let address = listener.local_addr()?;
        let closing_handshakes = TaskTracker::new();
        let tracker = closing_handshakes.clone();
        let lease = LeaseLayer::new(credentials.revocations.clone())
            .clock(clock)
            .renewable_by(|user: &User| user.name.clone())
            .client_protocol(ClientProtocol::from(options.client_protocol))
            .spawn_with(move |closing_handshake| {
                tracker.spawn(closing_handshake);
            });
        let first = first::layer(&options);
        let router = app::router(
            &options,
            address,
            &credentials,
            &closing_handshakes,
            &lease,
            &first,
        )?;
        Ok(Self {
            listener,
            tls,
            router,
            closing_handshakes,
            address,
            credentials,
            leases: lease.leases(),
            early: first.early(),
        })
    }

    /// The scheme that it speaks: `http`, or `https` with a certificate.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Three fresh tokens for trying it out.
    ///
    /// # Errors
    ///
    /// The signature cannot be computed.
    pub fn demo_tokens(&self) -> Result<DemoTokens, Box<dyn Error + Send + Sync>> {
        self.credentials.tokens.demo()
    }

    /// Serves until `shutdown` is ready. Then it ends open connections with 1001 `going_away`, and
    /// waits a moment for their closing handshakes.
    ///
    /// # Errors
    ///
    /// The listener fails.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (leases, early) = (self.leases.clone(), self.early.clone());
        let signal = async move {
            shutdown.await;
            let _ = begun.send(());
            // Those whose first message has not come, and those that are open.
            early.end_all();
            tokio::spawn(async move { leases.end_all(&DisconnectReason::GoingAway).await });
        };
        // Clients that wait with their first message are bounded by address.
        let service = self
            .router
            .into_make_service_with_connect_info::<SocketAddr>();
        let serving = async {
            if let Some(tls) = self.tls {
                // The tap does nothing but lend the listener its `ConnectInfo`.
                let listener = TlsListener::new(self.listener, tls)?.tap_io(|_| {});
                axum::serve(listener, service)
                    .with_graceful_shutdown(signal)
                    .await
            } else {
                // The close frame must follow the answer at once, and not wait for an
                // acknowledgement.
                let listener = self.listener.tap_io(|stream| {
                    let _ = stream.set_nodelay(true);
                });
                axum::serve(listener, service)
                    .with_graceful_shutdown(signal)
                    .await
            }
        };
        tokio::select! {
            served = serving => served?,
            // A client that never finishes its request must not keep the program alive.
            () = async { let _ = begins.await; sleep(GRACE).await } => {}
        }
        let _ = timeout(GRACE, self.early.wait()).await;
        // For connections that opened while the others were told.
        self.leases.end_all(&DisconnectReason::GoingAway).await;
        self.closing_handshakes.close();
        // A closing handshake has its own deadline. This only bounds the wait.
        let _ = timeout(GRACE, self.closing_handshakes.wait()).await;
        Ok(())
    }
}
