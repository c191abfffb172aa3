use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::request::Parts;
use serde::de::DeserializeOwned;
use tower_ws_auth_core::credential::Credential;
use tower_ws_auth_core::{Authenticate, Clock, Grant, Rejection, RejectionKind};
use tower_ws_auth_ticket::{BoxFuture, ClaimFuture, ReplayStore, TicketKey, claim, is_claimed};

use crate::decider::moment;
use crate::deciding::DecideFuture;
use crate::rules::Checked;
use crate::{ConfigError, Jwt, invalid};

/// A [`Jwt`] of which each token opens one connection. Made by [`Jwt::single_use`].
pub struct SingleUse<C> {
    jwt: Jwt<C>,
    store: Arc<dyn ReplayStore>,
    timeout: Duration,
    allowed_skew: Duration,
}

/// By how much the clocks of the nodes may differ, unless it is set.
const ALLOWED_SKEW: Duration = Duration::from_secs(60);

impl<C> Jwt<C> {
    /// Accepts each token once, known by its `iss` and `jti`, which it then needs
    /// (RFC 7519 §4.1.7). The store remembers it until it would have expired, and 60 seconds
    /// more: a node whose clock is behind accepts it for longer than the one that saw it first. See
    /// [`allowed_skew`](SingleUse::allowed_skew). A token that has expired when the store answers is
    /// refused, however long that took.
    ///
    /// Everything else is checked first: a bad handshake, a bad token, a condition of `authorize`
    /// and a limit on connections use nothing up. A used
    /// token is refused as `token_invalid`, a store that fails as `unavailable`.
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use tower_ws_auth_core::AuthLayer;
    /// use tower_ws_auth_jwt::{Jwt, Key};
    /// use tower_ws_auth_ticket::MemoryTickets;
    ///
    /// let minute = Duration::from_secs(60);
    /// let jwt = || Jwt::<serde_json::Value>::builder(Key::hs256([7; 32]).unwrap()).max_lifetime(minute);
    /// let store = Arc::new(MemoryTickets::builder().max_ttl(2 * minute).build()?);
    /// let layer = AuthLayer::new(jwt().build()?.single_use(store)?);
    ///
    /// // One that forgets a token before its end would let it in again.
    /// let forgetful = Arc::new(MemoryTickets::builder().max_ttl(minute).build()?);
    /// assert!(jwt().build()?.single_use(forgetful).is_err());
    /// # let _ = layer;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ForgetfulStore`](ConfigError::ForgetfulStore) without a `max_lifetime`, or with a store
    /// that does not remember that long.
    pub fn single_use(
        mut self,
        store: impl ReplayStore + 'static,
    ) -> Result<SingleUse<C>, ConfigError> {
        self.for_single_use();
        let single_use = SingleUse {
            jwt: self,
            store: Arc::new(store),
            timeout: Duration::from_secs(2),
            allowed_skew: ALLOWED_SKEW,
        };
        single_use.remembers()
    }
}

impl<C> SingleUse<C> {
    /// How long to wait for the store; 2 seconds unless set. A store that makes one wait needs a
    /// tokio runtime with its timer.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// By how much the clocks of the nodes and of the store may differ; 60 seconds unless set. The
    /// store remembers each token for so much longer than the token lives, so that none of them
    /// accepts it a second time.
    ///
    /// # Errors
    ///
    /// [`ForgetfulStore`](ConfigError::ForgetfulStore) with a store that does not remember a
    /// token for its `max_lifetime`, twice the leeway and this.
    pub fn allowed_skew(mut self, skew: Duration) -> Result<Self, ConfigError> {
        self.allowed_skew = skew;
        self.remembers()
    }

    /// Itself, if the store remembers for long enough.
    fn remembers(self) -> Result<Self, ConfigError> {
        let rules = self.jwt.rules();
        let longest = rules.max_lifetime.ok_or(ConfigError::ForgetfulStore)?;
        // The rules allow that much from now on, and the token is accepted for a leeway more.
        let longest = longest
            .saturating_add(rules.leeway.saturating_mul(2))
            .saturating_add(self.allowed_skew);
        let is_enough = |remembered| remembered >= longest;
        if self.store.max_ttl().is_none_or(is_enough) {
            Ok(self)
        } else {
            Err(ConfigError::ForgetfulStore)
        }
    }
}

impl<C> Authenticate for SingleUse<C>
where
    C: DeserializeOwned + Clone + Send + Sync + 'static,
{
    type Credential = Credential;
    type Verified = C;
    type Identity = C;
    type Future = Claimed<C>;

    const SINGLE_USE: bool = true;

    fn name(&self) -> &'static str {
        "jwt"
    }

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.jwt.take(head)
    }

    fn peek(
        &self,
        token: &Credential,
        _head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<C>, Rejection>>> {
        let deciding = self.jwt.deciding(token.as_str(), first_use);
        let (store, timeout) = (Arc::clone(&self.store), self.timeout);
        Some(Box::pin(async move {
            let (grant, first) = deciding.await?;
            if is_claimed(&*store, first.key, timeout).await? {
                return Err(invalid("the token has been used"));
            }
            Ok(grant)
        }))
    }

    fn verify(&self, token: Credential, _head: &Parts) -> Claimed<C> {
        Claimed(State::DecideFuture {
            deciding: self.jwt.deciding(token.as_str(), first_use),
            store: Arc::clone(&self.store),
            timeout: self.timeout,
            allowed_skew: self.allowed_skew,
            clock: self.jwt.clock().clone(),
        })
    }

    fn admit(&self, claims: C, _head: &Parts) -> Result<C, Rejection> {
        Ok(claims)
    }
}

/// What the store has to remember, and for how long, by this node's clock.
struct First {
    key: TicketKey,
    left: Duration,
    /// Since the Unix epoch.
    end: Duration,
}

fn first_use(checked: &Checked<'_>, now: Duration) -> First {
    let (iss, jti) = checked
        .id
        .as_ref()
        .map_or(("", ""), |(iss, jti)| (iss, jti));
    let key = TicketKey::digest("tower-ws-auth-jwt jti", &[iss.as_bytes(), jti.as_bytes()]);
    // `max_lifetime` demands an end.
    let end = checked.end.unwrap_or(Duration::MAX);
    // A whole second more, for stores that count in those.
    let left = end.saturating_sub(now).max(Duration::from_secs(1));
    First { key, left, end }
}

/// The decision of [`SingleUse`] under way.
pub struct Claimed<C>(State<C>);

enum State<C> {
    DecideFuture {
        deciding: DecideFuture<C, First>,
        store: Arc<dyn ReplayStore>,
        timeout: Duration,
        allowed_skew: Duration,
        clock: Clock,
    },
    ClaimFuture {
        claiming: ClaimFuture,
        grant: Option<Grant<C>>,
        end: Duration,
        clock: Clock,
    },
}

// Nothing in it is pinned: the grant is only handed on.
impl<C> Unpin for Claimed<C> {}

impl<C> Future for Claimed<C> {
    type Output = Result<Grant<C>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = &mut self.get_mut().0;
        if let State::DecideFuture {
            deciding,
            store,
            timeout,
            allowed_skew,
            clock,
        } = state
        {
            match ready!(Pin::new(deciding).poll(cx)) {
                Ok((grant, first)) => {
                    let ttl = first.left.saturating_add(*allowed_skew);
                    let clock = clock.clone();
                    *state = State::ClaimFuture {
                        claiming: claim(&**store, first.key, ttl, *timeout),
                        grant: Some(grant),
                        end: first.end,
                        clock,
                    };
                }
                Err(rejection) => return Poll::Ready(Err(rejection)),
            }
        }
        let decided = match state {
            // It was left above.
            State::DecideFuture { .. } => None,
            State::ClaimFuture {
                claiming,
                grant,
                end,
                clock,
            } => match ready!(Pin::new(claiming).poll(cx)) {
                // An earlier claim is there until the token's end, by the slowest clock that is
                // allowed. Later its absence proves nothing, however long the answer took.
                Ok(true) if clock.now() >= moment(*end) => Some(Err(late())),
                Ok(true) => grant.take().map(|grant| Ok(grant.spent())),
                Ok(false) => Some(Err(invalid("the token has been used"))),
                Err(rejection) => Some(Err(rejection)),
            },
        };
        // A poll after the end finds nothing.
        decided.map_or(Poll::Pending, Poll::Ready)
    }
}

fn late() -> Rejection {
    let late = "the token has expired while its use was asked for";
    Rejection::new(RejectionKind::TokenExpired, late).with_spent_credential()
}

impl<C> fmt::Debug for SingleUse<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleUse")
            .field("jwt", &self.jwt)
            .field("timeout", &self.timeout)
            .field("allowed_skew", &self.allowed_skew)
            .finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for Claimed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claimed")
    }
}
