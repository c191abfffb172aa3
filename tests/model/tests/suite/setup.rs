//! The size of the world of one exploration.

use crate::state::{Kind, Tick, User};

/// By when a command to the store is answered or given up: `RedisBuilder::timeout`.
pub(crate) const TIMEOUT: Tick = 1;

/// The longest time between two questions of a node about all its keys, the round trip included.
pub(crate) const RECHECK: Tick = 2;

/// The time that a revocation with a margin leaves to open connections: longer than all the others.
pub(crate) const MARGIN: Tick = 3;

/// The world: its contents at the start, and the number of each action.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each of them allows one thing by itself"
)]
pub(crate) struct Setup {
    /// How far ahead of true time the clocks of the two nodes are, in each of the worlds.
    pub(crate) clocks: &'static [[Tick; 2]],
    /// By how much clocks may differ, as the configuration says.
    pub(crate) skew: Tick,
    /// The clients' credentials at the start.
    pub(crate) start: &'static [Start],
    /// The last tick.
    pub(crate) horizon: Tick,
    /// Handshakes, ordinary requests and so on: each once less when it happens.
    pub(crate) budget: Budget,
    /// The nodes that clients come to.
    pub(crate) serving: &'static [usize],
    /// The nodes that revoke.
    pub(crate) revoking: &'static [usize],
    /// The users that log in again, while the budget lasts.
    pub(crate) log_ins: &'static [User],
    /// The kinds of credentials that can be minted.
    pub(crate) mint: &'static [Kind],
    /// Whether a user is revoked.
    pub(crate) bans: bool,
    /// Whether a user is revoked with a margin.
    pub(crate) margins: bool,
    /// Whether requests renew connections.
    pub(crate) renewable: bool,
    /// Whether a session is logged out.
    pub(crate) logouts: bool,
    /// Whether handshakes come that their user has no permission for.
    pub(crate) forbidden: bool,
    /// How many connections a user may have on a node, and what becomes of one too many.
    pub(crate) limit: Option<(usize, OverLimit)>,
}

/// The connection to end when there are too many: `tower_ws_auth_socket::lease::OverLimit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverLimit {
    RefuseNewest,
    EndOldest,
}

/// A credential that a client holds at the start, issued at tick 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) kind: Kind,
    pub(crate) user: User,
    /// The node by whose clock it was issued. `None`: it does not say when.
    pub(crate) issued_by: Option<usize>,
    /// When it ends by the clocks. Only single-use tokens need an end here.
    pub(crate) expires: Tick,
}

/// How often each thing may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) handshakes: u8,
    pub(crate) requests: u8,
    pub(crate) mints: u8,
    pub(crate) renewals: u8,
    pub(crate) revocations: u8,
    pub(crate) log_ins: u8,
    pub(crate) cuts: u8,
    /// Revocations whose commands are not answered in time.
    pub(crate) failures: u8,
}

/// An empty budget and an empty world. Each setup states its differences.
pub(crate) const QUIET: Setup = Setup {
    clocks: &[[0, 0]],
    skew: 1,
    start: &[],
    horizon: 4,
    budget: Budget {
        handshakes: 0,
        requests: 0,
        mints: 0,
        renewals: 0,
        revocations: 0,
        log_ins: 0,
        cuts: 0,
        failures: 0,
    },
    serving: &[0, 1],
    revoking: &[0, 1],
    log_ins: &[],
    mint: &[],
    bans: false,
    margins: false,
    renewable: false,
    logouts: false,
    forbidden: false,
    limit: None,
};

/// The clocks agree, or one of the nodes is ahead by the allowed skew.
pub(crate) const WITHIN_SKEW: &[[Tick; 2]] = &[[0, 0], [0, 1], [1, 0]];

impl Start {
    /// A session of Ada's, of which the record says when it began by the clock of the first node.
    pub(crate) const SESSION: Self = Self {
        kind: Kind::Session,
        user: User::Ada,
        issued_by: Some(0),
        expires: Tick::MAX,
    };

    /// A token of Ada's from an issuer whose clock agrees with the first node's.
    pub(crate) const TOKEN: Self = Self {
        kind: Kind::Token,
        ..Self::SESSION
    };

    /// A ticket of Ada's.
    pub(crate) const TICKET: Self = Self {
        kind: Kind::Ticket,
        ..Self::SESSION
    };

    /// A single-use token, valid until two ticks have passed by the clock of the node that checks
    /// it.
    pub(crate) const SINGLE_USE: Self = Self {
        kind: Kind::SingleUse,
        expires: 2,
        ..Self::SESSION
    };

    /// A token of Ada's that is younger, if the clock of the second node is ahead.
    pub(crate) const YOUNGER: Self = Self {
        issued_by: Some(1),
        ..Self::TOKEN
    };

    /// A token of another user, who is called a guest.
    pub(crate) const GUEST: Self = Self {
        user: User::Guest,
        ..Self::TOKEN
    };
}
