use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::SessionId;
use crate::shared::Live;

/// A session that was [loaded](crate::Sessions::load). It derefs to the application's record.
/// [`Sessions::save`](crate::Sessions::save) writes its changes.
#[derive(Clone)]
pub struct Loaded<R> {
    pub(super) id: SessionId,
    pub(super) value: R,
    /// The serialized fields when it was loaded or saved.
    pub(super) before: Map<String, Value>,
    pub(super) live: Live,
}

impl<R> Loaded<R> {
    /// The session's id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// When the session ends if it is not prolonged, if record or store know it.
    pub fn ends_at(&self) -> Option<SystemTime> {
        self.live.end
    }
}

impl<R> Deref for Loaded<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.value
    }
}

impl<R> DerefMut for Loaded<R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.value
    }
}

impl<R> fmt::Debug for Loaded<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("id", &self.id)
            .field("ends_at", &self.live.end)
            .finish_non_exhaustive()
    }
}
