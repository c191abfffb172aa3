use std::error::Error;

use crate::{PutError, StoreError};

/// Why no ticket was issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// As many tickets are outstanding as the store holds. Nobody lost one for it.
    #[error("as many tickets are outstanding as the store holds")]
    Full,
    /// As many tickets are outstanding as one subject may have. Nobody lost one for it.
    #[error("as many tickets are outstanding as one subject may have")]
    SubjectFull,
    /// The [`Purpose`](crate::Purpose) names something that these tickets are not bound to, or does not
    /// name something that they are.
    #[error("{0}")]
    Binding(&'static str),
    /// What the ticket would grant is over already.
    #[error("what the ticket would grant is over already")]
    Over,
    /// The payload could not be written as JSON.
    #[error("the payload could not be written as JSON")]
    Payload(#[source] Box<dyn Error + Send + Sync>),
    /// Payload and revocation keys are longer than [`MAX_ENTRY`](crate::MAX_ENTRY) together.
    #[error("payload and revocation keys are longer than 4 KiB")]
    TooLarge,
    /// The operating system gave no random numbers.
    #[error("the operating system gave no random numbers")]
    Entropy(#[source] Box<dyn Error + Send + Sync>),
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
