//! A model of the protocol between two nodes, their store and their clocks.
//!
//! The parts of these crates have tests of their own. Their common promises depend on the order of
//! many events on several machines, and no test can try all orders. This model can: [`stateright`]
//! visits every state that a bounded world can reach. A rule that is broken in any of them comes
//! with the shortest way to it.
//!
//! # What is promised
//!
//! *Revoking* is a ban (`revoke("user:ada")`) or a logout (the session's key, and its record). A
//! credential *descends* from a login: the session itself, a credential minted for it, and one
//! minted for that. These are the [rules](rules::Rule), and [`rules::Bounds`] are the bounds:
//!
//! - **On the node that revoked.** From the moment in which `revoke` returned `Ok`, no credential
//!   issued before it began is accepted, and no connection opened by one is left open.
//! - **On every other node.** No earlier credential is accepted later than *one command timeout*
//!   after that moment; with a ticket or a single-use token, *two*. Its connections are told to
//!   close when the news arrives. If the news is lost, they are told when the node asks again, at
//!   the latest *one recheck period* after that moment.
//! - **On a node that does not reach the store.** No credential is accepted. Open connections stay
//!   open. They are told to close at the latest one command timeout after the node has the store
//!   again, or one recheck period after `Ok`, whichever is later.
//! - **If `revoke` returned `Err`**, the connections in question are closed on its node. Nothing is
//!   promised about the other nodes until the call is repeated, or until its node has written it
//!   later.
//! - All this holds for a user's key as long as no two clocks differ by more than the allowed skew.
//!   For a session's key it holds for any clocks.
//! - A login after a revocation is accepted at once on every node. No credential that descends from
//!   it is refused or ended for that revocation. One node's failed revocation may be written after
//!   such a login; then it counts from there.
//! - A ticket and a single-use token open one connection, if the clocks of any two nodes differ by
//!   no more than the allowed skew. A credential refused by a permission or a limit is not used up.
//! - A request renews a connection of its own user only, and by no older credential than it has. What
//!   holds for a handshake holds for the node of the connection. No connection that has ended is
//!   renewed.
//! - A revocation with a margin refuses older credentials as any other does. A connection that hears
//!   of it ends with the margin by the clock of its node, unless it is renewed before. It weakens no
//!   revocation without a margin: a connection of before that one ends as if there were no margin. Of
//!   two margins that overlap, a node that missed the news of the first leaves the second.
//! - A limit is never exceeded. It neither ends nor refuses a connection before it is reached.
//!
//! Each bound is reached: with one tick less there is a counterexample. One tick of the model is one
//! [command timeout](setup::TIMEOUT), which is a second by default, and the
//! [recheck period](setup::RECHECK) is two. Its default is a minute, a second in which the node looks
//! whether it is time, and the time of the question itself. The numbers of the model are small
//! because only their order matters.
//!
//! # What is modelled
//!
//! | in the model | in the code |
//! |---|---|
//! | true time, and a clock for each node that is ahead of it by a constant | `Clock` |
//! | the store: session records, tickets, claims, the latest revocation of each key with the moment of the last one without a margin; one command at a time | `tower-ws-auth-redis`, or the stores in memory |
//! | a command: sent, carried out at any later time, answered at any time after that, or given up at its deadline although it may have been carried out | `Redis::ask`, `within` |
//! | news: heard by the other node at any time, in any order, or never | `Listener::listen` |
//! | a write of a revocation that is given up and carried out much later | a slow Redis |
//! | a node that is cut off and comes back, also one that revokes meanwhile | `Listener::run` |
//! | sessions, tokens, single-use tokens, tickets | the strategies, each `revocable` |
//! | ticket and token endpoints, whose request bodies may arrive at any later time | `TicketEndpoint`, `POST /token` of the chat |
//! | requests to any node that renew a connection, and their way to its node | `Renewals`, `across` |
//! | margins, what is kept beside them, and the end of a lease by one | `Revocations::revoke_within`, `Revocation::with_earlier`, `LeaseLayer` |
//! | renewals by the handler, limits of both kinds, permissions, ordinary requests on a leased route | `LeaseLayer`, `authorize` |
//!
//! [`model::Action`] names every step with the code behind it, and [`requests`] and [`revoke`] have
//! a table each. [`protocol::Protocol`] has one switch for each thing that the protocol did
//! differently before. [`rows`] shows the rule that each of them breaks. [`mended`] explores the
//! present protocol.
//!
//! # What is not modelled
//!
//! - The end of a credential by its own time, except for single-use tokens; a lease's `until` and
//!   grace. A lease ends in the tick of its margin; in the code it is up to a second late.
//! - More than two nodes. The nodes do not speak to each other, only to the store: a third adds
//!   another reader.
//! - A store that loses answered writes (a failover, an eviction, the end of the retention). The
//!   documentation of `tower-ws-auth-redis` states the consequences.
//! - Clocks that are set while the nodes run, and the inside of one process. The registry's locks
//!   and the leases are checked with loom, the bytes on the wire by tests over sockets.
//! - A closing handshake. A connection counts as closed when it is told to close; it is cut after
//!   the deadline of its lease at the latest.
//! - The way of a renewal between the nodes, which takes no time. In the code, a check of another node
//!   that is more than five seconds old is made again.
//! - Equivalents of other states. A question that is never answered is a request that was never
//!   made, unless it spends a credential or its node is cut off. A question about all keys that
//!   would change nothing is not asked. An answer that only leads to another question arrives when
//!   it is given.
//!
//! # Sizes
//!
//! `SUITE_TIER=assure` explores the larger worlds, together more than seventy million unique states.
//! How many there are in each is printed: `cargo test -p model-tests -- --nocapture` shows them, and
//! the counterexamples.

mod explore;
mod mended;
mod model;
mod protocol;
mod requests;
mod revoke;
mod rows;
mod rules;
mod seen;
mod setup;
mod state;
