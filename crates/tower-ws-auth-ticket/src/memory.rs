//! The store in this process's memory.
//!
//! Standard maps in two generations that swap. A ticket is put into the current one. Once per
//! [`max_ttl`](MemoryTicketsBuilder::max_ttl) the current one becomes the previous one. The one
//! before has expired by then, and is dropped whole and outside the lock. No walk finds expired
//! tickets, and there is no task: each shard swaps when it is next used, and each issue looks
//! after one more. Every ticket carries its own exact expiry as well.
//!
//! By hand, because the caches do not bound without evicting: moka does not check the expiry of
//! an entry that it removes, and may evict a live ticket. A full sweep of a dashmap holds locks
//! for long.

mod apart;
mod builder;
mod generations;
mod inner;
mod subjects;
mod tickets;

pub use self::builder::{MemoryTicketsBuilder, MemoryTicketsError};
pub use self::tickets::MemoryTickets;
