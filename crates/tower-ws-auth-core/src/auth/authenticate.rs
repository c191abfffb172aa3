use std::future::Future;
use std::sync::Arc;

use http::request::Parts;

#[cfg(feature = "axum")]
use crate::auth::ByPath;
use crate::auth::combine::permitted as decided;
use crate::revocation::{BoxFuture, Revocable, Revocations};
use crate::{AndThen, AnyOf, Authorize, Grant, Map, Optional, Presented, Rejection};

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
    /// [`optional`](AuthenticateExt::optional). Such a strategy cannot be one of several.
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

/// Combinators for every [`Authenticate`].
pub trait AuthenticateExt: Authenticate + Sized {
    /// Changes the identity, for instance from a token's claims to the application's user.
    fn map<F, J>(self, f: F) -> Map<Self, F>
    where
        F: Fn(Self::Identity) -> J,
        J: Clone + Send + Sync + 'static,
    {
        Map::new(self, f)
    }

    /// Refuses with 403 `forbidden` unless `permitted` returns `true` for the identity and the
    /// head.
    ///
    /// A refused request does not spend a single-use credential, such as a ticket. For an accepted
    /// one `permitted` is therefore called twice.
    fn authorize<F>(self, permitted: F) -> Authorize<Self, F>
    where
        F: Fn(&Self::Identity, &Parts) -> bool,
    {
        Authorize::new(self, permitted)
    }

    /// Refuses with 403 `forbidden` unless `permitted` returns `true` for the identity and the
    /// parameters of the route, such as `{room}` of `/rooms/{room}`.
    ///
    /// They are read as axum's `Path<P>` reads them in the handler, so that both see one value:
    /// typed, percent-decoded, and with those of the outer routers under `nest`. Parameters that
    /// are no `P` are `forbidden` too. The layer must be on the route or on its router: outside of
    /// the router there are no parameters, and everything is 503 `unavailable`.
    ///
    /// ```
    /// # use axum::{Router, body::Body, routing::any};
    /// # use http::{Request, request::Parts};
    /// # use tower::ServiceExt;
    /// use tower_ws_auth_core::{AuthLayer, AuthenticateExt, Grant, Rejection};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let strategy = |_: &mut Parts| async { Ok::<_, Rejection>(Grant::new("ada's room")) };
    /// # let handler = async || "welcome";
    /// let member = strategy.authorize_path(|room: &&str, asked: String| *room == asked);
    /// let app: Router = Router::new().route("/rooms/{room}", any(handler).layer(AuthLayer::new(member).any_request()));
    /// # let status = async |path: &str| app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap().status();
    ///
    /// assert_eq!(status("/rooms/ada's%20room").await, 200);
    /// assert_eq!(status("/rooms/ada's+room").await, 403);
    /// # }
    /// ```
    #[cfg(feature = "axum")]
    fn authorize_path<P, F>(self, permitted: F) -> Authorize<Self, ByPath<P, F>>
    where
        F: Fn(&Self::Identity, P) -> bool,
        P: serde::de::DeserializeOwned + Send,
    {
        Authorize::new(self, ByPath::new(permitted))
    }

    /// Refuses with 403 `forbidden` unless the future of `permitted` returns `true`. An error of
    /// that future is the rejection: a store that fails is
    /// [`Unavailable`](crate::RejectionKind::Unavailable), and never admits anybody.
    ///
    /// The rules of [`and_then`](Self::and_then) hold.
    ///
    /// ```
    /// # use http::{Request, Response, request::Parts};
    /// # use tower::{Layer, Service, service_fn};
    /// use tower_ws_auth_core::{AuthLayer, AuthenticateExt, Grant, Rejection, RejectionKind};
    ///
    /// # #[derive(Clone)] struct Database;
    /// # impl Database {
    /// #     async fn may_join(&self, user: &str, path: &str) -> Result<bool, std::io::Error> {
    /// #         match path { "/down" => Err(std::io::Error::other("")), path => Ok(user == "ada" && path == "/open") }
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let strategy = |_: &mut Parts| async { Ok::<_, Rejection>(Grant::new("ada".to_owned())) };
    /// # let database = Database;
    /// let member = strategy.authorize_async(move |user: &String, head| {
    ///     let (database, user) = (database.clone(), user.clone());
    ///     let path = head.uri.path().to_owned();
    ///     async move {
    ///         database.may_join(&user, &path).await.map_err(|error| {
    ///             Rejection::new(RejectionKind::Unavailable, "the database").with_source(error)
    ///         })
    ///     }
    /// });
    /// # let service = service_fn(async |_: Request<()>| Ok::<_, std::io::Error>(Response::new(())));
    /// let mut service = AuthLayer::new(member).any_request().layer(service);
    ///
    /// assert_eq!(service.call(Request::get("/open").body(())?).await?.status(), 200);
    /// assert_eq!(service.call(Request::get("/closed").body(())?).await?.status(), 403);
    /// assert_eq!(service.call(Request::get("/down").body(())?).await?.status(), 503);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::type_complexity, reason = "a closure has no name")]
    fn authorize_async<F, Fut>(
        self,
        permitted: F,
    ) -> AndThen<
        Self,
        impl Fn(Self::Identity, &Parts) -> BoxFuture<Result<Self::Identity, Rejection>>
        + Send
        + Sync
        + 'static,
    >
    where
        Self: Send + Sync + 'static,
        F: Fn(&Self::Identity, &Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool, Rejection>> + Send + 'static,
    {
        let then = move |identity: Self::Identity, head: &Parts| {
            let asking = permitted(&identity, head);
            Box::pin(async move {
                decided(asking.await?)?;
                Ok(identity)
            }) as BoxFuture<_>
        };
        AndThen::new(self, then)
    }

    /// Looks the identity up, or refuses, asynchronously: for instance the application's user for
    /// a token's claims. The grant keeps its end and its revocation keys.
    ///
    /// - `f` gets the identity and the head, without the credential. Its future owns all that it
    ///   needs of them.
    /// - It runs once the credential is verified. A refused request does not spend a single-use
    ///   credential, such as a ticket. For one that would be accepted `f` is therefore called twice:
    ///   before the credential is spent, and after it. The second answer counts.
    /// - There is no time limit: give the store one.
    /// - It copies the head, for about a microsecond.
    ///
    /// ```
    /// # use http::{Request, Response, request::Parts};
    /// # use tower::{Layer, Service, service_fn};
    /// use tower_ws_auth_core::{AuthLayer, AuthenticateExt, Grant, Rejection, RejectionKind};
    ///
    /// # #[derive(Clone)] struct User { name: String }
    /// # async fn find(id: u32) -> Option<User> { (id == 7).then(|| User { name: "ada".to_owned() }) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let strategy = |head: &mut Parts| {
    /// #     let id = head.uri.path()[1..].parse().unwrap();
    /// #     async move { Ok::<_, Rejection>(Grant::new(id)) }
    /// # };
    /// let user = strategy.and_then(|id: u32, _head| async move {
    ///     let user = find(id).await;
    ///     user.ok_or_else(|| Rejection::new(RejectionKind::Forbidden, "the user is deleted"))
    /// });
    /// # let service = service_fn(async |_: Request<()>| Ok::<_, std::io::Error>(Response::new(())));
    /// let mut service = AuthLayer::new(user).any_request().layer(service);
    ///
    /// assert_eq!(service.call(Request::get("/7").body(())?).await?.status(), 200);
    /// assert_eq!(service.call(Request::get("/8").body(())?).await?.status(), 403);
    /// # Ok(())
    /// # }
    /// ```
    fn and_then<F, Fut, J>(self, f: F) -> AndThen<Self, F>
    where
        Self: Send + Sync + 'static,
        F: Fn(Self::Identity, &Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<J, Rejection>> + Send + 'static,
        J: Clone + Send + Sync + 'static,
    {
        AndThen::new(self, f)
    }

    /// Accepts a request that this or the other strategy accepts. Further calls of `or` add more.
    ///
    /// One credential decides. A single explicit credential decides before any ambient one. Two
    /// explicit credentials are malformed. Without an explicit one the ambient credential decides
    /// whose strategy was named first. If the deciding credential is refused, no other strategy is
    /// asked.
    ///
    /// Give each strategy a carrier of its own, such as its own query key. If two read the same
    /// carrier, the first one takes the credential.
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
    /// The grant needs keys, which its strategy adds. A grant without keys is never refused.
    fn revocable(self, revocations: Revocations) -> Revocable<Self> {
        Revocable::new(self, revocations)
    }

    /// Lets a request without a credential pass as anonymous, with the identity `None`. A bad
    /// credential is still refused.
    fn optional(self) -> Optional<Self> {
        Optional::new(self)
    }
}

impl<A: Authenticate> AuthenticateExt for A {}

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

/// A closure reads, removes and decides in one step. Its future is the credential.
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
