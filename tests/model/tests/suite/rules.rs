//! The judge: the rules that must hold, whatever the nodes believe.
//!
//! It reads true time and the descent of credentials, which no node can see. A rule that was broken
//! stays broken in all states that follow, and each rule is an `always` property of the model.

use stateright::Property;

use crate::model::World;
use crate::setup::{MARGIN, OverLimit, QUIET, RECHECK, TIMEOUT};
use crate::state::{
    Connection, Credential, Deadline, Outcome, Revocation, State, Tick, bit, members,
};

/// The rules for every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Once a revocation has returned `Ok`, a credential issued before it began is refused: at once
    /// on the node that revoked, after a bound on others.
    RevokedIsRefused,
    /// Once it has returned `Ok`, nothing that was accepted before stays open: on the node that
    /// revoked from then on, on others after a bound.
    RevokedIsClosed,
    /// A ticket and a single-use token open one connection.
    UsedOnce,
    /// A connection ends by a revocation only if that was not over before its user logged in, and by
    /// a limit only if more are open than may be.
    OthersStayOpen,
    /// The store never replaces a revocation by an older one.
    NeverBackwards,
    /// A refusal by a permission or a limit does not use a credential up.
    RefusalSpendsNothing,
    /// No more than the limit are open.
    LimitHolds,
    /// A limit refuses no connection while there is room.
    RoomIsGiven,
    /// A login after a revocation is not refused for it.
    LaterLoginIsWelcome,
    /// A request renews no connection of another user.
    RenewedByItsUser,
    /// A request renews no connection by an older credential than it has.
    NeverOlder,
    /// A margin ends no connection that was renewed in time.
    MarginIsLeft,
}

/// A set of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Broken(u16);

impl Rule {
    pub(crate) const ALL: [Self; 12] = [
        Self::RevokedIsRefused,
        Self::RevokedIsClosed,
        Self::UsedOnce,
        Self::OthersStayOpen,
        Self::NeverBackwards,
        Self::RefusalSpendsNothing,
        Self::LimitHolds,
        Self::RoomIsGiven,
        Self::LaterLoginIsWelcome,
        Self::RenewedByItsUser,
        Self::NeverOlder,
        Self::MarginIsLeft,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RevokedIsRefused => "what was revoked is refused within the bound",
            Self::RevokedIsClosed => "what was revoked is closed within the bound",
            Self::UsedOnce => "nothing is used twice",
            Self::OthersStayOpen => "nobody else's connection is ended",
            Self::NeverBackwards => "a revocation never moves backwards",
            Self::RefusalSpendsNothing => "a refusal spends nothing",
            Self::LimitHolds => "no more than the limit are open",
            Self::RoomIsGiven => "a limit refuses nobody while there is room",
            Self::LaterLoginIsWelcome => "a later login is welcome",
            Self::RenewedByItsUser => "nobody renews another user's connection",
            Self::NeverOlder => "no request renews by an older credential",
            Self::MarginIsLeft => "what is renewed in time stays open",
        }
    }
}

/// The checker takes functions, so that no closure can hold its rule.
pub(crate) fn properties() -> Vec<Property<World>> {
    let conditions: [fn(&World, &State) -> bool; 12] = [
        |_, state| state.keeps(Rule::RevokedIsRefused),
        |_, state| state.keeps(Rule::RevokedIsClosed),
        |_, state| state.keeps(Rule::UsedOnce),
        |_, state| state.keeps(Rule::OthersStayOpen),
        |_, state| state.keeps(Rule::NeverBackwards),
        |_, state| state.keeps(Rule::RefusalSpendsNothing),
        |_, state| state.keeps(Rule::LimitHolds),
        |_, state| state.keeps(Rule::RoomIsGiven),
        |_, state| state.keeps(Rule::LaterLoginIsWelcome),
        |_, state| state.keeps(Rule::RenewedByItsUser),
        |_, state| state.keeps(Rule::NeverOlder),
        |_, state| state.keeps(Rule::MarginIsLeft),
    ];
    let always = |(rule, holds): (Rule, _)| Property::always(rule.name(), holds);
    Rule::ALL.into_iter().zip(conditions).map(always).collect()
}

impl Broken {
    fn contains(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u16) != 0
    }
}

/// How late other nodes than the one that revoked may be, counted from the moment in which the
/// revocation returned `Ok`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// A handshake may still be accepted whose question the store had answered before.
    pub(crate) accepts: Tick,
    /// The same with a ticket or a single-use token, which is spent after that question.
    pub(crate) accepts_spent: Tick,
    /// A connection may stay open whose node has heard no news and not asked again.
    pub(crate) keeps_open: Tick,
    /// A connection may stay open after its node has reached the store again. While it is cut off
    /// there is no bound.
    pub(crate) keeps_open_once_back: Tick,
    /// A connection that is left a margin may stay open, if its clock is behind that of the node that
    /// revoked.
    pub(crate) keeps_a_margin: Tick,
}

impl Bounds {
    pub(crate) const PROMISED: Self = Self {
        accepts: TIMEOUT,
        accepts_spent: 2 * TIMEOUT,
        keeps_open: RECHECK,
        keeps_open_once_back: TIMEOUT,
        keeps_a_margin: MARGIN + QUIET.skew,
    };
}

impl State {
    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        !self.broken.contains(rule)
    }

    pub(crate) fn breaks(&mut self, rule: Rule) {
        self.broken.0 |= 1 << rule as u16;
    }

    /// A credential is being accepted: for a new connection, or on one that is open.
    pub(crate) fn judge_acceptance(&mut self, number: usize, node: usize, bounds: Bounds) {
        let credential = &self.credentials[number];
        let bound = if credential.is_spent_by_use() {
            bounds.accepts_spent
        } else {
            bounds.accepts
        };
        let too_late = members(credential.doomed).any(|revocation| {
            let revocation = &self.revocations[revocation];
            match revocation.outcome {
                Outcome::Ok(_) if revocation.node == node => true,
                Outcome::Ok(ok) => self.now > ok + bound,
                Outcome::Waiting | Outcome::Err => false,
            }
        });
        let is_second = credential.is_spent_by_use() && credential.uses > 0;
        if credential.is_spent_by_use() {
            self.credentials[number].uses = 1;
        }
        if too_late {
            self.breaks(Rule::RevokedIsRefused);
        }
        if is_second {
            self.breaks(Rule::UsedOnce);
        }
    }

    /// Time has passed, or a revocation has returned.
    pub(crate) fn judge_what_is_open(&mut self, bounds: Bounds) {
        let too_long = self.connections.iter().any(|open| {
            let node = &self.nodes[open.node];
            members(self.credentials[open.credential].doomed).any(|revocation| {
                let revocation = &self.revocations[revocation];
                match revocation.outcome {
                    Outcome::Ok(_) if revocation.node == open.node && !revocation.has_margin => {
                        true
                    }
                    // It may have gone behind one of a fast clock.
                    Outcome::Ok(ok) if revocation.node == open.node => {
                        let margin = match revocation.behind {
                            None => MARGIN,
                            Some(_) => bounds.keeps_a_margin,
                        };
                        self.now >= ok + margin
                    }
                    Outcome::Ok(ok) => {
                        let once_back = node.reconnected + bounds.keeps_open_once_back;
                        let until = (ok + bounds.keeps_open).max(once_back);
                        let is_left = revocation.has_margin
                            && self.now < self.heard(revocation, ok, until) + bounds.keeps_a_margin;
                        !node.is_cut_off && self.now > until && !is_left
                    }
                    Outcome::Waiting | Outcome::Err => false,
                }
            })
        });
        if too_long {
            self.breaks(Rule::RevokedIsClosed);
        }
    }

    /// When a node has heard of a revocation with a margin, at the latest: at once if it hears of that
    /// one. Otherwise it hears of a later one, which is there by then.
    fn heard(&self, revocation: &Revocation, ok: Tick, until: Tick) -> Tick {
        let is_later = |other: &Revocation| {
            other.has_margin && other.key == revocation.key && other.at > revocation.at
        };
        if self.revocations.iter().any(is_later) {
            until
        } else {
            ok
        }
    }

    /// A connection is ended by a revocation.
    pub(crate) fn judge_ending(&mut self, credential: usize, revocation: usize) {
        if self.credentials[credential].survives & bit(revocation) != 0 {
            self.breaks(Rule::OthersStayOpen);
        }
    }

    /// A request is about to renew a connection.
    pub(crate) fn judge_renewal(&mut self, open: Connection, credential: usize) {
        let [old, new] = [open.credential, credential].map(|number| &self.credentials[number]);
        let is_others = old.user != new.user;
        let is_older = is_older(new, old);
        if is_others {
            self.breaks(Rule::RenewedByItsUser);
        }
        if is_older {
            self.breaks(Rule::NeverOlder);
        }
    }

    /// A connection is ended because its margin is over.
    pub(crate) fn judge_margin(&mut self, open: Connection, deadline: Deadline) {
        if open.credential != deadline.credential {
            self.breaks(Rule::MarginIsLeft);
        }
        self.judge_ending(open.credential, deadline.revocation);
    }

    /// A credential is refused because of a revocation.
    pub(crate) fn judge_refusal(&mut self, credential: usize, revocation: usize) {
        if self.credentials[credential].survives & bit(revocation) != 0 {
            self.breaks(Rule::LaterLoginIsWelcome);
        }
    }

    /// A connection was opened or renewed.
    pub(crate) fn judge_limit(
        &mut self,
        node: usize,
        credential: usize,
        limit: Option<(usize, OverLimit)>,
    ) {
        let user = self.credentials[credential].user;
        if limit.is_some_and(|(most, _)| self.count_open(node, user) > most) {
            self.breaks(Rule::LimitHolds);
        }
    }
}

/// By the time of issue, as the credentials say it.
pub(crate) fn is_older(one: &Credential, other: &Credential) -> bool {
    let both = one.issued_at.zip(other.issued_at);
    both.is_some_and(|(one, other)| one < other)
}
