//! Row 7: a session with a lookup of its user.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend};
use bench_suite::{Case, SESSION_USER, handshake};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderValue, Request, StatusCode};
use tokio::runtime::{Builder, Runtime};
use tower::Service;
use tower_sessions::{MemoryStore, SessionManagerLayer};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::call("login/good", || visits(true)),
        Case::call("login/bare", || visits(false)),
    ]
}

#[derive(Clone, Debug)]
struct User(String);

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"hash"
    }
}

#[derive(Clone)]
struct Backend;

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = ();
    type Error = Infallible;

    async fn authenticate(&self, (): ()) -> Result<Option<User>, Infallible> {
        Ok(Some(User(SESSION_USER.into())))
    }

    async fn get_user(&self, id: &String) -> Result<Option<User>, Infallible> {
        Ok(Some(User(id.clone())))
    }
}

fn app() -> Router {
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    let auth = AuthManagerLayerBuilder::new(Backend, sessions).build();
    let login = async |mut auth: AuthSession<Backend>| {
        auth.login(&User(SESSION_USER.into())).await.unwrap();
        StatusCode::OK
    };
    let visit = async |auth: AuthSession<Backend>| match auth.user {
        Some(_) => StatusCode::OK,
        None => StatusCode::UNAUTHORIZED,
    };
    Router::new()
        .route("/login", any(login))
        .route("/ws", any(visit))
        .layer(auth)
}

fn visits(guarded: bool) -> impl FnMut() {
    let runtime: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut app = app();
    let mut login = Request::new(Body::empty());
    *login.uri_mut() = "/login".parse().unwrap();
    let answer = runtime.block_on(app.call(login)).unwrap();
    let cookie = answer.headers()[SET_COOKIE]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    let cookie: HeaderValue = cookie.parse().unwrap();
    if !guarded {
        app = Router::new().route("/ws", any(async || StatusCode::OK));
    }
    move || {
        let mut request = handshake(None);
        request.headers_mut().insert(COOKIE, cookie.clone());
        let answer = runtime.block_on(app.call(request)).unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
}
