//! The store's own sources, over the locks of [`crate::sync`]: the library's code as it is shipped,
//! but that a lock notes how long it was held, and that subjects hash alike in each run. Loom swaps
//! them likewise.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the library uses and exports all of it"
)]

#[path = "../../src/memory/apart.rs"]
mod apart;
#[path = "../../src/memory/builder.rs"]
mod builder;
#[path = "../../src/memory/generations.rs"]
mod generations;
#[path = "../../src/memory/inner.rs"]
mod inner;
#[path = "../../src/memory/subjects.rs"]
mod subjects;
#[path = "../../src/memory/tickets.rs"]
mod tickets;

pub(crate) use self::tickets::MemoryTickets;
