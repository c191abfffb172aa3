//! A model of the protocol between two nodes, their store and their clocks.
//!
//! The parts of these crates have tests of their own. What they promise together depends on the
//! order in which many things happen on several machines, and no test can try all orders. This
//! model can: [`stateright`] visits every state that a bounded world can reach, and a rule that is
//! broken in any of them comes with the shortest way to it.
//!
//! This is the protocol as the code has it, with the ways in which it breaks the
//! [rules](rules::Rule) that it shall keep.
//!
//! # What is modelled
//!
//! | in the model | in the code |
//! |---|---|
//! | true time, and a clock for each node that is ahead of it by a constant | `Clock` |
//! | the store: session records, tickets, claims, one revocation of each key; one command at a time | `tower-ws-auth-redis`, or the stores in memory |
//! | a command: sent, carried out at any later time, answered at any time after that, or given up at its deadline although it may have been carried out | `Redis::ask`, `within` |
//! | news: heard by the other node at any time, in any order, or never | `Listener::listen` |
//! | a write of a revocation that is given up and carried out much later | a slow Redis |
//! | a node that is cut off and comes back, also one that revokes meanwhile | `Listener::run` |
//! | sessions, tokens, single-use tokens, tickets | the strategies, each `revocable` |
//! | ticket and token endpoints, whose request bodies may arrive at any later time | `Mint`, `POST /token` of the chat |
//! | renewals, limits of both kinds, permissions, ordinary requests on a leased route | `LeaseLayer`, `authorize` |
//!
//! [`model::Action`] names every step with the code behind it, and [`requests`] and [`revoke`] have a
//! table each. [`protocol::Protocol`] has one switch for each thing that the protocol
//! is to do differently; [`rows`] shows for each of them which rule it breaks.
//!
//! # What is not modelled
//!
//! - The end of a credential by its own time, but for single-use tokens; a lease's `until` and grace.
//! - More than two nodes. The nodes do not speak to each other, only to the store: a third adds
//!   another reader.
//! - A store that loses what it has answered (a failover, an eviction, the end of the retention). The
//!   documentation of `tower-ws-auth-redis` says what that undoes.
//! - Clocks that are set while the nodes run, and what is inside one process: the registry's locks and
//!   the leases are checked with loom, the bytes on the wire by tests over sockets.
//! - A closing handshake. A connection counts as closed when it is told to close; it is cut after
//!   the deadline of its lease at the latest.
//! - What is equivalent to something else here: a question that is never answered is a request that
//!   was never made, unless it spends something or its node is cut off; a question about all keys
//!   that would change nothing is not asked; the answer to a question that only leads to another
//!   one arrives when it is given.

#![expect(dead_code, reason = "the mended protocol asks for what it came by")]

mod explore;
mod model;
mod protocol;
mod requests;
mod revoke;
mod rows;
mod rules;
mod seen;
mod setup;
mod state;
