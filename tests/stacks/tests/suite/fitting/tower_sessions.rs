use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{any, post};
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use socket_tests::{Answer, end_of};
use stacks_tests::{APP, EVIL, browser_at, serve};
use tower::ServiceBuilder;
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, SessionStore};
use tower_ws_auth::{
    AllowedOrigin, AuthLayer, AuthenticateExt, Authenticated, CloseFrameLayer, DisconnectReason,
    Grant, LeaseLayer, MemoryRevocations, MissingOrigin, OriginLayer, Origins, Rejection,
    RejectionKind, RevocationKey, Revocations,
};

use super::{
    COOKIE, a_logout_ends_the_socket, cookie, echo_for, echoes, only_our_page_reads_why, origins,
    request,
};

/// The application's data in a session, from the login on.
#[derive(Clone, Serialize, Deserialize)]
struct LoggedIn {
    user: String,
    since: SystemTime,
    /// The user's key, with what had been revoked before the login.
    everywhere: String,
}

impl LoggedIn {
    /// Revoked by a logout: the connections of this login only.
    fn own(&self) -> RevocationKey {
        let since = self.since.duration_since(UNIX_EPOCH).unwrap_or_default();
        RevocationKey::from(format!("login:{}:{}", self.user, since.as_nanos())).into_final()
    }

    /// Revoked to end everything of the user.
    fn everywhere(&self) -> RevocationKey {
        let key = RevocationKey::decode(&self.everywhere);
        key.unwrap_or_else(|| format!("user:{}", self.user).into())
    }
}

/// To be called once the password is checked.
async fn log_in(
    State(revocations): State<Revocations>,
    session: Session,
    Path(user): Path<String>,
) -> StatusCode {
    let since = SystemTime::now();
    let done = async {
        // A session that began before the login may have been planted in the browser.
        session.cycle_id().await.ok()?;
        let everywhere = revocations.key(format!("user:{user}")).await.ok()?;
        let login = LoggedIn {
            user,
            since,
            everywhere: everywhere.encode(),
        };
        session.insert("login", login).await.ok()
    };
    match done.await {
        Some(()) => StatusCode::NO_CONTENT,
        None => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn chat(upgrade: WebSocketUpgrade, user: Authenticated<String>) -> Response {
    echo_for(upgrade, user, String::clone).await
}

/// The strategy: the user in the session that tower-sessions has put into the request.
fn logged_in(head: &mut Parts) -> impl Future<Output = Result<Grant<String>, Rejection>> + use<> {
    // The browser sends the cookie whichever page asks: the page has to be one of ours.
    let allowed = AllowedOrigin::demand(head);
    let session = head.extensions.get::<Session>().cloned();
    async move {
        allowed?;
        let session = session.ok_or_else(|| {
            Rejection::new(
                RejectionKind::Unavailable,
                "no SessionManagerLayer further out",
            )
        })?;
        // A store that fails is no pass.
        let login = session.get::<LoggedIn>("login").await.map_err(|error| {
            Rejection::new(RejectionKind::Unavailable, "the session store failed")
                .with_source(error)
        })?;
        let login = login.ok_or_else(|| {
            Rejection::new(RejectionKind::SessionInvalid, "nobody is logged in").about_ambient()
        })?;
        Ok(Grant::new(login.user.clone())
            .until(session.expiry_date().into())
            .issued_at(login.since)
            .revocable_by(login.own())
            .revocable_by(login.everywhere())
            .refused_as(RejectionKind::SessionInvalid))
    }
}

/// Ends the session, and the sockets that are open by it.
async fn log_out(State(revocations): State<Revocations>, session: Session) -> StatusCode {
    let login = match session.get::<LoggedIn>("login").await {
        Ok(Some(login)) => login,
        Ok(None) => return StatusCode::NO_CONTENT,
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE,
    };
    let revoked = revocations
        .revoke(&login.own(), DisconnectReason::SessionEnded)
        .await;
    if revoked.is_err() || session.flush().await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    StatusCode::NO_CONTENT
}

fn app<S>(sessions: S, origins: Origins) -> Router
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
        .route("/login/{user}", post(log_in).layer(pages.clone()))
        .route("/logout", post(log_out).layer(pages))
        .with_state(revocations)
        // Outside of the strategy, which reads the session of this layer.
        .layer(SessionManagerLayer::new(sessions))
}

/// The cookie of a new login.
async fn ada(address: SocketAddr) -> String {
    let lines = format!("Origin: {APP}\r\nContent-Length: 0\r\n");
    cookie(&request(address, "POST /login/ada", &lines).await)
}

#[tokio::test]
async fn a_logout_ends_only_the_open_sockets_of_that_login() {
    let address = serve(app(MemoryStore::default(), origins())).await.unwrap();
    let (session, other) = (ada(address).await, ada(address).await);
    let elsewhere = [("origin", APP), ("cookie", other.as_str())];
    let other = echoes(browser_at(address, "/ws", &elsewhere).await).await;
    a_logout_ends_the_socket(address, &session).await;

    echoes(Ok(other)).await;
    let session = ada(address).await;
    let known = [("origin", APP), ("cookie", session.as_str())];
    echoes(browser_at(address, "/ws", &known).await).await;
}

#[tokio::test]
async fn an_anonymous_client_reads_why_and_a_foreign_page_does_not() {
    let address = serve(app(MemoryStore::default(), origins())).await.unwrap();
    only_our_page_reads_why(address, &ada(address).await).await;
}

mod an_outage {
    use super::*;

    store_that_is_gone!(tower_sessions);

    #[tokio::test]
    async fn of_the_store_is_4503() {
        let address = serve(app(Gone, origins())).await.unwrap();
        let known = [("origin", APP), ("cookie", COOKIE)];
        let answer = end_of(browser_at(address, "/ws", &known).await).await;
        assert_eq!(answer, Answer::closed(4503, "unavailable"));

        let lines = format!("Origin: {APP}\r\nCookie: {COOKIE}\r\nContent-Length: 0\r\n");
        let answer = request(address, "POST /logout", &lines).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");

        // A foreign page is refused before the session is read.
        let foreign = [("origin", EVIL), ("cookie", COOKIE)];
        let answer = end_of(browser_at(address, "/ws", &foreign).await).await;
        assert_eq!(answer, Answer::http(403, "origin_denied"));
    }
}

mod wrong_orders {
    use super::*;

    #[tokio::test]
    async fn the_session_layer_inside_of_the_strategy_is_4503_for_everybody() {
        let inside = Router::new()
            .route("/ws", any(chat))
            .layer(SessionManagerLayer::new(MemoryStore::default()))
            .layer(AuthLayer::new(logged_in))
            .layer(OriginLayer::new(origins(), MissingOrigin::Refuse))
            .layer(CloseFrameLayer::new());
        let address = serve(inside).await.unwrap();
        let opened = browser_at(address, "/ws", &[("origin", APP)]).await;
        let answer = end_of(opened).await;
        assert_eq!(answer, Answer::closed(4503, "unavailable"));
    }
}
