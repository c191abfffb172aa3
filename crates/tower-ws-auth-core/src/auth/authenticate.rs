use std::future::Future;

use http::request::Parts;

use crate::revocation::{BoxFuture, Revocable, Revocations};
use crate::{AnyOf, Authorize, Grant, Map, Optional, Rejection};

/// A strategy: who asks, and may they pass?
///
/// It works in three steps, because combinators need them apart:
///
/// 1. [`take`](Self::take) reads the credential out of the head and removes it there,
/// 2. [`verify`](Self::verify) decides whether it is good,
/// 3. [`admit`](Self::admit) sees what was verified and the head together, and turns the
///    one into the identity or refuses.
///
/// Every `Fn(&mut Parts) -> impl Future<Output = Result<Grant<I>, Rejection>>` is a strategy
/// too; see the [crate's documentation](crate) for both ways.
pub trait Authenticate {
    /// What the client presents. Its `Debug`, if it has one, must not print the secret.
    type Credential: Send;
    /// What [`verify`](Self::verify) has proved about it.
    type Verified: 'static;
    /// Who the client is to the application.
    type Identity: Clone + Send + Sync + 'static;
    /// The decision under way.
    type Future: Future<Output = Result<Grant<Self::Verified>, Rejection>>;

    /// Whether a credential is used up by verifying it. A layer with such a strategy always
    /// checks the handshake first.
    const SINGLE_USE: bool = false;

    /// Whether a request without a credential passes, as it does with
    /// [`optional`](AuthenticateExt::optional). Such a strategy cannot be one of several.
    const PASSES_ANONYMOUS: bool = false;

    /// The strategy's name in tracing events.
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// Reads the credential and removes it from the head. Synchronous, cheap, decides nothing.
    ///
    /// The caller gets `None` where the request carries no credential for this strategy.
    ///
    /// # Errors
    ///
    /// [`CredentialsMalformed`](crate::RejectionKind::CredentialsMalformed) if there is one that
    /// cannot be read, or more than one. It is removed in this case too.
    fn take(&self, head: &mut Parts) -> Result<Option<Self::Credential>, Rejection>;

    /// Whether the browser sent this credential by itself, whichever page asked, as it does with
    /// a cookie. [`or`](AuthenticateExt::or) lets an explicit credential decide before it.
    fn is_ambient(&self, _credential: &Self::Credential) -> bool {
        false
    }

    /// Where the credential travelled, for tracing events: `query`, `header`, `subprotocol`,
    /// `message` or `cookie`. [`Credential::carrier`](crate::credential::Credential::carrier) knows it.
    fn carrier(&self, _credential: &Self::Credential) -> Option<&'static str> {
        None
    }

    /// The name of the strategy to which the credential belongs, for tracing events: another
    /// one than [`name`](Self::name) where several are combined.
    fn name_for(&self, _credential: &Self::Credential) -> &'static str {
        self.name()
    }

    /// What [`verify`](Self::verify) would grant, without using the credential up. `None`, the
    /// default, where that cannot be known beforehand.
    ///
    /// A layer asks a [`SINGLE_USE`](Self::SINGLE_USE) strategy for it, if the credential
    /// [is conditional](Self::is_conditional). What else can refuse the request is asked then, and
    /// only what nothing refuses is verified. So a request that is refused for another reason
    /// leaves its credential good.
    fn peek(
        &self,
        _credential: &Self::Credential,
        _head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<Self::Verified>, Rejection>>> {
        None
    }

    /// Whether something beside the credential may refuse the request once it is verified, such as
    /// [`admit`](Self::admit) with a condition, or a limit on connections.
    fn is_conditional(&self, _credential: &Self::Credential) -> bool {
        false
    }

    /// Decides about the credential. The future owns what it needs of the head.
    fn verify(&self, credential: Self::Credential, head: &Parts) -> Self::Future;

    /// Turns what was verified into the identity, if this request is permitted to it. It may be
    /// asked twice: for what was only [looked at](Self::peek), and for what was verified.
    ///
    /// # Errors
    ///
    /// [`Forbidden`](crate::RejectionKind::Forbidden), as a rule.
    fn admit(&self, verified: Self::Verified, head: &Parts) -> Result<Self::Identity, Rejection>;
}

/// Combinators over every [`Authenticate`].
pub trait AuthenticateExt: Authenticate + Sized {
    /// Changes the identity, for instance from a token's claims to the application's user.
    fn map<F, J>(self, f: F) -> Map<Self, F>
    where
        F: Fn(Self::Identity) -> J,
        J: Clone + Send + Sync + 'static,
    {
        Map::new(self, f)
    }

    /// Refuses with 403 `forbidden` unless `permitted` says yes to the identity and the head. A
    /// ticket or another credential of single use is not spent then; `permitted` is asked twice
    /// about one that is accepted.
    fn authorize<F>(self, permitted: F) -> Authorize<Self, F>
    where
        F: Fn(&Self::Identity, &Parts) -> bool,
    {
        Authorize::new(self, permitted)
    }

    /// Accepts what this or another strategy accepts: any of them, by more calls of `or`.
    ///
    /// One credential decides. If exactly one explicit credential is presented, that is the one;
    /// two are malformed; without one an ambient credential decides, that of the strategy named
    /// first before the others. What decides and is bad is refused: no other strategy is asked.
    ///
    /// Give each a carrier of its own, such as its own query key: of two that look in the same
    /// place the first one takes what it finds there.
    ///
    /// `optional` comes last: `a.or(b).optional()`. The other way does not compile:
    ///
    /// ```compile_fail
    /// # use http::request::Parts;
    /// # use tower_ws_auth_core::{AuthenticateExt, Grant, Rejection};
    /// let a = |_: &mut Parts| async { Ok::<_, Rejection>(Grant::new(Some("ada"))) };
    /// let b = |_: &mut Parts| async { Ok::<_, Rejection>(Grant::new("ada")) };
    /// let either = a.or(b.optional());
    /// ```
    fn or<B>(self, other: B) -> AnyOf<Self, B>
    where
        B: Authenticate<Identity = Self::Identity>,
    {
        const {
            assert!(
                !Self::PASSES_ANONYMOUS && !B::PASSES_ANONYMOUS,
                "call `optional` last: as one of several it would decide for all of them"
            );
        }
        AnyOf::new(self, other)
    }

    /// Refuses a credential that was issued before one of its grant's keys was
    /// [revoked](crate::revocation).
    ///
    /// The grant needs keys: ask its strategy for them. One without is never refused.
    fn revocable(self, revocations: Revocations) -> Revocable<Self> {
        Revocable::new(self, revocations)
    }

    /// Lets a request without a credential pass as anonymous, as the identity `None`. A bad
    /// credential is refused all the same.
    fn optional(self) -> Optional<Self> {
        Optional::new(self)
    }
}

impl<A: Authenticate> AuthenticateExt for A {}

/// A closure reads, removes and decides in one; its future is the credential.
///
/// It cannot say beforehand whether there is one, and counts as ambient: among several, what
/// another strategy finds explicit decides before it. Name it last.
impl<F, Fut, I> Authenticate for F
where
    F: Fn(&mut Parts) -> Fut,
    Fut: Future<Output = Result<Grant<I>, Rejection>> + Send,
    I: Clone + Send + Sync + 'static,
{
    type Credential = Fut;
    type Verified = I;
    type Identity = I;
    type Future = Fut;

    fn name(&self) -> &'static str {
        "closure"
    }

    fn take(&self, head: &mut Parts) -> Result<Option<Fut>, Rejection> {
        Ok(Some(self(head)))
    }

    fn is_ambient(&self, _decision: &Fut) -> bool {
        true
    }

    fn verify(&self, decision: Fut, _head: &Parts) -> Fut {
        decision
    }

    fn admit(&self, identity: I, _head: &Parts) -> Result<I, Rejection> {
        Ok(identity)
    }
}
