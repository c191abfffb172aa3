use std::num::NonZeroU64;
use std::time::SystemTime;

use crate::RejectionKind;
use crate::auth::Label;
use crate::revocation::{DisconnectReason, RevocationKey, Revocations, Watch};

/// The end, the age and the revocation keys of a grant or of a credential.
///
/// A credential that is minted for a client inherits the validity of the client's own grant. It
/// ends no later, and the same keys revoke it. It counts as issued when the decision about that
/// grant began, however late it is minted. A client therefore gains nothing by delaying its request
/// until its session is revoked.
///
/// An [`AuthLayer`](crate::AuthLayer) puts it into the request's extensions beside
/// [`Authenticated`](crate::Authenticated), so that a layer inside can end the connection in time.
/// With the feature `axum` it is an argument of the handler. The ticket endpoint of
/// `tower-ws-auth-ticket` inherits it by itself.
///
/// | minted | inherits by |
/// |---|---|
/// | another grant | [`Grant::inherit`](crate::Grant::inherit) |
/// | a ticket | `TicketRequest::inherit` in `tower-ws-auth-ticket` |
/// | a JSON Web Token | `JwtEncoder::encode_inheriting` in `tower-ws-auth-jwt` |
///
/// ```
/// use tower_ws_auth_core::{Clock, Grant, Validity};
///
/// let of_the_session = Validity::since(Clock::at(1_700_000_000))
///     .until(Clock::at(1_700_003_600))
///     .revocable_by("user:ada");
///
/// let minted = Grant::new("a guest of ada").until(Clock::at(1_800_000_000));
/// let minted = minted.inherit(&of_the_session);
/// assert_eq!(minted.validity().end(), Some(Clock::at(1_700_003_600)));
/// assert_eq!(minted.validity().issued_at(), Some(Clock::at(1_700_000_000)));
/// assert_eq!(minted.validity().revocation_keys()[0].name(), "user:ada");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Validity {
    pub(super) until: Option<SystemTime>,
    pub(super) issued_at: Option<SystemTime>,
    pub(super) revocation_keys: Vec<RevocationKey>,
    pub(super) refused_as: RejectionKind,
    pub(super) is_spent: bool,
    /// Of an accepted request alone: the registration with the revocations that were asked last.
    watch: Option<Watch>,
    /// Those with the revocations that were asked before.
    earlier_watches: Vec<Watch>,
    decided_at: Option<SystemTime>,
    label: Label,
}

impl Validity {
    /// Issued at this moment, without an end and without keys.
    ///
    /// For an application that has decided about a client by itself. Pass the moment at which that
    /// decision began, not the moment of minting.
    pub fn since(issued_at: SystemTime) -> Self {
        Self {
            issued_at: Some(issued_at),
            ..Self::of_unknown_age()
        }
    }

    /// Issued at an unknown time: every revocation of one of its keys refuses a credential that
    /// inherits it.
    pub fn of_unknown_age() -> Self {
        Self {
            until: None,
            issued_at: None,
            revocation_keys: Vec::new(),
            refused_as: RejectionKind::TokenInvalid,
            is_spent: false,
            watch: None,
            earlier_watches: Vec::new(),
            decided_at: None,
            label: Label::default(),
        }
    }

    /// Sets the end, unless there is an earlier one.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.until = earlier(self.until, Some(end));
        self
    }

    /// Adds a key that can revoke it.
    pub fn revocable_by(mut self, key: impl Into<RevocationKey>) -> Self {
        self.add(key.into(), stricter);
        self
    }

    /// Limits this validity by that of the client's grant. The result ends no later, is no younger,
    /// and is revoked by the keys of both. Of a key in both, the grant's known revocation counts.
    pub fn inherit(self, granted: &Self) -> Self {
        self.limit(
            granted,
            |own, granted| {
                if own.is_final() { own } else { granted }
            },
        )
    }

    /// The strictest of both: the earlier end, the greater age, and the keys of both.
    pub fn and(self, other: &Self) -> Self {
        self.limit(other, stricter)
    }

    /// The moment from which it is no longer valid; `None` if it has no end of its own.
    pub fn end(&self) -> Option<SystemTime> {
        self.until
    }

    /// The time of issue; `None` if it is unknown, so that it may be older than any revocation.
    ///
    /// Of an accepted request it is never later than the moment at which the
    /// [`AuthLayer`](crate::AuthLayer) began to decide. If there are no keys, that moment stands for
    /// an unknown time.
    pub fn issued_at(&self) -> Option<SystemTime> {
        match (self.issued_at, self.decided_at) {
            (Some(issued), Some(decided)) => Some(issued.min(decided)),
            // Without keys no revocation concerns the credential, whatever its age.
            (None, decided) if self.revocation_keys.is_empty() => decided,
            (issued, _) => issued,
        }
    }

    /// The keys that can revoke it.
    pub fn revocation_keys(&self) -> &[RevocationKey] {
        &self.revocation_keys
    }

    /// The number of the accepted request in the events of these layers, such as `lease ended`; the
    /// first one of a process is 1. `None` before an [`AuthLayer`](crate::AuthLayer) has accepted it.
    pub fn connection(&self) -> Option<u64> {
        self.label.connection.map(NonZeroU64::get)
    }

    /// Whether the credential is used up. It will not pass again.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// The kind of the rejection once the credential is revoked.
    pub fn refused_as(&self) -> RejectionKind {
        self.refused_as
    }

    /// The disconnect reason of a connection that is ended at its [`end`](Self::end).
    pub fn disconnect_reason(&self) -> DisconnectReason {
        match self.refused_as {
            RejectionKind::SessionInvalid => DisconnectReason::SessionEnded,
            _ => DisconnectReason::TokenExpired,
        }
    }

    /// The time of issue as the credential has it, which tells an older credential from a newer one.
    #[doc(hidden)]
    pub fn credential_issued_at(&self) -> Option<SystemTime> {
        self.issued_at
    }

    #[doc(hidden)]
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// The shared name of the store that its strategy has asked about revocations, and a moment before
    /// that.
    #[doc(hidden)]
    pub fn checked_with(&self) -> Option<(&str, SystemTime)> {
        self.watches().find_map(Watch::checked_with)
    }

    /// Takes a registration that a [`revocable`](crate::AuthenticateExt::revocable) strategy
    /// left. Its holder hears when the grant is revoked. There is one for each of the
    /// [`Revocations`] that have checked the grant.
    #[doc(hidden)]
    pub fn take_watch(&mut self) -> Option<Watch> {
        let watch = self.watch.take();
        self.watch = self.earlier_watches.pop();
        watch
    }

    /// Adds a registration. Those with other revocations stay.
    pub(super) fn add_watch(&mut self, watch: Watch) {
        if self.watches().all(|known| *known != watch) {
            self.earlier_watches.extend(self.watch.replace(watch));
        }
    }

    /// Whether it holds a registration with these revocations.
    pub(crate) fn is_watched_by(&self, revocations: &Revocations) -> bool {
        self.watches().any(|watch| watch.is_of(revocations))
    }

    fn watches(&self) -> impl Iterator<Item = &Watch> {
        self.watch.iter().chain(&self.earlier_watches)
    }

    /// Notes that a request was accepted, by a decision that began at this moment.
    pub(crate) fn accepted(&mut self, decided_at: SystemTime, label: Label) {
        self.decided_at = Some(decided_at);
        self.label = label;
    }

    fn limit(mut self, other: &Self, of_one_name: OfOneName) -> Self {
        self.until = earlier(self.until, other.until);
        self.issued_at =
            (self.issued_at().zip(other.issued_at())).map(|(own, other)| own.min(other));
        self.decided_at = None;
        for key in &other.revocation_keys {
            self.add(key.clone(), of_one_name);
        }
        self
    }

    fn add(&mut self, key: RevocationKey, of_one_name: OfOneName) {
        let own = &mut self.revocation_keys;
        match own.iter().position(|own| own.name() == key.name()) {
            Some(at) => own[at] = of_one_name(own[at].clone(), key),
            None => own.push(key),
        }
    }
}

/// Chooses between two keys with the same name.
type OfOneName = fn(RevocationKey, RevocationKey) -> RevocationKey;

/// Chooses the final key, or else the one with the older known revocation.
fn stricter(one: RevocationKey, other: RevocationKey) -> RevocationKey {
    let laxity = |key: &RevocationKey| (!key.is_final(), key.known_revocation());
    if laxity(&other) < laxity(&one) {
        other
    } else {
        one
    }
}

fn earlier(one: Option<SystemTime>, other: Option<SystemTime>) -> Option<SystemTime> {
    one.into_iter().chain(other).min()
}

#[cfg(feature = "axum")]
mod extractor {
    use std::convert::Infallible;

    use axum::extract::{FromRequestParts, OptionalFromRequestParts};
    use http::request::Parts;

    use super::Validity;
    use crate::MissingAuthLayer;

    impl<S: Send + Sync> FromRequestParts<S> for Validity {
        type Rejection = MissingAuthLayer;

        async fn from_request_parts(
            head: &mut Parts,
            _state: &S,
        ) -> Result<Self, MissingAuthLayer> {
            found(head).ok_or_else(|| MissingAuthLayer::of::<Self>(head))
        }
    }

    /// `None` on a route that no layer guards.
    impl<S: Send + Sync> OptionalFromRequestParts<S> for Validity {
        type Rejection = Infallible;

        async fn from_request_parts(
            head: &mut Parts,
            _state: &S,
        ) -> Result<Option<Self>, Infallible> {
            Ok(found(head))
        }
    }

    /// A handler that keeps the validity must not keep the registrations.
    fn found(head: &Parts) -> Option<Validity> {
        let mut validity = head.extensions.get::<Validity>().cloned()?;
        while validity.take_watch().is_some() {}
        Some(validity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    #[test]
    fn both_together_have_the_earlier_end_the_older_age_and_all_keys() {
        let one = Validity::since(Clock::at(10))
            .until(Clock::at(100))
            .revocable_by("a");
        let other = Validity::since(Clock::at(20))
            .until(Clock::at(90))
            .revocable_by("b");
        for both in [one.clone().and(&other), other.clone().and(&one)] {
            assert_eq!(both.end(), Some(Clock::at(90)));
            assert_eq!(both.issued_at(), Some(Clock::at(10)));
            let mut keys: Vec<_> = both
                .revocation_keys()
                .iter()
                .map(RevocationKey::name)
                .collect();
            keys.sort_unstable();
            assert_eq!(keys, ["a", "b"]);
        }
        let endless = Validity::since(Clock::at(5));
        assert_eq!(endless.clone().and(&one).end(), Some(Clock::at(100)));
        assert_eq!(one.and(&endless).end(), Some(Clock::at(100)));
    }

    #[test]
    fn an_unknown_age_is_older_than_any_other() {
        let known = Validity::since(Clock::at(10));
        let unknown = Validity::of_unknown_age();
        assert_eq!(known.clone().and(&unknown).issued_at(), None);
        assert_eq!(unknown.and(&known).issued_at(), None);
    }

    #[test]
    fn of_two_keys_with_one_name_the_stricter_stays() {
        let plain = RevocationKey::from("k");
        let early = plain.clone().issued_after(Clock::at(10));
        let late = plain.clone().issued_after(Clock::at(20));
        let last = plain.clone().into_final();
        // From the strictest on.
        let keys = [last, plain, early, late];
        for (n, strict) in keys.iter().enumerate() {
            for lax in &keys[n..] {
                for (one, other) in [(strict, lax), (lax, strict)] {
                    let [one, other] = [one, other]
                        .map(|key| Validity::of_unknown_age().revocable_by(key.clone()));
                    let both = one.and(&other);
                    assert_eq!(both.revocation_keys(), std::slice::from_ref(strict));
                }
            }
        }
    }

    #[test]
    fn a_minted_credential_knows_the_revocations_that_the_grant_knows() {
        let plain = RevocationKey::from("k");
        let known = plain.clone().issued_after(Clock::at(20));
        let last = plain.clone().into_final();
        for (own, granted, minted) in [
            (&plain, &known, &known),
            (&known, &plain, &plain),
            (&known, &last, &last),
            (&last, &known, &last),
        ] {
            let [own, granted] =
                [own, granted].map(|key| Validity::since(Clock::at(1)).revocable_by(key.clone()));
            let minted_keys = own.inherit(&granted);
            assert_eq!(minted_keys.revocation_keys(), std::slice::from_ref(minted));
        }
    }
}
