//! The registrations of a lease.

use tower_ws_auth_core::private::{ConnectionLimits, Watch};
use tower_ws_auth_core::{Rejection, Revocations, Validity};

use crate::lease::shared::Shared;

/// Where a lease is registered: each of them hears of revocations.
#[derive(Clone, Default)]
pub(crate) struct Watches {
    /// With the layer's revocations.
    pub(crate) own: Option<Watch>,
    /// With others, which the strategy has asked.
    pub(crate) others: Box<[Watch]>,
}

impl Watches {
    /// Takes those that a strategy has left. That with the layer's revocations may be among them.
    pub(crate) fn take(validity: &mut Validity, revocations: &Revocations) -> Self {
        let (mut own, mut others) = (None, Vec::new());
        while let Some(watch) = validity.take_watch() {
            if watch.is_of(revocations) {
                // The latest comes first: it knows every key.
                own.get_or_insert(watch);
            } else {
                others.push(watch);
            }
        }
        let others = others.into();
        Self { own, others }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Watch> {
        self.own.iter().chain(&self.others)
    }

    /// Counts the connection as open where this layer limits nothing.
    pub(crate) fn open_others(&self) {
        for other in &self.others {
            let unlimited = other.open(&ConnectionLimits::default(), None);
            drop(unlimited);
        }
    }
}

impl Shared {
    /// Takes the registrations of another credential that its strategy has left.
    pub(crate) fn take_watches(&self, validity: &mut Validity) -> Watches {
        Watches::take(validity, &self.config.revocations)
    }

    /// Registers another credential with all revocations that can end the connection besides the
    /// layer's. It has been `checked` with some of them.
    pub(crate) async fn watch_others(
        &self,
        validity: &Validity,
        checked: Box<[Watch]>,
    ) -> Result<Box<[Watch]>, Rejection> {
        let mut checked = checked.into_vec();
        let known = self.lock().watches.others.clone();
        for known in known {
            let revocations = known.revocations();
            if !checked.iter().any(|watch| watch.is_of(revocations)) {
                checked.push(revocations.watch(validity).await?);
            }
        }
        Ok(checked.into())
    }
}
