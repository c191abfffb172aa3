use std::fmt;

use http::Extensions;

/// What a policy learnt while it let a join pass, by type: the grant of a ticket, the claims of
/// a token, or nothing.
///
/// Only the layer puts one into a [`Join`](crate::Join), so what is found there was checked.
#[derive(Clone, Default)]
pub struct Evidence(Extensions);

impl Evidence {
    /// A pass that says nothing more.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value for the inner service. One of the same type is replaced.
    #[must_use]
    pub fn with<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.0.insert(value);
        self
    }

    /// The value of this type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get()
    }

    /// Takes the value of this type out.
    pub fn take<T: Send + Sync + 'static>(&mut self) -> Option<T> {
        self.0.remove()
    }

    /// Both; of two values of one type, the other's.
    pub(crate) fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl fmt::Debug for Evidence {
    // What is inside is the application's own business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Evidence")
    }
}
