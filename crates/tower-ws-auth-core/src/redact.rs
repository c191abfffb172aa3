//! Keeps credentials out of the logs of other layers.

pub(crate) mod layer;
mod query;

pub use self::layer::{Redact, RedactError, RedactLayer};
pub use self::query::RedactedQuery;
