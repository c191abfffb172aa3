use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::{Decision, Evidence, Join, Policy};

/// Admits a join that both policies admit. The second is asked only if the first admits it.
///
/// Put the cheaper one first, and the one that spends a ticket last. A join that the first policy
/// refuses then does not spend its ticket. The other order does not compile:
///
/// ```
/// # use std::sync::Arc;
/// # use tower_ws_auth_channel::{And, ChannelAuthLayer, Join, Policy, TicketPolicy};
/// # use tower_ws_auth_ticket::{MemoryTickets, Tickets};
/// # let tickets: Tickets<String> = Tickets::builder(Arc::new(MemoryTickets::new())).build().unwrap();
/// let is_short = |join: &Join<&str, ()>| join.channel().len() < 20;
/// let join = Join::new("ada", "lobby", ());
/// let policy = And::new(is_short, TicketPolicy::new(tickets.clone()));
/// let _ = policy.decide(&join);
/// ```
///
/// ```compile_fail,E0080
/// # use std::sync::Arc;
/// # use tower_ws_auth_channel::{And, ChannelAuthLayer, Join, Policy, TicketPolicy};
/// # use tower_ws_auth_ticket::{MemoryTickets, Tickets};
/// # let tickets: Tickets<String> = Tickets::builder(Arc::new(MemoryTickets::new())).build().unwrap();
/// # let is_short = |join: &Join<&str, ()>| join.channel().len() < 20;
/// # let join = Join::new("ada", "lobby", ());
/// let policy = And::new(TicketPolicy::new(tickets), is_short);
/// let _ = policy.decide(&join);
/// ```
///
/// The compiler does not see the rules of [`Patterns`](crate::Patterns). If one of them spends a
/// ticket, put them last too. In the first place the ticket is lost when the second policy refuses,
/// and the client is advised to get another one.
///
/// The evidence is that of both.
#[derive(Clone, Debug)]
pub struct And<A, B> {
    first: A,
    second: B,
}

impl<A, B> And<A, B> {
    /// Requires both policies.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

impl<A, B, I, M> Policy<I, M> for And<A, B>
where
    A: Policy<I, M>,
    B: Policy<I, M>,
{
    type Future = AndFuture<A::Future, B::Future>;

    const SINGLE_USE: bool = B::SINGLE_USE;

    fn decide(&self, join: &Join<I, M>) -> Self::Future {
        const {
            assert!(
                !A::SINGLE_USE,
                "a policy that spends a credential stands last in an `And`"
            );
        }
        AndFuture {
            first: self.first.decide(join),
            second: self.second.decide(join),
            passed: None,
        }
    }
}

pin_project! {
    /// The decision of an [`And`].
    pub struct AndFuture<A, B> {
        #[pin]
        first: A,
        #[pin]
        second: B,
        passed: Option<Evidence>,
    }
}

impl<A, B> Future for AndFuture<A, B>
where
    A: Future<Output = Decision>,
    B: Future<Output = Decision>,
{
    type Output = Decision;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        let this = self.project();
        if this.passed.is_none() {
            match ready!(this.first.poll(cx)) {
                Ok(pass) => *this.passed = Some(pass),
                Err(rejection) => return Poll::Ready(Err(rejection)),
            }
        }
        let second = ready!(this.second.poll(cx));
        let first = this.passed.take().unwrap_or_default();
        Poll::Ready(match second {
            Ok(pass) => Ok(first.join(pass)),
            // By a rule of `Patterns`.
            Err(rejection) if first.is_spent() => Err(rejection.with_spent_credential()),
            Err(rejection) => Err(rejection),
        })
    }
}

/// Admits a join that one of two policies admits. The second is asked only if the first refuses.
///
/// If both refuse, the second one's rejection counts. If the first was
/// [`Unavailable`](RejectionKind::Unavailable), and so did not decide, the first one's counts.
#[derive(Clone, Debug)]
pub struct Or<A, B> {
    first: A,
    second: B,
}

impl<A, B> Or<A, B> {
    /// Requires one of the policies.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

impl<A, B, I, M> Policy<I, M> for Or<A, B>
where
    A: Policy<I, M>,
    B: Policy<I, M>,
{
    type Future = OrFuture<A::Future, B::Future>;

    const SINGLE_USE: bool = A::SINGLE_USE || B::SINGLE_USE;

    fn decide(&self, join: &Join<I, M>) -> Self::Future {
        OrFuture {
            first: self.first.decide(join),
            second: self.second.decide(join),
            refused: None,
        }
    }
}

pin_project! {
    /// The decision of an [`Or`].
    pub struct OrFuture<A, B> {
        #[pin]
        first: A,
        #[pin]
        second: B,
        refused: Option<Rejection>,
    }
}

impl<A, B> Future for OrFuture<A, B>
where
    A: Future<Output = Decision>,
    B: Future<Output = Decision>,
{
    type Output = Decision;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        let this = self.project();
        if this.refused.is_none() {
            match ready!(this.first.poll(cx)) {
                Ok(pass) => return Poll::Ready(Ok(pass)),
                Err(rejection) => *this.refused = Some(rejection),
            }
        }
        let second = ready!(this.second.poll(cx));
        let undecided = this
            .refused
            .take()
            .filter(|first| first.kind() == RejectionKind::Unavailable);
        Poll::Ready(second.map_err(|second| undecided.unwrap_or(second)))
    }
}

impl<A, B> fmt::Debug for AndFuture<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AndFuture")
    }
}

impl<A, B> fmt::Debug for OrFuture<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrFuture")
    }
}
