//! Socket.IO behind tower-ws-auth, with socketioxide as the server.
//!
//! It replaces the usual Express application: a session cookie decides about the connection, over
//! both transports; each namespace decides once more. The client is socket.io-client as it is:
//!
//! ```js
//! const socket = io({ auth: async (send) => send({ token: await fetchToken() }) });
//! socket.on("connect_error", ({ message, data }) => { /* "session_invalid", "forbidden", … */ });
//! socket.on("auth_ended", ({ reason }) => { /* "session_ended", "revoked", … */ });
//! ```
//!
//! - `/` is for everybody who is logged in, `/admin` for administrators alone, and `/feed` for a
//!   token in `auth`.
//! - A logout, a ban or the end of the session ends open connections, and polls under way.
//! - A session of Socket.IO belongs to the user who opened it.

mod account;
mod namespaces;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use socketioxide::SocketIo;
use tower::{Layer, ServiceBuilder};
use tower_ws_auth::jwt::{Algorithm, Jwt, JwtEncoder, Key, SigningKey};
use tower_ws_auth::session::{MemorySessions, Secrets, Sessions};
use tower_ws_auth::{
    AuthLayer, ClientProtocol, CloseFrameLayer, LeaseLayer, MemoryRevocations, MissingOrigin,
    OriginLayer, Origins, PollingLayer, Revocations,
};

/// The user of a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// The name, which is the identity.
    pub name: String,
}

impl User {
    fn is_admin(&self) -> bool {
        self.name == "root"
    }

    /// Revokes all sessions of this user.
    fn revocation_key(&self) -> String {
        format!("user:{}", self.name)
    }
}

/// What the accounts need.
#[derive(Clone, Debug)]
struct App {
    sessions: Sessions<Record>,
    revocations: Revocations,
    encoder: Arc<JwtEncoder>,
}

/// A session, maybe without a login.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    user: Option<User>,
}

/// The whole application, for pages of this origin.
///
/// # Errors
///
/// An invalid origin, or no entropy for the secrets.
pub fn app(origin: &str) -> Result<Router, Box<dyn Error>> {
    let month = Duration::from_secs(30 * 24 * 3600);
    let revocations = Revocations::new(MemoryRevocations::new(month, 100_000));
    let secrets = Secrets::express([random()?])?;
    let sessions = Sessions::<Record>::builder(secrets, MemorySessions::new(100_000))
        .revocations(revocations.clone())
        .revocable_by(|record: &Record| record.user.as_ref().map(User::revocation_key))
        // Yours speaks HTTPS: leave this out.
        .dangerous_without_secure()
        .build()?;
    let secret = random()?;
    let jwt = Jwt::<User>::builder(Key::hs256(&secret)?).build()?;
    let encoder = JwtEncoder::new(SigningKey::hmac(Algorithm::HS256, &secret)?);

    let protocol = ClientProtocol::socket_io_namespaces(["/admin", "/feed"]);
    let origins = Origins::new([origin])?;
    // The first poll of a page has no `Origin`, and `Sec-Fetch-Site: same-origin`.
    let pages = OriginLayer::new(origins, MissingOrigin::AllowSameOrigin);
    // The layer before has vouched for the page.
    let session = sessions.dangerous_strategy_for_any_origin(|record| record.user.clone());
    let guarded = ServiceBuilder::new()
        .layer(CloseFrameLayer::new().client_protocol(protocol.clone()))
        .layer(pages.clone())
        .layer(AuthLayer::new(session).any_request())
        .layer(LeaseLayer::new(revocations.clone()).client_protocol(protocol))
        .layer(PollingLayer::new(random()?, |user: &User| {
            user.name.clone()
        })?);

    let (socket_io, io) = SocketIo::new_layer();
    namespaces::serve(&io, Arc::new(jwt));
    let not_found = Router::<()>::new();
    Ok(Router::new()
        .route("/login", post(account::login))
        .route("/logout", post(account::logout))
        .route("/ban", post(account::ban))
        .route("/token", post(account::token))
        // A foreign page must not log a user in or out either.
        .layer(pages)
        .route_service("/socket.io/", guarded.service(socket_io.layer(not_found)))
        .with_state(App {
            sessions,
            revocations,
            encoder: encoder.into(),
        }))
}

fn random() -> Result<Vec<u8>, getrandom::Error> {
    let mut secret = vec![0; 32];
    getrandom::fill(&mut secret)?;
    Ok(secret)
}
