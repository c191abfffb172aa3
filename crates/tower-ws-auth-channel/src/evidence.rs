use std::fmt;

use http::Extensions;

/// Values that a policy learnt while it admitted a join, by type: the grant of a ticket, the claims
/// of a token, or nothing.
///
/// Only the layer puts it into a [`Join`](crate::Join), so its values were checked.
#[derive(Clone, Default)]
pub struct Evidence {
    values: Extensions,
    is_spent: bool,
}

impl Evidence {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value for the inner service. It replaces one of the same type.
    #[must_use]
    pub fn with<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.values.insert(value);
        self
    }

    /// The value of this type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.values.get()
    }

    /// Removes and returns the value of this type.
    pub fn take<T: Send + Sync + 'static>(&mut self) -> Option<T> {
        self.values.remove()
    }

    /// States that the credential of the join is used up, or may be.
    pub(crate) fn spent(mut self) -> Self {
        self.is_spent = true;
        self
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// The values of both. Of two values of one type, the other's stays.
    pub(crate) fn join(mut self, other: Self) -> Self {
        self.values.extend(other.values);
        self.is_spent |= other.is_spent;
        self
    }
}

impl fmt::Debug for Evidence {
    // The values may be the application's secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Evidence")
    }
}
