use std::future::Future;

use http::request::Parts;

#[cfg(feature = "axum")]
use crate::auth::ByPath;
use crate::auth::combine::permitted as decided;
use crate::revocation::{BoxFuture, Revocable, Revocations};
use crate::{AndThen, AnyOf, Authenticate, Authorize, Map, Optional, Rejection};

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
