//! Keeps credentials out of the logs of other layers.

pub(crate) mod layer;
mod query;

pub use self::layer::{Lift, LiftError, LiftLayer};
pub use self::query::RedactedQuery;
