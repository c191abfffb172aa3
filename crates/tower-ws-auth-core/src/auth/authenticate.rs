use std::future::Future;
use std::sync::Arc;

use http::request::Parts;

use crate::revocation::{BoxFuture, Revocable, Revocations};
use crate::{AnyOf, Authorize, Grant, Map, Optional, Presented, Rejection};

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
    type Credential: Presented;
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

/// A closure that was called: whether a credential was presented, its future alone knows.
#[derive(Debug)]
pub struct Called<F>(F);

impl<F: Send> Presented for Called<F> {
    fn is_ambient(&self) -> bool {
        true
    }
}

/// A strategy that several layers share.
impl<T: Authenticate> Authenticate for Arc<T> {
    type Credential = T::Credential;
    type Verified = T::Verified;
    type Identity = T::Identity;
    type Future = T::Future;

    const SINGLE_USE: bool = T::SINGLE_USE;
    const PASSES_ANONYMOUS: bool = T::PASSES_ANONYMOUS;

    fn name(&self) -> &'static str {
        T::name(self)
    }

    fn take(&self, head: &mut Parts) -> Result<Option<T::Credential>, Rejection> {
        T::take(self, head)
    }

    fn peek(
        &self,
        credential: &T::Credential,
        head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<T::Verified>, Rejection>>> {
        T::peek(self, credential, head)
    }

    fn is_conditional(&self, credential: &T::Credential) -> bool {
        T::is_conditional(self, credential)
    }

    fn verify(&self, credential: T::Credential, head: &Parts) -> T::Future {
        T::verify(self, credential, head)
    }

    fn admit(&self, verified: T::Verified, head: &Parts) -> Result<T::Identity, Rejection> {
        T::admit(self, verified, head)
    }
}

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
    type Credential = Called<Fut>;
    type Verified = I;
    type Identity = I;
    type Future = Fut;

    fn name(&self) -> &'static str {
        "closure"
    }

    fn take(&self, head: &mut Parts) -> Result<Option<Called<Fut>>, Rejection> {
        Ok(Some(Called(self(head))))
    }

    fn verify(&self, called: Called<Fut>, _head: &Parts) -> Fut {
        called.0
    }

    fn admit(&self, identity: I, _head: &Parts) -> Result<I, Rejection> {
        Ok(identity)
    }
}
