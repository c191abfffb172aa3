//! Who is in which channel.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;

/// Messages that wait for one member at most; a slower one misses some.
const QUEUE: usize = 64;
/// Channels that one member may be in.
const MAX_CHANNELS: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Hub(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    channels: Mutex<HashMap<String, Members>>,
}

type Members = HashMap<u64, mpsc::Sender<Utf8Bytes>>;

/// One connection's place in the hub; dropping it leaves every channel.
#[derive(Debug)]
pub(crate) struct Member {
    hub: Hub,
    id: u64,
    sender: mpsc::Sender<Utf8Bytes>,
    joined: Vec<String>,
}

impl Hub {
    pub(crate) fn enter(&self) -> (Member, mpsc::Receiver<Utf8Bytes>) {
        let (sender, inbox) = mpsc::channel(QUEUE);
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        (
            Member {
                hub: self.clone(),
                id,
                sender,
                joined: Vec::new(),
            },
            inbox,
        )
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<String, Members>> {
        self.0
            .channels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
        let mut channels = self.hub.channels();
        channels
            .entry(channel.to_owned())
            .or_default()
            .insert(self.id, self.sender.clone());
    }

    pub(crate) fn is_in(&self, channel: &str) -> bool {
        self.joined.iter().any(|joined| joined == channel)
    }

    pub(crate) fn say(&self, channel: &str, message: &Utf8Bytes) {
        for member in self
            .hub
            .channels()
            .get(channel)
            .into_iter()
            .flat_map(HashMap::values)
        {
            // A member that does not keep up misses messages rather than stopping the others.
            let _ = member.try_send(message.clone());
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut channels = self.hub.channels();
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
