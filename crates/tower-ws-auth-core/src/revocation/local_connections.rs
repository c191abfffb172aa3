use std::sync::{Arc, Weak};

use super::registry::Registry;
use super::{DisconnectReason, Revocation};

/// The connections of this node, as a store sees them. The store ends them for revocations of other
/// nodes.
#[derive(Clone, Debug)]
pub struct LocalConnections {
    registry: Weak<Registry>,
}

impl LocalConnections {
    pub(super) fn of(registry: &Arc<Registry>) -> Self {
        let registry = Arc::downgrade(registry);
        Self { registry }
    }

    /// A key was revoked on some node. Connections whose handshakes knew the revocation go on.
    /// Calls may be repeated.
    pub async fn revoked(&self, key: &str, revocation: &Revocation) {
        if let Some(registry) = self.registry.upgrade() {
            registry.tell(key, revocation).await;
        }
    }

    /// Ends every connection of this node that can be revoked, and returns their number. For a
    /// store that has missed news for too long.
    pub async fn end_all(&self, reason: &DisconnectReason) -> usize {
        let mut ended = 0;
        if let Some(registry) = self.registry.upgrade() {
            for key in registry.keys() {
                ended += registry.end(&key, reason).await;
            }
        }
        ended
    }

    /// Every key that is registered now: ask about these after news may have been missed.
    pub fn keys(&self) -> Vec<Arc<str>> {
        self.registry
            .upgrade()
            .map_or_else(Vec::new, |registry| registry.keys())
    }

    /// Whether no news is needed any more.
    pub fn is_gone(&self) -> bool {
        self.registry.strong_count() == 0
    }
}
