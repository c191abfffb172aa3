//! Who is in which channel.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::task::yield_now;
use tokio::time::sleep;

/// Messages that wait for one member at most; a slower one has to go.
const QUEUE: usize = 1024;
/// How long whoever speaks waits after each message while one for whom half of that waits catches up.
const BREATH: Duration = Duration::from_millis(5);
/// Channels that one member may be in.
const MAX_CHANNELS: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Hub(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    channels: Mutex<HashMap<String, Members>>,
    /// To the other nodes: channel and message.
    others: OnceLock<mpsc::Sender<(String, String)>>,
}

/// The hub as its relay sees it, which does not keep it alive.
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

/// One connection's place in the hub; dropping it leaves every channel.
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

    /// What is said here goes there as well, from the first time on.
    pub(crate) fn relay_to(&self, others: mpsc::Sender<(String, String)>) -> Here {
        let _ = self.0.others.set(others);
        Here(Arc::downgrade(&self.0))
    }
}

impl Here {
    /// To the members on this node.
    pub(crate) async fn deliver(&self, channel: &str, message: &Utf8Bytes) {
        if let Some(hub) = self.0.upgrade() {
            let crowded = hub.deliver(channel, message);
            drop(hub);
            pace(crowded).await;
        }
    }
}

impl Shared {
    /// Says whether somebody falls behind.
    fn deliver(&self, channel: &str, message: &Utf8Bytes) -> bool {
        let mut channels = self.channels();
        let Some(members) = channels.get_mut(channel) else {
            return false;
        };
        // A member that does not keep up must not stop the others, nor miss something and not
        // know: it is told to go.
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
    /// Whether this is a channel that it is in, or not one too many.
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

    /// Ready when it has missed something.
    pub(crate) fn too_slow(&self) -> impl Future<Output = ()> + use<> {
        let too_slow = Arc::clone(&self.seat.too_slow);
        async move { too_slow.notified().await }
    }

    pub(crate) fn is_in(&self, channel: &str) -> bool {
        self.joined.iter().any(|joined| joined == channel)
    }

    /// Those who read have their turn, however much this one has to say.
    pub(crate) async fn say(&self, channel: &str, message: &Utf8Bytes) {
        let crowded = self.hub.0.deliver(channel, message);
        if let Some(others) = self.hub.0.others.get() {
            // They miss what does not fit.
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
