use std::sync::Arc;

use crate::lease::shared::Shared;

/// Ends the enforcement when the connection is over.
pub(crate) struct Release {
    shared: Arc<Shared>,
}

impl Release {
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
        }
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.released = true;
        let place = state.place.take();
        let watches = std::mem::take(&mut state.watches);
        let counted = state.counted.take();
        drop(state);
        drop((watches, counted));
        if let Some(holder) = &self.shared.holder {
            let named = self.shared.config.leases.named();
            named.remove(holder.name.clone(), &self.shared);
        }
        if let Some(place) = place {
            self.shared.config.leases.remove(place);
        }
    }
}
