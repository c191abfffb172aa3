use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use axum::routing::{any, post};
use axum::{Form, Router};
use axum_login::tower_sessions::{Session, SessionManagerLayer, SessionStore, session};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend};
use http::StatusCode;
use http::request::Parts;
use socket_tests::{Answer, end_of};
use stacks_tests::{APP, EVIL, browser_at, serve};
use tower::ServiceBuilder;
use tower_sessions_0_14::MemoryStore;
use tower_ws_auth::{
    AllowedOrigin, AuthLayer, AuthenticateExt, Authenticated, CloseFrameLayer, DisconnectReason,
    Grant, LeaseLayer, MemoryRevocations, MissingOrigin, OriginLayer, Origins, Rejection,
    RejectionKind, RevocationKey, Revocations,
};

use super::{
    COOKIE, a_logout_ends_the_socket, cookie, echo_for, echoes, only_our_page_reads_why, origins,
    request,
};

#[derive(Clone, Debug)]
struct User {
    id: i64,
    name: &'static str,
    password: &'static str,
}

impl AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.password.as_bytes()
    }
}

#[derive(Clone)]
struct Users(Arc<HashMap<i64, User>>);

#[derive(serde::Deserialize)]
struct Password {
    user: i64,
    password: String,
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = Password;
    type Error = Infallible;

    async fn authenticate(&self, given: Password) -> Result<Option<User>, Infallible> {
        let user = self.0.get(&given.user);
        Ok(user.filter(|user| user.password == given.password).cloned())
    }

    async fn get_user(&self, id: &i64) -> Result<Option<User>, Infallible> {
        Ok(self.0.get(id).cloned())
    }
}

async fn log_in(
    State(revocations): State<Revocations>,
    mut session: AuthSession<Users>,
    Form(given): Form<Password>,
) -> StatusCode {
    // Asked before the password is checked, so that a revocation meanwhile refuses this login too.
    let Ok(everywhere) = revocations.key(format!("user:{}", given.user)).await else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    let user = match session.authenticate(given).await {
        Ok(Some(user)) => user,
        Ok(None) => return StatusCode::UNAUTHORIZED,
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE,
    };
    let done = async {
        session.login(&user).await.ok()?;
        let session = session.session;
        session.insert("since", SystemTime::now()).await.ok()?;
        session.insert("user", everywhere.encode()).await.ok()
    };
    match done.await {
        Some(()) => StatusCode::NO_CONTENT,
        None => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The data of a login in its session.
struct Login {
    since: SystemTime,
    /// Revoked by a logout: the connections of this login only.
    own: RevocationKey,
    /// Revoked to end everything of the user, with what had been revoked before the login.
    everywhere: RevocationKey,
}

async fn login(session: &Session, user: &User) -> Result<Login, session::Error> {
    let since = session.get("since").await?.unwrap_or(UNIX_EPOCH);
    let age = since.duration_since(UNIX_EPOCH).unwrap_or_default();
    let own = format!("login:{}:{}", user.id, age.as_nanos());
    let everywhere: Option<String> = session.get("user").await?;
    let everywhere = everywhere.and_then(|key| RevocationKey::decode(&key));
    Ok(Login {
        since,
        own: RevocationKey::from(own).into_final(),
        everywhere: everywhere.unwrap_or_else(|| format!("user:{}", user.id).into()),
    })
}

async fn chat(upgrade: WebSocketUpgrade, user: Authenticated<User>) -> Response {
    echo_for(upgrade, user, |user: &User| user.name.to_owned()).await
}

/// The strategy: the user that is logged in by axum-login.
fn logged_in(head: &mut Parts) -> impl Future<Output = Result<Grant<User>, Rejection>> + use<> {
    // The browser sends the cookie whichever page asks: the page has to be one of ours.
    let allowed = AllowedOrigin::demand(head);
    let session = head.extensions.get::<AuthSession<Users>>().cloned();
    async move {
        allowed?;
        let session = session.ok_or_else(|| {
            Rejection::new(
                RejectionKind::Unavailable,
                "no AuthManagerLayer further out",
            )
        })?;
        let user = session.user.ok_or_else(|| {
            Rejection::new(RejectionKind::SessionInvalid, "nobody is logged in").about_ambient()
        })?;
        let session = session.session;
        let login = login(&session, &user).await.map_err(|error| {
            Rejection::new(RejectionKind::Unavailable, "the session store failed")
                .with_source(error)
        })?;
        Ok(Grant::new(user)
            .until(session.expiry_date().into())
            .issued_at(login.since)
            .revocable_by(login.own)
            .revocable_by(login.everywhere)
            .refused_as(RejectionKind::SessionInvalid))
    }
}

/// Ends the session, and the sockets that are open by it.
async fn log_out(
    State(revocations): State<Revocations>,
    mut session: AuthSession<Users>,
) -> StatusCode {
    let Some(user) = session.user.clone() else {
        return StatusCode::NO_CONTENT;
    };
    let Ok(login) = login(&session.session, &user).await else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    let revoked = revocations
        .revoke(&login.own, DisconnectReason::SessionEnded)
        .await;
    if revoked.is_err() || session.logout().await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    StatusCode::NO_CONTENT
}

fn app<S>(users: Users, sessions: S, origins: Origins) -> Router
where
    S: SessionStore + Clone,
{
    let two_weeks = Duration::from_secs(14 * 24 * 3600);
    let revocations = Revocations::new(MemoryRevocations::new(two_weeks, 100_000));
    let pages = OriginLayer::new(origins, MissingOrigin::Refuse);
    let sockets = ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(pages.clone())
        .layer(AuthLayer::new(logged_in.revocable(revocations.clone())))
        .layer(LeaseLayer::new(revocations.clone()));

    Router::new()
        .route("/ws", any(chat).layer(sockets))
        // A foreign page must not log a user in or out either.
        .route("/login", post(log_in).layer(pages.clone()))
        .route("/logout", post(log_out).layer(pages))
        .with_state(revocations)
        // Outside of the strategy, which reads the session of this layer.
        .layer(AuthManagerLayerBuilder::new(users, SessionManagerLayer::new(sessions)).build())
}

fn users() -> Users {
    let ada = User {
        id: 7,
        name: "ada",
        password: "hunter2",
    };
    Users(Arc::new(HashMap::from([(7, ada)])))
}

fn log_in_as(password: &str, origin: &str) -> String {
    let body = format!("user=7&password={password}");
    let length = body.len();
    format!(
        "Origin: {origin}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_login_opens_the_socket_and_the_logout_ends_it() {
    let app = app(users(), MemoryStore::default(), origins());
    let address = serve(app).await.unwrap();
    let wrong = request(address, "POST /login", &log_in_as("hunter3", APP)).await;
    assert!(wrong.starts_with("HTTP/1.1 401 "), "{wrong}");
    let answer = request(address, "POST /login", &log_in_as("hunter2", APP)).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    a_logout_ends_the_socket(address, &cookie(&answer)).await;

    // A new login is another one than the logged-out one.
    let answer = request(address, "POST /login", &log_in_as("hunter2", APP)).await;
    let cookie = cookie(&answer);
    let known = [("origin", APP), ("cookie", cookie.as_str())];
    echoes(browser_at(address, "/ws", &known).await).await;
}

#[tokio::test]
async fn an_anonymous_client_reads_why_and_a_foreign_page_does_not() {
    let address = serve(app(users(), MemoryStore::default(), origins()))
        .await
        .unwrap();
    let answer = request(address, "POST /login", &log_in_as("hunter2", APP)).await;
    only_our_page_reads_why(address, &cookie(&answer)).await;
    let answer = request(address, "POST /login", &log_in_as("hunter2", EVIL)).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

mod an_outage {
    use super::*;

    store_that_is_gone!(axum_login::tower_sessions);

    /// axum-login asks first, and answers by itself.
    #[tokio::test]
    async fn of_the_store_is_its_500_with_any_inner_layer() {
        let address = serve(app(users(), Gone, origins())).await.unwrap();
        let known = [("origin", APP), ("cookie", COOKIE)];
        let answer = end_of(browser_at(address, "/ws", &known).await).await;
        assert_eq!(answer, Answer::http(500, ""));
    }
}

mod wrong_orders {
    use super::*;

    #[tokio::test]
    async fn the_session_layer_inside_of_the_strategy_is_4503_for_everybody() {
        let sessions = SessionManagerLayer::new(MemoryStore::default());
        let inside = Router::new()
            .route("/ws", any(chat))
            .layer(AuthManagerLayerBuilder::new(users(), sessions).build())
            .layer(AuthLayer::new(logged_in))
            .layer(OriginLayer::new(origins(), MissingOrigin::Refuse))
            .layer(CloseFrameLayer::new());
        let address = serve(inside).await.unwrap();
        let opened = browser_at(address, "/ws", &[("origin", APP)]).await;
        let answer = end_of(opened).await;
        assert_eq!(answer, Answer::closed(4503, "unavailable"));
    }

    #[tokio::test]
    async fn without_an_origin_layer_everybody_is_denied() {
        let sessions = SessionManagerLayer::new(MemoryStore::default());
        let open = Router::new()
            .route("/ws", any(chat))
            .layer(AuthLayer::new(logged_in))
            .layer(CloseFrameLayer::new())
            .layer(AuthManagerLayerBuilder::new(users(), sessions).build());
        let address = serve(open).await.unwrap();
        let opened = browser_at(address, "/ws", &[("origin", APP)]).await;
        assert_eq!(end_of(opened).await, Answer::http(403, "origin_denied"));
    }
}
