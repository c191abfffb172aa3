//! Renewals: an open connection gets a new credential without reconnecting.

mod connection_id;
mod decide;
mod endpoint;
mod forbid;
mod messages;
mod named;
mod nodes;
mod renew;
mod service;

pub use self::connection_id::ConnectionId;
pub use self::messages::{AnswerFuture, RenewalFormat, RenewalMessages};
pub(crate) use self::named::{Holder, Named, UserOf, Users};
pub(crate) use self::renew::{AcceptedBy, NotRenewed};
pub use self::service::{RenewalFuture, Renewals, RenewalsError};
