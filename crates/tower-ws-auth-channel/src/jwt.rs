use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tower_ws_auth_core::private::WatchFuture;
use tower_ws_auth_core::{Grant, Rejection, Revocations};
use tower_ws_auth_jwt::{Jwt, VerifyFuture};

use crate::policy::{invalid, missing};
use crate::{Decision, Evidence, Join, Policy};

/// Admits a join that presents a JSON Web Token for exactly this channel. The token names it in the
/// claim `channel`, as Centrifugo's subscription tokens do.
///
/// - The [`Jwt`] checks the signature, the expiry and everything else.
/// - With [`user`](Self::user) the claim `sub` must be the user of the handshake. Without it, any
///   user can present the token.
/// - The grant, with the claims and its end, is in the [`Evidence`] as a `Grant<C>`.
///
/// Give these tokens an audience or a `typ` of their own
/// ([`JwtBuilder::audience`](tower_ws_auth_jwt::JwtBuilder::audience)). Otherwise a strategy with
/// the same key and looser claims would open sockets by them. Conversely, a token without `channel`
/// joins nothing.
///
/// ```
/// use std::borrow::Cow;
/// use tower::{Layer, Service, ServiceExt};
/// use tower_ws_auth_channel::{ChannelAuthLayer, Join, JwtPolicy, Subscription};
/// use tower_ws_auth_jwt::{Jwt, JwtEncoder, Key, SigningKey};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = [7; 32]; // Yours is random.
/// let jwt = Jwt::<Subscription>::builder(Key::hs256(secret)?).build()?;
/// let policy = JwtPolicy::new(jwt).user(|user: &&'static str| Cow::Borrowed(*user));
/// let mut service = ChannelAuthLayer::new(policy)
///     .layer(tower::service_fn(async |_: Join<&'static str, ()>| Ok::<_, std::io::Error>(())));
///
/// let issuer = JwtEncoder::new(SigningKey::hs256(secret)?);
/// let token = issuer.encode(&serde_json::json!({
///     "channel": "news", "sub": "ada", "exp": 2_000_000_000_u64,
/// }))?;
/// let join = |user, channel| Join::new(user, channel, ()).with_credential(Some(token.clone()));
///
/// assert!(service.ready().await?.call(join("ada", "news")).await?.is_admitted());
///
/// for wrong in [join("eve", "news"), join("ada", "staff")] {
///     let denied = service.ready().await?.call(wrong).await?;
///     assert_eq!(denied.denial().unwrap().reason(), "token_invalid");
/// }
/// # Ok(())
/// # }
/// ```
pub struct JwtPolicy<C, I> {
    jwt: Jwt<C>,
    user: Option<UserOf<I>>,
    revocations: Option<Revocations>,
}

type UserOf<I> = Box<dyn for<'i> Fn(&'i I) -> Cow<'i, str> + Send + Sync>;

impl<C, I> JwtPolicy<C, I> {
    /// Verifies tokens by these rules.
    pub fn new(jwt: Jwt<C>) -> Self {
        Self {
            jwt,
            user: None,
            revocations: None,
        }
    }

    /// Refuses a token that was issued before one of its keys was revoked, as a handshake does. The
    /// keys are those of [`Jwt::revocable_by`], and those that the token inherits.
    #[must_use]
    pub fn revocable(mut self, revocations: Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// Requires that `sub` is the identity's user. A token without a `sub` is refused, and so is an
    /// empty user.
    #[must_use]
    pub fn user(mut self, user: impl Fn(&I) -> Cow<'_, str> + Send + Sync + 'static) -> Self {
        self.user = Some(Box::new(user));
        self
    }
}

impl<C, I, M> Policy<I, M> for JwtPolicy<C, I>
where
    C: SubscriptionClaims + DeserializeOwned + Clone + Send + Sync + 'static,
{
    type Future = JwtFuture<C>;

    fn decide(&self, join: &Join<I, M>) -> JwtFuture<C> {
        JwtFuture(join.credential().ok_or(()).map(|token| {
            Demand {
                step: Step::VerifyFuture(self.jwt.verify_token_or_wait(token)),
                revocations: self.revocations.clone(),
                channel: join.channel().to_owned(),
                user: self
                    .user
                    .as_ref()
                    .map(|of| of(join.identity()).into_owned()),
            }
        }))
    }
}

/// The decision of a [`JwtPolicy`]. It is ready at once, unless a key has to be fetched or the
/// store of revocations is slow.
pub struct JwtFuture<C>(Result<Demand<C>, ()>);

/// The requirements beside validity.
struct Demand<C> {
    step: Step<C>,
    revocations: Option<Revocations>,
    channel: String,
    user: Option<String>,
}

enum Step<C> {
    VerifyFuture(VerifyFuture<C>),
    Asking(WatchFuture, Option<Grant<C>>),
}

// Nothing in it is pinned: the grant is only passed on.
impl<C> Unpin for JwtFuture<C> {}

impl<C> Future for JwtFuture<C>
where
    C: SubscriptionClaims + DeserializeOwned + Clone + Send + Sync + 'static,
{
    type Output = Decision;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        let Ok(demand) = &mut self.get_mut().0 else {
            return Poll::Ready(Err(missing()));
        };
        loop {
            match &mut demand.step {
                Step::VerifyFuture(verifying) => {
                    let grant = ready!(Pin::new(verifying).poll(cx))?;
                    demand.check(grant.identity())?;
                    let Some(revocations) = &demand.revocations else {
                        return Poll::Ready(Ok(Evidence::new().with(grant)));
                    };
                    let watching = revocations.watch(grant.validity());
                    demand.step = Step::Asking(watching, Some(grant));
                }
                Step::Asking(watching, grant) => {
                    // The join is checked once: the connection has its own watch.
                    drop(ready!(Pin::new(watching).poll(cx))?);
                    // Polled after completion.
                    return grant.take().map_or(Poll::Pending, |grant| {
                        Poll::Ready(Ok(Evidence::new().with(grant)))
                    });
                }
            }
        }
    }
}

impl<C: SubscriptionClaims> Demand<C> {
    fn check(&self, claims: &C) -> Result<(), Rejection> {
        if claims.channel() != self.channel {
            return Err(invalid("the token is for another channel"));
        }
        match &self.user {
            None => Ok(()),
            Some(user) if !user.is_empty() && claims.subject() == Some(user) => Ok(()),
            Some(_) => Err(invalid("the token is for another user")),
        }
    }
}

/// The claims that a [`JwtPolicy`] needs. Use [`Subscription`], unless the application needs more
/// claims.
pub trait SubscriptionClaims {
    /// The one channel of the token.
    fn channel(&self) -> &str;

    /// The user of the token, if it names one.
    fn subject(&self) -> Option<&str>;
}

/// The claims of a token for a channel. Other claims are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subscription {
    /// The one channel of the token.
    pub channel: String,
    /// The user of the token, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
}

impl SubscriptionClaims for Subscription {
    fn channel(&self) -> &str {
        &self.channel
    }

    fn subject(&self) -> Option<&str> {
        self.sub.as_deref()
    }
}

impl<C, I> fmt::Debug for JwtPolicy<C, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtPolicy")
            .field("jwt", &self.jwt)
            .finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for JwtFuture<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtFuture")
    }
}
