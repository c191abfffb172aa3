//! The events of an exploration. A model in which nothing happens breaks no rule either.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Something that shows that an exploration covers what it claims to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    SessionAccepted,
    TokenAccepted,
    SingleUseAccepted,
    TicketAccepted,
    TicketMinted,
    TokenMinted,
    Renewed,
    /// A login after a revocation of the same user was admitted.
    LaterLoginAccepted,
    RefusedAsRevoked,
    /// Heard while the store was asked, and decided by that.
    RefusedByNews,
    RefusedByLimit,
    RefusedByPermission,
    SecondUseRefused,
    EndedWhereRevoked,
    EndedByNews,
    EndedByRecheck,
    EndedByLimit,
    /// News of a revocation that was known already.
    NewsWasOld,
    /// A command was not answered in time.
    GaveUp,
    /// A revocation returned `Err`.
    RevocationFailed,
    CaughtUp,
    WrittenLate,
    /// The store held a younger revocation, and kept it.
    YoungerKept,
    Reconnected,
    /// By a request to the node of its connection.
    RenewedByRequest,
    /// By a request to another node.
    RenewedAcross,
    /// By what the other node had found: the connection had heard of all else.
    RenewedUnasked,
    /// A request for a renewal found no connection of its user, or one with a younger credential.
    RenewalRefused,
    /// A connection was left the time to renew.
    LeftAMargin,
    /// It was not renewed in that time.
    EndedByMargin,
    /// It was renewed in that time.
    RenewedInTime,
    /// The store kept a revocation that leaves no time beside one with a margin.
    FirmKept,
}

const ALL: [Seen; 32] = [
    Seen::SessionAccepted,
    Seen::TokenAccepted,
    Seen::SingleUseAccepted,
    Seen::TicketAccepted,
    Seen::TicketMinted,
    Seen::TokenMinted,
    Seen::Renewed,
    Seen::LaterLoginAccepted,
    Seen::RefusedAsRevoked,
    Seen::RefusedByNews,
    Seen::RefusedByLimit,
    Seen::RefusedByPermission,
    Seen::SecondUseRefused,
    Seen::EndedWhereRevoked,
    Seen::EndedByNews,
    Seen::EndedByRecheck,
    Seen::EndedByLimit,
    Seen::NewsWasOld,
    Seen::GaveUp,
    Seen::RevocationFailed,
    Seen::CaughtUp,
    Seen::WrittenLate,
    Seen::YoungerKept,
    Seen::Reconnected,
    Seen::RenewedByRequest,
    Seen::RenewedAcross,
    Seen::RenewedUnasked,
    Seen::RenewalRefused,
    Seen::LeftAMargin,
    Seen::EndedByMargin,
    Seen::RenewedInTime,
    Seen::FirmKept,
];

/// The events seen so far, by all threads of the checker. They are not part of a state: states that
/// differ only in them are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<AtomicU32>);

impl Log {
    pub(crate) fn add(&self, seen: Seen) {
        let bit = 1 << seen as u32;
        // Most steps see what was seen before.
        if self.0.load(Ordering::Relaxed) & bit == 0 {
            self.0.fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> BTreeSet<Seen> {
        let bits = self.0.load(Ordering::Relaxed);
        let was_seen = |seen: &Seen| bits & (1 << *seen as u32) != 0;
        ALL.into_iter().filter(was_seen).collect()
    }
}
