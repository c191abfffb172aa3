use std::future::Future;
use std::sync::Arc;

use http::request::Parts;

use crate::revocation::BoxFuture;
use crate::{Grant, Presented, Rejection};

/// A strategy: authenticates a request.
///
/// It works in three steps, because combinators need them apart:
///
/// 1. [`take`](Self::take) reads the credential out of the head and removes it.
/// 2. [`verify`](Self::verify) decides whether the credential is valid.
/// 3. [`admit`](Self::admit) sees the verified value and the head together. It returns the identity
///    or refuses.
///
/// Every `Fn(&mut Parts) -> impl Future<Output = Result<Grant<I>, Rejection>>` is a strategy too.
/// The [crate's documentation](crate) shows both ways.
pub trait Authenticate {
    /// The credential that a client presents. Its `Debug`, if it has one, must not print the
    /// secret.
    type Credential: Presented;
    /// The value that [`verify`](Self::verify) has proved.
    type Verified: 'static;
    /// The client as the application knows it.
    type Identity: Clone + Send + Sync + 'static;
    /// The decision under way.
    type Future: Future<Output = Result<Grant<Self::Verified>, Rejection>>;

    /// Whether `verify` uses the credential up. A layer with such a strategy always checks the
    /// handshake first.
    const SINGLE_USE: bool = false;

    /// Whether a request without a credential passes, as with
    /// [`optional`](crate::AuthenticateExt::optional). Such a strategy cannot be one of several.
    const PASSES_ANONYMOUS: bool = false;

    /// The strategy's name in tracing events.
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// Reads the credential and removes it from the head. It is synchronous and cheap, and decides
    /// nothing.
    ///
    /// Returns `None` if the request carries no credential for this strategy.
    ///
    /// # Errors
    ///
    /// [`CredentialsMalformed`](crate::RejectionKind::CredentialsMalformed) if the credential
    /// cannot be read, or if there are several. They are removed in this case too.
    fn take(&self, head: &mut Parts) -> Result<Option<Self::Credential>, Rejection>;

    /// Returns the grant of [`verify`](Self::verify) without using the credential up. `None`, the
    /// default, means that it cannot be known beforehand.
    ///
    /// A layer calls it for a [`SINGLE_USE`](Self::SINGLE_USE) strategy if the credential [is
    /// conditional](Self::is_conditional). It then checks everything else that can refuse the
    /// request, and verifies the credential last. So a request that is refused for another reason
    /// does not use its credential up.
    fn peek(
        &self,
        _credential: &Self::Credential,
        _head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<Self::Verified>, Rejection>>> {
        None
    }

    /// Whether something else may refuse the request after the credential is verified. Examples are
    /// a condition in [`admit`](Self::admit) and a connection limit.
    fn is_conditional(&self, _credential: &Self::Credential) -> bool {
        false
    }

    /// Decides about the credential. The future owns all that it needs of the head.
    fn verify(&self, credential: Self::Credential, head: &Parts) -> Self::Future;

    /// Turns the verified value into the identity, if the identity may make this request.
    ///
    /// It may be called twice: once with the value that [`peek`](Self::peek) returned, and once
    /// with the verified one.
    ///
    /// # Errors
    ///
    /// [`Forbidden`](crate::RejectionKind::Forbidden), as a rule.
    fn admit(&self, verified: Self::Verified, head: &Parts) -> Result<Self::Identity, Rejection>;
}

/// A called closure. Only its future knows whether a credential was presented.
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

/// A closure reads, removes and decides in one step. Its future is the credential, and must not
/// borrow the head: an `async fn` would.
///
/// It cannot say beforehand whether there is a credential, and so it counts as ambient. Among
/// several strategies an explicit credential decides before it. Name it last.
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
