use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::pattern::Pattern;
use crate::policy::forbidden;
use crate::{Decision, Evidence, Join, PatternsBuilder, Policy};

/// Rules about channels by name, in order. The first rule whose pattern matches decides. If none
/// matches, the join is `forbidden`.
///
/// | pattern | matches |
/// |---|---|
/// | `lobby` | that channel |
/// | `room-*` | every channel with this prefix and at least one more character; `*` only at the end |
/// | `private-{user}` | the one channel whose name ends in the identity's value for `user` |
/// | `{tenant}.{user}.*` | placeholders with separators between them |
///
/// Names are compared byte for byte. A placeholder's value comes from the identity of the
/// handshake. It is data, whatever its characters, and an empty value never matches. Inside a
/// pattern the value ends at the next separator. A value with the separator's first character never
/// matches there: otherwise `ada` and `ada-b` would share the names of `user-{user}-*`.
///
/// The same holds across rules, in any order, except for those of
/// [`deny`](PatternsBuilder::deny):
///
/// - Beside `user-{user}-*`, a value with a `-` does not match `user-{user}` either. If values may
///   have a `-`, such as UUIDs, choose another separator.
/// - Beside `user-{user}-inbox`, only a value that ends with `-inbox` does not match `user-{user}`.
/// - Beside `private-group-{user}` or `private-group-*`, a value that begins with `group-` does not
///   match `private-{user}`, and beside `private-admin` the value `admin` does not. That other rule
///   decides, so such a user may have no channel of their own.
///
/// Different placeholders may have the same value: a user and a tenant of one name share the
/// channel of `room-{user}` and `room-{tenant}`. Put different literals before them.
///
/// Where a rule asks a policy that spends a ticket, put the [`Patterns`] last in an
/// [`And`](crate::And). The compiler does not see their rules.
///
/// ```
/// use tower_ws_auth_channel::{Join, Patterns};
///
/// struct User { name: String, staff: bool }
///
/// let patterns = Patterns::<User, ()>::builder()
///     .placeholder("user", |user: &User| user.name.as_str().into())
///     .allow("lobby")
///     .allow("room-*")
///     .allow("private-{user}")
///     .rule("staff-*", |join: &Join<User, ()>| join.identity().staff)
///     .build()?;
///
/// // `build` refuses a rule that is never reached, or that undoes another one.
/// let open = Patterns::<User, ()>::builder()
///     .placeholder("user", |user: &User| user.name.as_str().into())
///     .allow("private-{user}")
///     .allow("*")
///     .build();
/// assert!(open.is_err());
/// # let _ = patterns;
/// # Ok::<(), tower_ws_auth_channel::ConfigError>(())
/// ```
pub struct Patterns<I, M> {
    pub(crate) placeholders: Vec<Placeholder<I>>,
    pub(crate) rules: Vec<Rule<I, M>>,
}

pub(crate) struct Placeholder<I> {
    pub(crate) name: String,
    pub(crate) value: ValueOf<I>,
}

pub(crate) type ValueOf<I> = Box<dyn for<'i> Fn(&'i I) -> Cow<'i, str> + Send + Sync>;

pub(crate) struct Rule<I, M> {
    /// The pattern as it was written.
    pub(crate) text: String,
    pub(crate) pattern: Pattern,
    pub(crate) effect: Effect<I, M>,
}

pub(crate) enum Effect<I, M> {
    Allow,
    Deny,
    Ask(Box<dyn Nested<I, M> + Send + Sync>),
}

impl<I, M> Patterns<I, M> {
    /// Starts without a rule.
    pub fn builder() -> PatternsBuilder<I, M> {
        PatternsBuilder::new()
    }

    fn effect(&self, join: &Join<I, M>) -> Option<&Effect<I, M>> {
        let value = |index: usize| {
            let placeholder = self.placeholders.get(index)?;
            Some((placeholder.value)(join.identity()))
        };
        self.rules
            .iter()
            .find(|rule| rule.pattern.matches(join.channel(), value))
            .map(|rule| &rule.effect)
    }
}

impl<I, M> Policy<I, M> for Patterns<I, M> {
    type Future = PatternsFuture;

    fn decide(&self, join: &Join<I, M>) -> PatternsFuture {
        PatternsFuture(match self.effect(join) {
            Some(Effect::Ask(nested)) => DecideFuture::Nested(nested.decide(join)),
            Some(Effect::Allow) => DecideFuture::Done(Some(Ok(Evidence::new()))),
            Some(Effect::Deny) => {
                DecideFuture::Done(Some(Err(forbidden("a rule denies the channel"))))
            }
            None => DecideFuture::Done(Some(Err(forbidden("no rule is about the channel")))),
        })
    }
}

/// A policy of any type behind one pointer, because rules are a list.
pub(crate) trait Nested<I, M> {
    fn decide(&self, join: &Join<I, M>) -> BoxDecision;
}

impl<P, I, M> Nested<I, M> for P
where
    P: Policy<I, M>,
    P::Future: Send + 'static,
{
    fn decide(&self, join: &Join<I, M>) -> BoxDecision {
        let deciding = Policy::decide(self, join);
        Box::pin(async move {
            let decision = deciding.await;
            if P::SINGLE_USE {
                decision.map(Evidence::spent)
            } else {
                decision
            }
        })
    }
}

type BoxDecision = Pin<Box<dyn Future<Output = Decision> + Send>>;

/// The decision of [`Patterns`].
pub struct PatternsFuture(DecideFuture);

enum DecideFuture {
    Done(Option<Decision>),
    Nested(BoxDecision),
}

impl Future for PatternsFuture {
    type Output = Decision;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        match &mut self.get_mut().0 {
            // Polled after completion.
            DecideFuture::Done(decision) => decision.take().map_or(Poll::Pending, Poll::Ready),
            DecideFuture::Nested(decision) => decision.as_mut().poll(cx),
        }
    }
}

impl<I, M> fmt::Debug for Patterns<I, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules.iter().map(|rule| &rule.text);
        f.debug_list().entries(rules).finish()
    }
}

impl fmt::Debug for PatternsFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatternsFuture")
    }
}
