use std::error::Error;
use std::sync::Arc;

/// Why a store failed: one of sessions, of tickets, of used tokens or of revocations.
///
/// It names its cause in its text too, because a log in JSON shows no more of an error. The cause
/// must print neither a key nor an entry.
///
/// ```
/// use std::error::Error;
/// use tower_ws_auth_core::StoreError;
///
/// let error = StoreError::new("connection reset");
/// assert_eq!(error.to_string(), "the store failed: connection reset");
/// assert_eq!(error.source().unwrap().to_string(), "connection reset");
/// assert!(!matches!(error, StoreError::Full));
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It holds its maximum, and drops nothing that is live to make room.
    #[error("the store is full: raise its bound, or wait until entries expire")]
    Full,
    /// It is unavailable or failed, or its answer was lost.
    #[error("the store failed: {0}")]
    Failed(#[source] Arc<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Wraps the error behind it, or a text.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(Arc::from(source.into()))
    }
}
