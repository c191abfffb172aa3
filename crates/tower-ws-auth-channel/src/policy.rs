use std::fmt;
use std::future::{Future, Ready, ready};

use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::{Evidence, Join};

/// The decision of a policy about a join.
pub type Decision = Result<Evidence, Rejection>;

/// Decides about joins.
///
/// A closure is a policy: `|join: &Join<User, Message>| join.identity().is_staff`. It returns a
/// `bool`, a `Result<(), Rejection>` or a [`Decision`]. For an asynchronous closure use
/// [`policy_fn`].
pub trait Policy<I, M> {
    /// The pending decision. Nothing is spent before it is polled, so a combinator may drop it
    /// without losing the ticket.
    type Future: Future<Output = Decision>;

    /// Whether admitting a join uses its credential up. In an [`And`](crate::And) such a policy
    /// stands last. It is `false` for [`Patterns`](crate::Patterns), whatever their rules ask.
    const SINGLE_USE: bool = false;

    /// Decides about a join. The future owns all that it needs of it.
    fn decide(&self, join: &Join<I, M>) -> Self::Future;
}

/// The result of a closure that is a [`Policy`]. `false` is `forbidden`.
pub trait IntoDecision {
    /// The decision.
    ///
    /// # Errors
    ///
    /// The rejection, if the closure refused.
    fn into_decision(self) -> Decision;
}

impl IntoDecision for bool {
    fn into_decision(self) -> Decision {
        if self {
            Ok(Evidence::new())
        } else {
            Err(forbidden("the predicate says no"))
        }
    }
}

impl IntoDecision for Result<(), Rejection> {
    fn into_decision(self) -> Decision {
        self.map(|()| Evidence::new())
    }
}

impl IntoDecision for Decision {
    fn into_decision(self) -> Decision {
        self
    }
}

impl<F, I, M, V> Policy<I, M> for F
where
    F: Fn(&Join<I, M>) -> V,
    V: IntoDecision,
{
    type Future = Ready<Decision>;

    fn decide(&self, join: &Join<I, M>) -> Self::Future {
        ready(self(join).into_decision())
    }
}

/// A policy of an asynchronous closure, such as one that asks a database.
///
/// Its future owns all that it needs, so write `|join| { …; async move { … } }`. An `async |join|`
/// would borrow the join.
///
/// ```
/// # use tower_ws_auth_channel::{Decision, Join, Evidence, policy_fn};
/// # async fn is_member(user: String, channel: String) -> Option<u8> { None }
/// let members = policy_fn(|join: &Join<String, ()>| {
///     let membership = is_member(join.identity().clone(), join.channel().to_owned());
///     async move {
///         match membership.await {
///             Some(role) => Ok(Evidence::new().with(role)),
///             None => false.into_decision(),
///         }
///     }
/// });
/// # use tower_ws_auth_channel::IntoDecision;
/// # let _ = tower_ws_auth_channel::ChannelAuthLayer::new(members);
/// ```
pub fn policy_fn<F, I, M, Fut>(decide: F) -> PolicyFn<F>
where
    F: Fn(&Join<I, M>) -> Fut,
    Fut: Future<Output = Decision>,
{
    PolicyFn(decide)
}

/// An asynchronous closure as a policy. Made by [`policy_fn`].
#[derive(Clone)]
pub struct PolicyFn<F>(F);

impl<F, I, M, Fut> Policy<I, M> for PolicyFn<F>
where
    F: Fn(&Join<I, M>) -> Fut,
    Fut: Future<Output = Decision>,
{
    type Future = Fut;

    fn decide(&self, join: &Join<I, M>) -> Fut {
        (self.0)(join)
    }
}

impl<F> fmt::Debug for PolicyFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PolicyFn")
    }
}

pub(crate) fn forbidden(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::Forbidden, detail)
}

#[cfg(any(feature = "ticket", feature = "pusher", feature = "jwt"))]
pub(crate) fn missing() -> Rejection {
    let kind = RejectionKind::CredentialsMissing;
    Rejection::new(kind, "the join presents no credential")
}

#[cfg(any(feature = "pusher", feature = "jwt"))]
pub(crate) fn invalid(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::TokenInvalid, detail)
}
