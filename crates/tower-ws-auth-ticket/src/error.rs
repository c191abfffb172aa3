use std::error::Error;

use crate::{PutError, StoreError};

/// Why no ticket was issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The store holds its maximum of outstanding tickets. No ticket was dropped for a new one.
    #[error("the store holds its maximum of outstanding tickets")]
    Full,
    /// The subject has its maximum of outstanding tickets. No ticket was dropped for a new one.
    #[error("the subject has its maximum of outstanding tickets")]
    SubjectFull,
    /// The [`Purpose`](crate::Purpose) does not fit the binding of these tickets: it names too much
    /// or too little.
    #[error("{0}")]
    Binding(&'static str),
    /// The grant of the ticket would have ended already.
    #[error("the grant of the ticket would have ended already")]
    Over,
    /// The payload cannot be serialized as JSON.
    #[error("the payload cannot be serialized as JSON")]
    Json(#[source] Box<dyn Error + Send + Sync>),
    /// Payload and revocation keys together are longer than [`MAX_ENTRY`](crate::MAX_ENTRY).
    #[error("payload and revocation keys are longer than 4 KiB")]
    TooLarge,
    /// The operating system gave no random numbers.
    #[error("the operating system gave no random numbers")]
    Random(#[source] Box<dyn Error + Send + Sync>),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The store did not answer in time.
    #[error("the store did not answer in time")]
    TimedOut,
}

impl From<PutError> for IssueError {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Full => Self::Full,
            PutError::SubjectFull => Self::SubjectFull,
            PutError::Store(error) => Self::Store(error),
        }
    }
}
