use std::convert::Infallible;
use std::fmt;
use std::ops::{Deref, DerefMut};

use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use http::HeaderValue;
use http::header::SET_COOKIE;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::{Loaded, SessionError, SessionId, Sessions};

/// The session of the request, as an argument of an axum handler. It derefs to the application's
/// record.
///
/// The router's state is the [`Sessions`], or has them ([`FromRef`]). Without a live session the
/// handler is not called, and the answer is 401 `session_invalid`. With
/// `Option<CurrentSession<R>>` it is called with `None`. A store that fails is 503 `unavailable` in
/// both cases.
///
/// - It creates, touches and sets nothing. At login use [`Sessions::create`], and return its cookie
///   as [`SetCookie`].
/// - It does not check the page. A route that changes something needs an
///   [`OriginLayer`](tower_ws_auth_core::origin::OriginLayer) that refuses a missing `Origin`.
/// - Inside of a [`SessionLayer`](crate::SessionLayer) there is no cookie any more, and so no
///   current session: the handler has the identity of the strategy.
///
/// ```
/// use axum::{Router, extract::State, routing::{get, post}};
/// use serde::{Deserialize, Serialize};
/// use tower_ws_auth_session::{CurrentSession, MemorySessions, Secrets, Sessions};
/// use tower_ws_auth_session::{SessionError, SetCookie};
/// # use axum::body::Body;
/// # use http::Request;
/// # use tower::ServiceExt;
///
/// #[derive(Serialize, Deserialize)]
/// struct Record { user: String, visits: u32 }
///
/// // Once the password is checked.
/// async fn log_in(sessions: State<Sessions<Record>>) -> Result<SetCookie, SessionError> {
///     let record = Record { user: "ada".to_owned(), visits: 0 };
///     Ok(sessions.create(&record).await?.1.into())
/// }
///
/// async fn visit(mut session: CurrentSession<Record>) -> Result<String, SessionError> {
///     session.visits += 1;
///     session.save().await?;
///     Ok(format!("{}: {}", session.user, session.visits))
/// }
///
/// async fn log_out(session: CurrentSession<Record>) -> Result<SetCookie, SessionError> {
///     session.end().await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secrets = Secrets::express(["a random secret of some length"])?;
/// let sessions = Sessions::builder(secrets, MemorySessions::new(100_000)).build()?;
/// let app: Router = Router::new()
///     .route("/login", post(log_in))
///     .route("/visit", get(visit))
///     .route("/logout", post(log_out))
///     .with_state(sessions);
/// # let send = async |request: http::request::Builder| app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
/// # let cookie = send(Request::post("/login")).await.headers()["set-cookie"].clone();
/// # let cookie = cookie.to_str()?.split(';').next().unwrap().to_owned();
/// # let send = async |request: http::request::Builder| send(request.header("cookie", &cookie)).await;
///
/// assert_eq!(send(Request::get("/visit")).await.status(), 200);
/// assert_eq!(send(Request::post("/logout")).await.status(), 200);
/// assert_eq!(send(Request::get("/visit")).await.status(), 401);
/// # Ok(())
/// # }
/// ```
pub struct CurrentSession<R> {
    sessions: Sessions<R>,
    loaded: Loaded<R>,
}

impl<R> CurrentSession<R> {
    /// The session's id.
    pub fn id(&self) -> &SessionId {
        self.loaded.id()
    }

    /// Ends the session and its open connections, as [`Sessions::destroy`] does. Return the cookie,
    /// which removes the browser's.
    ///
    /// # Errors
    ///
    /// Those of [`Sessions::destroy`].
    pub async fn end(self) -> Result<SetCookie, SessionError> {
        self.sessions.destroy(self.loaded.id()).await.map(SetCookie)
    }
}

impl<R: Serialize + DeserializeOwned> CurrentSession<R> {
    /// Writes the changed fields, as [`Sessions::save`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Sessions::save`].
    pub async fn save(&mut self) -> Result<(), SessionError> {
        self.sessions.save(&mut self.loaded).await
    }

    /// Writes the changed fields and moves the session to a new id, as [`Sessions::regenerate`]
    /// does: at login, or when its user gains permissions.
    ///
    /// # Errors
    ///
    /// Those of [`Sessions::regenerate`].
    pub async fn regenerate(self) -> Result<SetCookie, SessionError> {
        let (_, cookie) = self.sessions.regenerate(self.loaded).await?;
        Ok(SetCookie(cookie))
    }
}

impl<R> Deref for CurrentSession<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.loaded
    }
}

impl<R> DerefMut for CurrentSession<R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.loaded
    }
}

impl<R> fmt::Debug for CurrentSession<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CurrentSession").field(&self.loaded).finish()
    }
}

async fn current<R, S>(head: &Parts, state: &S) -> Result<Option<CurrentSession<R>>, Rejection>
where
    R: Serialize + DeserializeOwned,
    Sessions<R>: FromRef<S>,
{
    let sessions = Sessions::from_ref(state);
    let loaded = sessions.load(&head.headers).await;
    let loaded = loaded.map_err(SessionError::into_rejection)?;
    Ok(loaded.map(|loaded| CurrentSession { sessions, loaded }))
}

impl<R, S> FromRequestParts<S> for CurrentSession<R>
where
    R: Serialize + DeserializeOwned + Send + Sync,
    Sessions<R>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let nobody = || Rejection::new(RejectionKind::SessionInvalid, "no live session");
        current(head, state).await?.ok_or_else(nobody)
    }
}

impl<R, S> OptionalFromRequestParts<S> for CurrentSession<R>
where
    R: Serialize + DeserializeOwned + Send + Sync,
    Sessions<R>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        current(head, state).await
    }
}

/// The `Set-Cookie` of a login or a logout, as a response or a part of one.
#[derive(Clone, Debug)]
#[must_use = "the browser has to be told"]
pub struct SetCookie(HeaderValue);

impl From<HeaderValue> for SetCookie {
    fn from(cookie: HeaderValue) -> Self {
        Self(cookie)
    }
}

impl IntoResponseParts for SetCookie {
    type Error = Infallible;

    fn into_response_parts(self, mut response: ResponseParts) -> Result<ResponseParts, Infallible> {
        response.headers_mut().append(SET_COOKIE, self.0);
        Ok(response)
    }
}

impl IntoResponse for SetCookie {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}
