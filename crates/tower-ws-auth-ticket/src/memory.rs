//! The store in this process's memory.
//!
//! Two generations that swap: a ticket is put into the current one; once per
//! [`max_ttl`](MemoryTicketsBuilder::max_ttl) the current one becomes the previous one, and what
//! was the previous one, all of it expired by then, is dropped whole and outside the lock. Nobody
//! ever walks over tickets to find the expired ones, and there is no task: each shard swaps when
//! it is next used, and each issue looks after one more. Every ticket carries its own exact
//! expiry as well.

mod builder;
mod inner;
mod shard;
mod subjects;
mod table;
mod tickets;

pub use self::builder::{MemoryTicketsBuilder, MemoryTicketsError};
pub use self::tickets::MemoryTickets;
