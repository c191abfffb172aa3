//! The floor of row E2: a connection that ends with its token, or once its user is revoked.
//!
//! It does no more than a lease must: a deadline for each connection, an entry under its user's key
//! that a revocation finds, and a close frame for a client that is ended. No store remembers a
//! revocation, no handshake is in doubt, and the handler has to lend its connection.

use std::collections::HashMap;
use std::future::ready;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::Request;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tower::service_fn;

use super::{Page, User, granted, refused};
use crate::rows::jwt::jwt;
use crate::rows::socket::{accept, server};

const SHARDS: usize = 64;
const EXPIRED: &[u8] = b"\x88\x0f\x11\x31token_expired";
const REVOKED: &[u8] = b"\x88\x09\x11\x31revoked";

/// The open connections under the key of each user.
pub(crate) struct Registry([Mutex<Shard>; SHARDS]);

type Shard = HashMap<Arc<str>, Vec<Arc<Notify>>>;

/// An entry in it, until it is dropped.
struct Entry {
    registry: Arc<Registry>,
    key: Arc<str>,
    told: Arc<Notify>,
}

pub(crate) fn revocable() -> Arc<Registry> {
    Arc::new(Registry(std::array::from_fn(|_| Mutex::default())))
}

impl Registry {
    fn shard(&self, key: &str) -> &Mutex<Shard> {
        let hash = |hash: usize, byte: u8| hash.wrapping_mul(31) ^ usize::from(byte);
        &self.0[key.bytes().fold(0, hash) % SHARDS]
    }

    fn enter(self: &Arc<Self>, key: String) -> Entry {
        let entry = Entry {
            registry: Arc::clone(self),
            key: key.into(),
            told: Arc::default(),
        };
        let mut shard = self.shard(&entry.key).lock().unwrap();
        let under_key = shard.entry(Arc::clone(&entry.key)).or_default();
        under_key.push(Arc::clone(&entry.told));
        drop(shard);
        entry
    }

    /// Ends the connections under this key.
    #[cfg(test)]
    fn revoke(&self, key: &str) {
        let shard = self.shard(key).lock().unwrap();
        for told in shard.get(key).into_iter().flatten() {
            told.notify_one();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut shard = self.registry.shard(&self.key).lock().unwrap();
        if let Some(under_key) = shard.get_mut(&self.key) {
            under_key.retain(|told| !Arc::ptr_eq(told, &self.told));
            if under_key.is_empty() {
                shard.remove(&self.key);
            }
        }
    }
}

/// The checks of the other floors, and 101. Unless the handler `stays`, it drops the connection at
/// once, as the services of the other rows do.
pub(crate) fn least_leased(registry: Arc<Registry>, stays: bool) -> server!() {
    let jwt = jwt();
    service_fn(move |mut request: Request<Incoming>| {
        let Some(grant) = granted(&jwt, &request) else {
            return ready(Page::Ok(refused()));
        };
        let end = grant.validity().end().unwrap_or(SystemTime::UNIX_EPOCH);
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        let entry = registry.enter(format!("user:{}", grant.identity().sub));
        request.extensions_mut().insert(User(grant.into_parts().0));
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(lease(upgrade, left, entry, stays));
        ready(Page::Ok(accept(&request).map(|_| Full::default())))
    })
}

async fn lease(mut upgrade: OnUpgrade, left: Duration, entry: Entry, stays: bool) {
    let mut over = pin!(async {
        tokio::select! {
            () = tokio::time::sleep(left) => EXPIRED,
            () = entry.told.notified() => REVOKED,
        }
    });
    let (upgraded, frame) = tokio::select! {
        biased;
        upgraded = &mut upgrade => (upgraded, None),
        frame = &mut over => ((&mut upgrade).await, Some(frame)),
    };
    let Ok(upgraded) = upgraded else { return };
    let mut io = TokioIo::new(upgraded);
    let frame = if let Some(frame) = frame {
        frame
    } else {
        tokio::select! {
            biased;
            () = handler(&mut io, stays) => return,
            frame = &mut over => frame,
        }
    };
    // A client that has gone needs no reason.
    if io.write_all(frame).await.is_ok() {
        let _ = io.shutdown().await;
    }
}

async fn handler(io: &mut TokioIo<Upgraded>, stays: bool) {
    while stays && io.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Crypto;
    use crate::rows::accept::request;
    use crate::rows::connection::serve;
    use crate::rows::socket::runtime;

    #[test]
    fn a_revocation_ends_the_connection_with_a_close_frame() {
        Crypto::Rust.install();
        runtime().block_on(async {
            let registry = revocable();
            let (mut client, server) = tokio::io::duplex(4096);
            client.write_all(request(true)).await.unwrap();
            serve(server, least_leased(Arc::clone(&registry), true)).await;
            registry.revoke("user:user-42");
            let mut read = Vec::new();
            client.read_to_end(&mut read).await.unwrap();
            assert!(read.starts_with(b"HTTP/1.1 101") && read.ends_with(REVOKED));
            drop(client);
            while registry
                .0
                .iter()
                .any(|shard| !shard.lock().unwrap().is_empty())
            {
                tokio::task::yield_now().await;
            }
        });
    }
}
