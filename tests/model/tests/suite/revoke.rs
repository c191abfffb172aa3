//! Revocations: written, told, retried and looked up.
//!
//! | here | in the code |
//! |---|---|
//! | [`World::revoke`], [`World::confirm`], [`World::fail`] | `Revocations::revoke` over `RedisRevocations::record`; `Sessions::destroy` beside it |
//! | [`World::write`] | the command or script that writes a revocation |
//! | [`World::catch_up`] | `redis::revocations::Shared::catch_up` |
//! | [`World::hear_news`], [`World::recheck`] | `redis::Listener` and `LocalConnections::revoked` |
//! | [`World::leave_a_margin`], [`World::end_margins`] | `Connection::on_notice`, `Shared::end_at`; `Leases` |
//! | [`World::tell`] | `Registry::tell` and `revocation::Connection::hear` |

use crate::model::World;
use crate::rules::Rule;
use crate::seen::Seen;
use crate::setup::MARGIN;
use crate::state::{
    Command, Connection, Deadline, Key, Outcome, Revocation, State, Tick, Watch, bit, members,
    place_of, tick,
};

impl World {
    pub(crate) fn revoke(&self, state: &mut State, node: usize, key: Key, has_margin: bool) {
        state.left.revocations -= 1;
        let number = state.revocations.len();
        for credential in &mut state.credentials {
            if credential.belongs_to(key) && !credential.is_coming {
                credential.doomed |= bit(number);
            }
        }
        state.revocations.push(Revocation {
            node,
            key,
            has_margin,
            at: state.moment(node) + 1,
            sent: state.now,
            behind: None,
            write: Command::Sent,
            destroy: match key {
                Key::User(_) => Command::None,
                Key::Session(_) => Command::Sent,
            },
            outcome: Outcome::Waiting,
            may_come_late: false,
            is_news: false,
            written: None,
            firm: None,
        });
        if !self.protocol.writes_first {
            self.tell(state, node, number);
        }
    }

    /// The store carries out a write, and publishes what it has written.
    pub(crate) fn write(&self, state: &mut State, number: usize) -> Command {
        let Revocation { key, at, .. } = state.revocations[number];
        let now = state.now;
        if let Some(old) = state.stored_for(key) {
            let is_younger = at > state.revocations[old].at;
            if self.protocol.store_keeps_the_younger && !is_younger {
                self.seen.add(Seen::YoungerKept);
                if self.take_over(state, old, number) {
                    // It is in the store now, and is published with the other.
                    state.revocations[number].written.get_or_insert(now);
                    state.revocations[old].is_news = true;
                }
                return Command::Met(old);
            }
            if at < state.revocations[old].at {
                state.breaks(Rule::NeverBackwards);
            }
            state.stored.retain(|stored| *stored != old);
            self.take_over(state, number, old);
        }
        let revocation = &mut state.revocations[number];
        revocation.written.get_or_insert(now);
        revocation.is_news = true;
        state.stored.push(number);
        state.stored.sort_unstable();
        Command::Done
    }

    /// The one that stays keeps the effect of an earlier one (`Revocation::with_earlier`). Returns
    /// `true` if that changes it.
    fn take_over(&self, state: &mut State, stays: usize, earlier: usize) -> bool {
        let [one, other] = [stays, earlier].map(|number| &state.revocations[number]);
        if !self.protocol.margins_keep_the_firm || !one.has_margin {
            return false;
        }
        let is_over = !other.has_margin || tick(other.at) + MARGIN <= tick(one.at);
        let firm = if is_over { Some(earlier) } else { other.firm };
        let at = |number: Option<usize>| number.map(|number| state.revocations[number].at);
        if at(firm) <= at(one.firm) {
            return false;
        }
        self.seen.add(Seen::FirmKept);
        state.revocations[stays].firm = firm;
        true
    }

    pub(crate) fn destroy(state: &mut State, number: usize) {
        let revocation = &mut state.revocations[number];
        revocation.destroy = Command::Done;
        if let Key::Session(session) = revocation.key {
            state.credentials[session].is_stored = false;
        }
    }

    pub(crate) fn confirm(&self, state: &mut State, number: usize) {
        let now = state.now;
        let Revocation { node, write, .. } = state.revocations[number];
        if let Command::Met(younger) = write {
            let is_second = state.revocations[number].behind.is_some();
            if self.protocol.revoke_goes_behind && !is_second {
                let behind = state.revocations[younger].at + 1;
                let at = (state.moment(node) + 1).max(behind);
                let revocation = &mut state.revocations[number];
                revocation.at = at;
                revocation.behind = Some(younger);
                revocation.write = Command::Sent;
                revocation.sent = now;
                return;
            }
            // The younger one stands for both.
            state.revocations[number].written.get_or_insert(now);
        }
        let revocation = &mut state.revocations[number];
        revocation.write = Command::None;
        revocation.destroy = Command::None;
        revocation.outcome = Outcome::Ok(now);
        self.settle(state, node, number);
        // The kept revocation is the one that is told.
        let kept = match write {
            Command::Met(younger) => younger,
            _ => number,
        };
        if self.protocol.writes_first && self.tell(state, node, kept) {
            self.seen.add(Seen::EndedWhereRevoked);
        }
        state.judge_what_is_open(self.bounds);
    }

    /// Older unwritten revocations of its key are done.
    fn settle(&self, state: &mut State, node: usize, number: usize) {
        if !self.protocol.store_keeps_the_younger {
            return;
        }
        let Revocation {
            key,
            at,
            has_margin,
            ..
        } = state.revocations[number];
        let keeps_firm = self.protocol.margins_keep_the_firm && has_margin;
        let is_left = |&other: &usize| {
            let other = &state.revocations[other];
            other.key != key || other.at > at || keeps_firm && other.at < at
        };
        let unwritten = members(state.nodes[node].unwritten).filter(is_left);
        state.nodes[node].unwritten = unwritten.map(bit).sum();
    }

    pub(crate) fn fail(&self, state: &mut State, number: usize) {
        self.seen.add(Seen::RevocationFailed);
        state.left.failures = state.left.failures.saturating_sub(1);
        let revocation = &mut state.revocations[number];
        revocation.may_come_late = revocation.write == Command::Sent;
        revocation.write = Command::None;
        revocation.destroy = Command::None;
        revocation.outcome = Outcome::Err;
        let node = revocation.node;
        self.keep(state, node, number);
        // The store's state is unknown, so all connections end, whatever time they were left.
        let everybody = |_: &State, _: Option<usize>| true;
        if Self::end(state, node, number, everybody, |_, _| false) {
            self.seen.add(Seen::EndedWhereRevoked);
        }
    }

    /// Keeps what could not be written: the latest of each key.
    fn keep(&self, state: &mut State, node: usize, number: usize) {
        let Revocation {
            key,
            at,
            has_margin,
            ..
        } = state.revocations[number];
        let of_key = |&other: &usize| state.revocations[other].key == key;
        let unwritten = members(state.nodes[node].unwritten);
        let (same, others): (Vec<_>, Vec<_>) = unwritten.partition(of_key);
        let is_later = |&other: &usize| state.revocations[other].at >= at;
        let stands_for_it = |other: &usize| {
            let has_less = state.revocations[*other].has_margin;
            is_later(other) && !(self.protocol.margins_keep_the_firm && has_less)
        };
        if self.protocol.store_keeps_the_younger && same.iter().any(stands_for_it) {
            return;
        }
        let others: u8 = others.into_iter().map(bit).sum();
        // One with a margin does not stand for the others.
        let keeps_firm = self.protocol.margins_keep_the_firm;
        let stays = |&other: &usize| keeps_firm && (has_margin || is_later(&other));
        let beside: u8 = same.into_iter().filter(stays).map(bit).sum();
        state.nodes[node].unwritten = others | beside | bit(number);
    }

    pub(crate) fn write_late(&self, state: &mut State, number: usize) {
        self.seen.add(Seen::WrittenLate);
        state.revocations[number].may_come_late = false;
        self.write(state, number);
    }

    /// The command and its answer are one step here: one whose answer is lost is [`write_late`]
    /// with another attempt behind it.
    ///
    /// [`write_late`]: World::write_late
    pub(crate) fn catch_up(&self, state: &mut State, node: usize, revocation: usize) {
        self.seen.add(Seen::CaughtUp);
        state.nodes[node].unwritten &= !bit(revocation);
        self.write(state, revocation);
    }

    pub(crate) fn hear_news(&self, state: &mut State, number: usize) {
        let revocation = &mut state.revocations[number];
        revocation.is_news = false;
        let other = 1 - revocation.node;
        if self.tell(state, other, number) {
            self.seen.add(Seen::EndedByNews);
        }
    }

    pub(crate) fn recheck(&self, state: &mut State, node: usize) {
        state.nodes[node].asked = state.written().map(|(number, _)| bit(number)).sum();
        for number in state.stored.clone() {
            if self.tell(state, node, number) {
                self.seen.add(Seen::EndedByRecheck);
            }
        }
    }

    /// A question that would change nothing counts as asked: a later registration asks the store
    /// itself. So states that differ only in such a question are one.
    pub(crate) fn forget_idle_questions(&self, state: &mut State) {
        for node in 0..state.nodes.len() {
            let matters = state
                .stored
                .iter()
                .any(|&number| self.would_tell(state, node, number));
            if !matters {
                state.nodes[node].asked = state.written().map(|(number, _)| bit(number)).sum();
            }
        }
    }

    fn would_tell(&self, state: &State, node: usize, number: usize) -> bool {
        let key = state.revocations[number].key;
        let is_new = |known: [Option<usize>; 2]| self.is_new(state, known[place_of(key)], number);
        let request = state.requests.iter().any(|request| {
            request.node == node
                && state.credentials[request.credential].holds(key)
                && match request.watch {
                    Watch::Checking { heard } => heard & bit(number) == 0,
                    Watch::Good { known } => is_new(known),
                    Watch::Unregistered | Watch::Ended => false,
                }
        });
        request
            || state.connections.iter().any(|open| {
                open.node == node
                    && state.credentials[open.credential].holds(key)
                    && is_new(open.known)
                    && self.would_change(state, *open, number)
            })
    }

    /// Whether a connection that passed beside this known revocation has to end by the one of that
    /// number.
    fn is_new(&self, state: &State, known: Option<usize>, number: usize) -> bool {
        !known.is_some_and(|known| {
            if self.protocol.nodes_keep_the_younger {
                state.revocations[known].at >= state.revocations[number].at
            } else {
                known == number
            }
        })
    }

    /// Tells all registrations under the key of a revocation. Clocks are not compared. Returns
    /// `true` if a connection ended.
    fn tell(&self, state: &mut State, node: usize, number: usize) -> bool {
        let is_new = |state: &State, known| {
            let is_new = self.is_new(state, known, number);
            if !is_new {
                self.seen.add(Seen::NewsWasOld);
            }
            is_new
        };
        let Revocation { at, key, .. } = state.revocations[number];
        let leave = |state: &State, open: &mut Connection| {
            let is_left = self.leaves_time(state, open.known[place_of(key)], number);
            if is_left {
                self.leave_a_margin(open, number, tick(at) + MARGIN);
            }
            is_left
        };
        Self::end(state, node, number, is_new, leave)
    }

    /// The connection ends then, unless it ends sooner or is renewed (`Lease::end_at`).
    fn leave_a_margin(&self, open: &mut Connection, revocation: usize, at: Tick) {
        self.seen.add(Seen::LeftAMargin);
        let is_later = |deadline: Deadline| deadline.at <= at;
        if self.protocol.margins_are_not_prolonged && open.deadline.is_some_and(is_later) {
            return;
        }
        open.deadline = Some(Deadline {
            at,
            revocation,
            credential: open.credential,
        });
    }

    /// Whether a connection that passed beside this known revocation is left some time by the one of
    /// that number (`Revocation::deadline`).
    fn leaves_time(&self, state: &State, known: Option<usize>, number: usize) -> bool {
        let Revocation {
            has_margin, firm, ..
        } = state.revocations[number];
        has_margin && !firm.is_some_and(|firm| self.is_new(state, known, firm))
    }

    /// Whether a connection that hears of a revocation ends, or ends sooner.
    fn would_change(&self, state: &State, open: Connection, number: usize) -> bool {
        let Revocation { at, key, .. } = state.revocations[number];
        let has_margin = self.leaves_time(state, open.known[place_of(key)], number);
        match open.deadline {
            Some(deadline) if has_margin && self.protocol.margins_are_not_prolonged => {
                tick(at) + MARGIN < deadline.at
            }
            Some(deadline) if has_margin => deadline.revocation != number,
            _ => true,
        }
    }

    /// The clocks have gone on: ends the connections whose margin is over (`Leases`).
    pub(crate) fn end_margins(&self, state: &mut State) {
        if !self.protocol.margins_end {
            return;
        }
        let is_due = |open: &Connection| {
            open.deadline
                .is_some_and(|deadline| state.clock(open.node) >= deadline.at)
        };
        let (due, stay): (Vec<_>, Vec<_>) = state.connections.iter().copied().partition(is_due);
        state.connections = stay;
        for open in due {
            self.seen.add(Seen::EndedByMargin);
            if let Some(deadline) = open.deadline {
                state.judge_margin(open, deadline);
            }
        }
    }

    /// Ends all registrations under the key of a revocation that passed beside one for which
    /// `is_new` holds, except the connections that are left some time. Returns `true` if a
    /// connection ended.
    fn end(
        state: &mut State,
        node: usize,
        number: usize,
        is_new: impl Fn(&State, Option<usize>) -> bool,
        leave: impl Fn(&State, &mut Connection) -> bool,
    ) -> bool {
        let key = state.revocations[number].key;
        let place = place_of(key);
        let mut judged = Vec::new();
        for at in 0..state.requests.len() {
            let request = &state.requests[at];
            if request.node != node || !state.credentials[request.credential].holds(key) {
                continue;
            }
            let watch = match request.watch {
                Watch::Checking { heard } => Watch::Checking {
                    heard: heard | bit(number),
                },
                Watch::Good { known } if is_new(state, known[place]) => {
                    judged.push(request.credential);
                    Watch::Ended
                }
                same => same,
            };
            state.requests[at].watch = watch;
        }
        let (mut stay, mut gone) = (Vec::new(), Vec::new());
        for mut open in state.connections.iter().copied() {
            let hears = open.node == node
                && state.credentials[open.credential].holds(key)
                && is_new(state, open.known[place]);
            if hears && !leave(state, &mut open) {
                gone.push(open);
            } else {
                stay.push(open);
            }
        }
        state.connections = stay;
        judged.extend(gone.iter().map(|open| open.credential));
        for credential in judged {
            state.judge_ending(credential, number);
        }
        !gone.is_empty()
    }
}
