//! Keeps credentials out of the logs of other layers.

pub(crate) mod layer;
mod path;
mod query;

pub use self::layer::{Redact, RedactError, RedactLayer};
pub use self::query::RedactedQuery;
