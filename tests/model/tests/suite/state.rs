//! One moment of the world.
//!
//! The knowledge of the nodes and the store stands beside that of the judge alone: true time, and
//! the descent of credentials. No decision of a node reads the judge's fields.

use crate::rules::Broken;
use crate::setup::Budget;

/// A moment, or a time between two: of true time, or of a node's clock.
pub(crate) type Tick = u8;

/// A time of issue or of a revocation, as it is kept: the time of a node's clock, and the order of
/// that node's moments within one tick. See [`State::moment`].
pub(crate) type Moment = u16;

/// How many moments a tick has.
const MOMENTS: Moment = 32;

/// A set of revocations, by their numbers.
pub(crate) type Revocations = u8;

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// True time.
    pub(crate) now: Tick,
    pub(crate) nodes: [Node; 2],
    /// All issued credentials, and the store's data about them.
    pub(crate) credentials: Vec<Credential>,
    /// The undecided requests. In no order: two worlds that differ only in it are one.
    pub(crate) requests: Vec<Request>,
    /// The open connections, the oldest first.
    pub(crate) connections: Vec<Connection>,
    /// Every call of `revoke`, in the order in which they began.
    pub(crate) revocations: Vec<Revocation>,
    /// The revocations in the store, at most one of each key.
    pub(crate) stored: Vec<usize>,
    pub(crate) left: Budget,
    /// For the judge: the rules that were broken on the way here.
    pub(crate) broken: Broken,
}

/// A process that lets clients in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    /// How far its clock is ahead of true time.
    pub(crate) ahead: Tick,
    /// It does not reach the store, and hears nothing.
    pub(crate) is_cut_off: bool,
    /// When it reached the store again.
    pub(crate) reconnected: Tick,
    /// The revocations that were written before it last asked about all its keys
    /// (`Listener::ask_about_everything`).
    pub(crate) asked: Revocations,
    /// The unwritten revocations: `redis::revocations::Shared::unwritten`.
    pub(crate) unwritten: Revocations,
}

/// The kind of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A cookie that names a record in the store.
    Session,
    /// A signed token, which needs no store.
    Token,
    /// A signed token that opens one connection (`Jwt::single_use`).
    SingleUse,
    /// A ticket: an entry in the store that opens one connection.
    Ticket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum User {
    Ada,
    Guest,
}

/// A key under which credentials can be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// `user:ada`. Compared by time of issue, because users log in again.
    User(User),
    /// `session:…`, by the number of the session's credential.
    Session(usize),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Credential {
    pub(crate) kind: Kind,
    pub(crate) user: User,
    /// The session that it belongs to.
    pub(crate) session: Option<usize>,
    /// Whether its grant names the session's key. If not, a logout does not reach it.
    pub(crate) names_session: bool,
    /// When it was issued, by the clock of the node that did: a login's time in a session's record,
    /// `iat`, the time in a ticket's entry.
    pub(crate) issued_at: Option<Moment>,
    /// The moment of the latest revocation of its user that its issuer knew
    /// (`RevocationKey::issued_after`).
    pub(crate) knows: Option<Moment>,
    /// From when on no node takes it, by the clock of the node.
    pub(crate) expires: Tick,
    /// Its user is logging in: the store was asked, and there is nothing to present yet.
    pub(crate) is_coming: bool,
    /// In the store: the session's record or the ticket's entry is there.
    pub(crate) is_stored: bool,
    /// In the store: until when a claim of its single use is remembered.
    pub(crate) claimed_until: Tick,

    /// For the judge: the revocations that began after it was there, and reach it. It hands them
    /// down to what is minted for it.
    pub(crate) doomed: Revocations,
    /// For the judge: the revocations that were over before the login began from which it
    /// descends, and took effect.
    pub(crate) survives: Revocations,
    /// For the judge: how often it was accepted.
    pub(crate) uses: u8,
}

/// Something that a client asked for and a node has not decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) node: usize,
    pub(crate) credential: usize,
    pub(crate) purpose: Purpose,
    pub(crate) step: Step,
    /// When the command of this step was sent.
    pub(crate) sent: Tick,
    /// The store's answer, on its way back.
    pub(crate) answer: Option<Answer>,
    /// When the grant says that the credential was issued.
    pub(crate) issued_at: Option<Moment>,
    /// How long the claim will be remembered.
    pub(crate) claim: Tick,
    pub(crate) watch: Watch,
    /// The credential is used up.
    pub(crate) spent: bool,
    /// It holds a place under the limit.
    pub(crate) has_place: bool,
    /// A renewal that another node has accepted, at the node of its connection.
    pub(crate) is_relayed: bool,
}

/// The purpose of a client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// A connection, for which the user has permission or not.
    Open { permitted: bool },
    /// The answer to an ordinary request, on a route that has a `LeaseLayer` too.
    Fetch,
    /// A ticket or a token.
    Mint(Kind),
    /// To go on with another credential on the connection of this number. Its handler gives it the
    /// credential, of whatever user.
    Renew(usize),
    /// The same by a request to any node, which names the connection.
    RenewByRequest(usize),
}

/// The step that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The session's record: `SessionStore::load`.
    Load,
    /// The ticket's entry, which stays.
    Peek,
    /// The revocations of its keys: `RevocationStore::find`.
    Look,
    /// `GETDEL` of a ticket, or the claim of a token.
    Spend,
    /// Its own body, or its answer. The store is not asked.
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// Whether the record or the entry is there, or the claim is the first.
    Found(bool),
    /// The revocations of the user's key and the session's.
    Revoked([Option<usize>; 2]),
}

/// A node's registration for a request or a connection (`revocation::Connection`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Watch {
    Unregistered,
    /// The store is being asked. Revocations heard meanwhile wait for its answer.
    Checking {
        heard: Revocations,
    },
    /// Valid, beside these older revocations of the user's key and the session's.
    Good {
        known: [Option<usize>; 2],
    },
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) number: usize,
    pub(crate) node: usize,
    pub(crate) credential: usize,
    pub(crate) known: [Option<usize>; 2],
    pub(crate) deadline: Option<Deadline>,
}

/// When a connection ends by a revocation with a margin, unless it is renewed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Deadline {
    /// By the clock of its node.
    pub(crate) at: Tick,
    pub(crate) revocation: usize,
    /// For the judge: the credential that it had when it heard of the revocation.
    pub(crate) credential: usize,
}

/// A call of `revoke`, or of `revoke_within`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Revocation {
    pub(crate) node: usize,
    pub(crate) key: Key,
    /// It leaves open connections the [margin](crate::setup::MARGIN).
    pub(crate) has_margin: bool,
    /// The moment by the clock of its node.
    pub(crate) at: Moment,
    /// When its commands were sent.
    pub(crate) sent: Tick,
    /// The younger one that its first write met, when it is written a second time.
    pub(crate) behind: Option<usize>,
    pub(crate) write: Command,
    /// At a logout, the `DEL` of the session's record.
    pub(crate) destroy: Command,
    pub(crate) outcome: Outcome,
    /// The write was given up and may still be carried out.
    pub(crate) may_come_late: bool,
    /// It was published, and the other node has not heard of it. It may never.
    pub(crate) is_news: bool,

    /// When it was written first, or passed over for a younger one.
    pub(crate) written: Option<Tick>,
    /// In the store: the latest one before it that leaves no time, or none any more. One without a
    /// margin keeps none.
    pub(crate) firm: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    /// There is nothing to do, or it is all over.
    None,
    /// It is on its way.
    Sent,
    /// It was carried out; the answer is on its way.
    Done,
    /// It was carried out and met this younger revocation; the answer is on its way.
    Met(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Waiting,
    /// It returned `Ok`, at this moment of true time.
    Ok(Tick),
    Err,
}

impl Credential {
    pub(crate) fn holds(&self, key: Key) -> bool {
        match key {
            Key::User(user) => user == self.user,
            Key::Session(session) => self.names_session && self.session == Some(session),
        }
    }

    /// Whether it belongs to the user or the session, independent of its grant.
    pub(crate) fn belongs_to(&self, key: Key) -> bool {
        match key {
            Key::User(user) => user == self.user,
            Key::Session(session) => self.session == Some(session),
        }
    }

    pub(crate) fn is_spent_by_use(&self) -> bool {
        matches!(self.kind, Kind::SingleUse | Kind::Ticket)
    }
}

impl State {
    /// The time of a node's clock.
    pub(crate) fn clock(&self, node: usize) -> Tick {
        self.now + self.nodes[node].ahead
    }

    /// The moment at which a node issues or reads now: after all revocations that have begun and
    /// before later ones, within the same tick of its clock.
    pub(crate) fn moment(&self, node: usize) -> Moment {
        let begun = Moment::try_from(self.revocations.len()).unwrap_or_default();
        moment(self.clock(node)) + 2 * begun
    }

    pub(crate) fn stored_for(&self, key: Key) -> Option<usize> {
        let of_key = |&&number: &&usize| self.revocations[number].key == key;
        self.stored.iter().find(of_key).copied()
    }

    /// The revocations that have come to the store, and when.
    pub(crate) fn written(&self) -> impl Iterator<Item = (usize, Tick)> {
        let written = self.revocations.iter().map(|revocation| revocation.written);
        (0..)
            .zip(written)
            .filter_map(|(number, written)| Some((number, written?)))
    }

    /// The connections of a user that were accepted and upgraded.
    pub(crate) fn count_open(&self, node: usize, user: User) -> usize {
        let counts = |open: &&Connection| {
            open.node == node && self.credentials[open.credential].user == user
        };
        self.connections.iter().filter(counts).count()
    }

    /// The handshakes of a user that hold a place.
    pub(crate) fn count_places(&self, node: usize, user: User) -> usize {
        let counts = |request: &&Request| {
            request.has_place
                && request.node == node
                && self.credentials[request.credential].user == user
        };
        self.requests.iter().filter(counts).count()
    }
}

/// The tick of a moment.
pub(crate) fn tick(moment: Moment) -> Tick {
    Tick::try_from(moment / MOMENTS).unwrap_or(Tick::MAX)
}

/// The first moment of a tick, and how many moments so many ticks are.
pub(crate) fn moment(ticks: Tick) -> Moment {
    Moment::from(ticks) * MOMENTS
}

/// The position of a key among the two of a credential.
pub(crate) fn place_of(key: Key) -> usize {
    match key {
        Key::User(_) => 0,
        Key::Session(_) => 1,
    }
}

pub(crate) fn bit(number: usize) -> Revocations {
    1 << number
}

pub(crate) fn members(set: Revocations) -> impl Iterator<Item = usize> {
    (0..8).filter(move |&number| set & bit(number) != 0)
}
