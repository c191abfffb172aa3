//! One line for each request and each connection, at its end.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http::{Method, Request};
use tower_ws_auth::lease::DisconnectReason;

/// The target of these lines, for a filter.
const TARGET: &str = "gateway::access";

/// What is known about a request. The line is written when nobody holds it any more.
pub(crate) struct Access {
    id: u64,
    address: SocketAddr,
    method: Method,
    path: String,
    began: Instant,
    user: OnceLock<String>,
    connection: AtomicU64,
    status: AtomicU16,
    code: AtomicU16,
    reason: OnceLock<String>,
    up: AtomicU64,
    down: AtomicU64,
}

impl Access {
    pub(crate) fn begin<B>(address: SocketAddr, request: &Request<B>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            address,
            method: request.method().clone(),
            // Without the query, where tokens travel.
            path: request.uri().path().to_owned(),
            began: Instant::now(),
            user: OnceLock::new(),
            connection: AtomicU64::new(0),
            status: AtomicU16::new(0),
            code: AtomicU16::new(0),
            reason: OnceLock::new(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
        })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// As the upstream reads the name, and as the events of the layers count.
    pub(crate) fn accepted(&self, encoded: String, connection: Option<u64>) {
        let _ = self.user.set(encoded);
        self.connection
            .store(connection.unwrap_or_default(), Ordering::Relaxed);
    }

    pub(crate) fn status(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// The close code of a connection.
    pub(crate) fn code(&self, code: u16) {
        self.code.store(code, Ordering::Relaxed);
    }

    /// Why the gateway has ended the connection.
    pub(crate) fn ended_by(&self, reason: &DisconnectReason) {
        let _ = self.reason.set(reason.reason().to_owned());
    }

    pub(crate) fn bytes(&self, up: u64, down: u64) {
        self.up.fetch_add(up, Ordering::Relaxed);
        self.down.fetch_add(down, Ordering::Relaxed);
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        let some = |number: &AtomicU16| Some(number.load(Ordering::Relaxed)).filter(|n| *n > 0);
        let path = tracing::field::debug(&self.path);
        tracing::info!(
            target: TARGET,
            request = self.id,
            connection = Some(self.connection.load(Ordering::Relaxed)).filter(|n| *n > 0),
            client = %self.address,
            user = self.user.get(),
            method = %self.method,
            path,
            // Absent: the client left before it was answered.
            status = some(&self.status),
            code = some(&self.code),
            reason = self.reason.get(),
            duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            bytes_up = self.up.load(Ordering::Relaxed),
            bytes_down = self.down.load(Ordering::Relaxed),
            "done"
        );
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
