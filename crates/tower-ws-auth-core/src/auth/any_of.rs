use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::request::Parts;
use pin_project_lite::pin_project;

use crate::{Authenticate, BoxFuture, Grant, Presented, Rejection, RejectionKind};

/// Two strategies, one of which decides about a request. Made by
/// [`AuthenticateExt::or`](crate::AuthenticateExt::or).
#[derive(Clone)]
pub struct AnyOf<A, B> {
    first: A,
    second: B,
}

impl<A, B> AnyOf<A, B> {
    pub(crate) fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

/// A value of the first or of the second strategy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Either<A, B> {
    /// Of the strategy before `or`.
    First(A),
    /// Of the strategy after it.
    Second(B),
}

/// The credential of one of two strategies.
#[derive(Clone, Debug)]
pub struct Chosen<A, B> {
    credential: Either<A, B>,
    strategy: &'static str,
}

impl<A, B> Chosen<A, B> {
    fn new(credential: Either<A, B>, strategy: &'static str) -> Self {
        Self {
            credential,
            strategy,
        }
    }
}

impl<A: Presented, B: Presented> Presented for Chosen<A, B> {
    fn is_ambient(&self) -> bool {
        match &self.credential {
            Either::First(credential) => credential.is_ambient(),
            Either::Second(credential) => credential.is_ambient(),
        }
    }

    fn carrier(&self) -> Option<&'static str> {
        match &self.credential {
            Either::First(credential) => credential.carrier(),
            Either::Second(credential) => credential.carrier(),
        }
    }

    fn decided_by(&self) -> Option<&'static str> {
        let inner = match &self.credential {
            Either::First(credential) => credential.decided_by(),
            Either::Second(credential) => credential.decided_by(),
        };
        inner.or(Some(self.strategy))
    }
}

impl<A, B> Authenticate for AnyOf<A, B>
where
    A: Authenticate,
    B: Authenticate<Identity = A::Identity>,
{
    type Credential = Chosen<A::Credential, B::Credential>;
    type Verified = Either<A::Verified, B::Verified>;
    type Identity = A::Identity;
    type Future = EitherFuture<A::Future, B::Future>;

    const SINGLE_USE: bool = A::SINGLE_USE || B::SINGLE_USE;

    fn name(&self) -> &'static str {
        "any_of"
    }

    fn take(&self, head: &mut Parts) -> Result<Option<Self::Credential>, Rejection> {
        // Both are asked, whatever the first finds, so that no credential stays in the head.
        let first = self
            .first
            .take(head)
            .map(|found| {
                found.map(|credential| Chosen::new(Either::First(credential), self.first.name()))
            })
            .map_err(|rejection| rejection.decided_by(self.first.name()))
            .transpose();
        let second = self
            .second
            .take(head)
            .map(|found| {
                found.map(|credential| Chosen::new(Either::Second(credential), self.second.name()))
            })
            .map_err(|rejection| rejection.decided_by(self.second.name()))
            .transpose();
        match (first, second) {
            (None, None) => Ok(None),
            (Some(only), None) | (None, Some(only)) => only.map(Some),
            (Some(first), Some(second)) => match (is_explicit(&first), is_explicit(&second)) {
                (true, true) => Err(Rejection::new(
                    RejectionKind::CredentialsMalformed,
                    "two explicit credentials, for two strategies",
                )),
                (false, true) => second.map(Some),
                (true | false, false) => first.map(Some),
            },
        }
    }

    fn peek(
        &self,
        credential: &Self::Credential,
        head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<Self::Verified>, Rejection>>> {
        Some(match &credential.credential {
            Either::First(credential) => {
                let peeking = self.first.peek(credential, head)?;
                Box::pin(async { Ok(peeking.await?.map(Either::First)) })
            }
            Either::Second(credential) => {
                let peeking = self.second.peek(credential, head)?;
                Box::pin(async { Ok(peeking.await?.map(Either::Second)) })
            }
        })
    }

    fn is_conditional(&self, credential: &Self::Credential) -> bool {
        match &credential.credential {
            Either::First(credential) => self.first.is_conditional(credential),
            Either::Second(credential) => self.second.is_conditional(credential),
        }
    }

    fn verify(&self, credential: Self::Credential, head: &Parts) -> Self::Future {
        let of = match credential.credential {
            Either::First(credential) => Deciding::First {
                future: self.first.verify(credential, head),
            },
            Either::Second(credential) => Deciding::Second {
                future: self.second.verify(credential, head),
            },
        };
        EitherFuture { of }
    }

    fn admit(&self, verified: Self::Verified, head: &Parts) -> Result<A::Identity, Rejection> {
        match verified {
            Either::First(verified) => self.first.admit(verified, head),
            Either::Second(verified) => self.second.admit(verified, head),
        }
    }
}

/// Whether an explicit credential was presented, valid or malformed.
fn is_explicit(found: &Result<impl Presented, Rejection>) -> bool {
    match found {
        Ok(credential) => !credential.is_ambient(),
        Err(rejection) => !rejection.is_about_ambient(),
    }
}

pin_project! {
    /// The decision of one of two strategies.
    pub struct EitherFuture<A, B> {
        #[pin]
        of: Deciding<A, B>,
    }
}

pin_project! {
    #[project = EitherProjected]
    enum Deciding<A, B> {
        First { #[pin] future: A },
        Second { #[pin] future: B },
    }
}

impl<A, B, V, W> Future for EitherFuture<A, B>
where
    A: Future<Output = Result<Grant<V>, Rejection>>,
    B: Future<Output = Result<Grant<W>, Rejection>>,
{
    type Output = Result<Grant<Either<V, W>>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().of.project() {
            EitherProjected::First { future } => {
                future.poll(cx).map_ok(|grant| grant.map(Either::First))
            }
            EitherProjected::Second { future } => {
                future.poll(cx).map_ok(|grant| grant.map(Either::Second))
            }
        }
    }
}

impl<A: fmt::Debug, B: fmt::Debug> fmt::Debug for AnyOf<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyOf")
            .field(&self.first)
            .field(&self.second)
            .finish()
    }
}

impl<A, B> fmt::Debug for EitherFuture<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EitherFuture")
    }
}
