//! The members of each channel.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::task::yield_now;
use tokio::time::sleep;

/// The maximum of waiting messages for one member. A slower member has to leave.
const QUEUE: usize = 1024;
/// The pause of a sender after each message while a member with a half-full queue catches up.
const BREATH: Duration = Duration::from_millis(5);
/// The maximum of channels for one member.
const MAX_CHANNELS: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Hub(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    channels: Mutex<HashMap<String, Members>>,
    /// Sends channel and message to the other nodes.
    others: OnceLock<mpsc::Sender<(String, String)>>,
}

/// The hub as its relay sees it: a weak reference.
pub(crate) struct Here(Weak<Shared>);

type Members = HashMap<u64, Seat>;

#[derive(Clone, Debug)]
struct Seat {
    inbox: mpsc::Sender<Utf8Bytes>,
    too_slow: Arc<Notify>,
}

impl Seat {
    /// Whether it keeps up.
    fn deliver(&self, message: Utf8Bytes) -> bool {
        let delivered = self.inbox.try_send(message).is_ok();
        if !delivered {
            self.too_slow.notify_one();
        }
        delivered
    }
}

/// One connection's membership in the hub. Dropping it leaves every channel.
#[derive(Debug)]
pub(crate) struct Member {
    hub: Hub,
    id: u64,
    seat: Seat,
    joined: Vec<String>,
}

impl Hub {
    pub(crate) fn enter(&self) -> (Member, mpsc::Receiver<Utf8Bytes>) {
        let (sender, inbox) = mpsc::channel(QUEUE);
        let seat = Seat {
            inbox: sender,
            too_slow: Arc::default(),
        };
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        (
            Member {
                hub: self.clone(),
                id,
                seat,
                joined: Vec::new(),
            },
            inbox,
        )
    }

    /// Relays the messages of this node too, from the first call on.
    pub(crate) fn relay_to(&self, others: mpsc::Sender<(String, String)>) -> Here {
        let _ = self.0.others.set(others);
        Here(Arc::downgrade(&self.0))
    }
}

impl Here {
    /// Delivers to the members on this node.
    pub(crate) async fn deliver(&self, channel: &str, message: &Utf8Bytes) {
        if let Some(hub) = self.0.upgrade() {
            let crowded = hub.deliver(channel, message);
            drop(hub);
            pace(crowded).await;
        }
    }
}

impl Shared {
    /// Returns whether a member falls behind.
    fn deliver(&self, channel: &str, message: &Utf8Bytes) -> bool {
        let mut channels = self.channels();
        let Some(members) = channels.get_mut(channel) else {
            return false;
        };
        // A slow member must not stop the others, nor miss a message unknowingly. It is told to
        // leave.
        members.retain(|_, member| member.deliver(message.clone()));
        let mut seats = members.values();
        seats.any(|seat| seat.inbox.capacity() < QUEUE / 2)
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<String, Members>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pace(crowded: bool) {
    if crowded {
        sleep(BREATH).await;
    } else {
        yield_now().await;
    }
}

impl Member {
    /// Whether it is in this channel, or has room for one more.
    pub(crate) fn has_room_for(&self, channel: &str) -> bool {
        self.is_in(channel) || self.joined.len() < MAX_CHANNELS
    }

    pub(crate) fn join(&mut self, channel: &str) {
        if self.is_in(channel) {
            return;
        }
        self.joined.push(channel.to_owned());
        let mut channels = self.hub.0.channels();
        channels
            .entry(channel.to_owned())
            .or_default()
            .insert(self.id, self.seat.clone());
    }

    /// Ready when it has missed a message.
    pub(crate) fn too_slow(&self) -> impl Future<Output = ()> + use<> {
        let too_slow = Arc::clone(&self.seat.too_slow);
        async move { too_slow.notified().await }
    }

    pub(crate) fn is_in(&self, channel: &str) -> bool {
        self.joined.iter().any(|joined| joined == channel)
    }

    /// Yields to slow readers, however much this member sends.
    pub(crate) async fn say(&self, channel: &str, message: &Utf8Bytes) {
        let crowded = self.hub.0.deliver(channel, message);
        if let Some(others) = self.hub.0.others.get() {
            // The other nodes miss messages beyond the queue.
            let _ = others.try_send((channel.to_owned(), message.to_string()));
        }
        pace(crowded).await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut channels = self.hub.0.channels();
        for channel in &self.joined {
            if let Some(members) = channels.get_mut(channel) {
                members.remove(&self.id);
                if members.is_empty() {
                    channels.remove(channel);
                }
            }
        }
    }
}
