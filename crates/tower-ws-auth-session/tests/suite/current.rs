//! The session of a request, as an argument of an axum handler.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{Request, StatusCode};
use tower::ServiceExt;
use tower_ws_auth_session::{
    CurrentSession, MemorySessions, SessionError, SessionStore, Sessions, SetCookie,
};

use crate::common::{Odd, Record, Trouble, ada, builder, in_memory, pair};

/// A state with more in it than the sessions.
#[derive(Clone)]
struct App {
    sessions: Sessions<Record>,
}

impl FromRef<App> for Sessions<Record> {
    fn from_ref(app: &App) -> Self {
        app.sessions.clone()
    }
}

async fn log_in(State(app): State<App>) -> Result<SetCookie, SessionError> {
    Ok(app.sessions.create(&ada()).await?.1.into())
}

async fn who(session: CurrentSession<Record>) -> String {
    session.user.clone().unwrap_or_default()
}

async fn maybe(session: Option<CurrentSession<Record>>) -> String {
    let user = session.and_then(|session| session.user.clone());
    user.unwrap_or_else(|| "nobody".to_owned())
}

async fn rename(mut session: CurrentSession<Record>) -> Result<String, SessionError> {
    session.user = Some("bob".to_owned());
    session.save().await?;
    Ok(session.user.clone().unwrap_or_default())
}

async fn move_on(
    session: CurrentSession<Record>,
) -> Result<(SetCookie, &'static str), SessionError> {
    Ok((session.regenerate().await?, "moved"))
}

async fn log_out(session: CurrentSession<Record>) -> Result<SetCookie, SessionError> {
    session.end().await
}

fn app(sessions: Sessions<Record>) -> Router {
    Router::new()
        .route("/login", post(log_in))
        .route("/", get(who))
        .route("/maybe", get(maybe))
        .route("/rename", post(rename))
        .route("/move", post(move_on))
        .route("/logout", post(log_out))
        .with_state(App { sessions })
}

async fn send(app: &Router, line: &str, cookie: &str) -> Response {
    let (method, path) = line.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(path);
    let request = request.header("cookie", cookie).body(Body::empty());
    app.clone().oneshot(request.unwrap()).await.unwrap()
}

async fn answer(app: &Router, line: &str, cookie: &str) -> (StatusCode, String) {
    let response = send(app, line, cookie).await;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1000).await;
    (status, String::from_utf8(body.unwrap().into()).unwrap())
}

#[tokio::test]
async fn is_read_saved_moved_and_ended() {
    let (sessions, store, _) = in_memory(|b| b);
    let app = app(sessions);
    let login = send(&app, "POST /login", "other=1").await;
    let first = pair(&login.headers()["set-cookie"]);
    let ok = |text: &str| (StatusCode::OK, text.to_owned());
    assert_eq!(answer(&app, "GET /", &first).await, ok("ada"));
    assert_eq!(answer(&app, "POST /rename", &first).await, ok("bob"));
    assert_eq!(answer(&app, "GET /maybe", &first).await, ok("bob"));

    let moved = send(&app, "POST /move", &first).await;
    let second = pair(&moved.headers()["set-cookie"]);
    assert_ne!(first, second);
    let gone = (StatusCode::UNAUTHORIZED, "session_invalid".to_owned());
    assert_eq!(answer(&app, "GET /", &first).await, gone);
    assert_eq!(answer(&app, "GET /", &second).await, ok("bob"));

    let logout = send(&app, "POST /logout", &second).await;
    let removal = logout.headers()["set-cookie"].to_str().unwrap();
    assert!(removal.contains("Max-Age=0"), "{removal}");
    assert!(store.is_empty());
    assert_eq!(answer(&app, "GET /", &second).await, gone);
    assert_eq!(answer(&app, "GET /maybe", &second).await, ok("nobody"));
}

#[tokio::test]
async fn without_a_valid_cookie_the_handler_is_not_called() {
    let (sessions, ..) = in_memory(|b| b);
    let app = app(sessions);
    for cookie in ["", "other=1", "connect.sid=s%3Aforged.forged"] {
        let (status, text) = answer(&app, "GET /", cookie).await;
        assert_eq!(
            (status, text.as_str()),
            (StatusCode::UNAUTHORIZED, "session_invalid")
        );
        assert_eq!(answer(&app, "GET /maybe", cookie).await.1, "nobody");
    }
}

#[tokio::test]
async fn a_store_that_fails_is_503_and_no_stranger() {
    let (sessions, ..) = in_memory(|b| b);
    let (_, cookie) = sessions.create(&ada()).await.unwrap();
    let down = Odd::default().in_trouble(Trouble::Fails);
    let app = app(builder(down).build().unwrap());
    for line in ["GET /", "GET /maybe", "POST /login", "POST /logout"] {
        let (status, text) = answer(&app, line, &pair(&cookie)).await;
        assert_eq!(
            (status, text.as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        );
    }
}

#[tokio::test]
async fn a_store_may_be_shared_or_of_unknown_type() {
    let shared = Arc::new(MemorySessions::new(9));
    let unknown: Arc<dyn SessionStore> = shared.clone();
    let one = builder(shared.clone()).build().unwrap();
    let other = builder(unknown).build().unwrap();
    let (_, cookie) = one.create(&ada()).await.unwrap();
    assert_eq!(answer(&app(other), "GET /", &pair(&cookie)).await.1, "ada");
    assert_eq!(shared.len(), 1);
}
