use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the accepted request is called in events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[doc(hidden)]
pub struct Label {
    /// Counts the accepted requests of the process.
    pub connection: Option<NonZeroU64>,
    /// Who it is, if the application wants that in its log.
    pub who: Option<Arc<str>>,
}

impl Label {
    pub(crate) fn new(who: Option<String>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            connection: NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)),
            who: who.map(Arc::from),
        }
    }
}
