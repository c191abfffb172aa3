//! Logout at the identity provider: `POST /backchannel-logout`, and security events there.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::routing::any_service;
use serde_json::Value;
use tower_ws_auth::jwt::{BackchannelLogout, LogoutToken};
use tower_ws_auth::ticket::ReplayStore;

use crate::app::App;
use crate::credentials::Credentials;
use crate::options::Options;
use crate::user::revocation_key;

/// For each `--oidc-issuer`, whose logout tokens name this application as their `--jwt-audience`.
pub(crate) fn routes(
    options: &Options,
    credentials: &Credentials,
) -> Result<Router<App>, Box<dyn Error + Send + Sync>> {
    let providers = credentials.tokens.providers();
    let [client, clients @ ..] = &*options.jwt.jwt_audience else {
        return Ok(Router::new());
    };
    if providers.is_empty() {
        return Ok(Router::new());
    }
    let logout = BackchannelLogout::builder(client).security_events();
    let mut logout = logout.clock(credentials.tokens.clock().clone());
    for client in clients {
        logout = logout.client(client);
    }
    for (issuer, jwks) in providers {
        logout = logout.provider(issuer, jwks.clone());
    }
    let revocations = credentials.revocations.clone();
    let service = logout.build(Arc::clone(&credentials.logouts.0), revocations, ended)?;
    Ok(Router::new().route("/backchannel-logout", any_service(service)))
}

/// The logout tokens that were used.
#[derive(Clone)]
pub(crate) struct Logouts(pub(crate) Arc<dyn ReplayStore>);

impl fmt::Debug for Logouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logouts")
    }
}

/// The key under which a provider ends the session that a token is of.
pub(crate) fn session_of(issuer: &str, claims: &Value) -> String {
    match text(claims, "sid") {
        Some(sid) => session_key(issuer, sid),
        // No logout names it. The key is still the user's own, and not one of all users.
        None => format!("no-{}", subject_of(issuer, claims)),
    }
}

/// The key under which a provider ends all sessions of a token's user.
pub(crate) fn subject_of(issuer: &str, claims: &Value) -> String {
    subject_key(issuer, text(claims, "sub").unwrap_or_default())
}

fn text<'c>(claims: &'c Value, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

fn session_key(issuer: &str, sid: &str) -> String {
    format!("sid:{issuer}:{sid}")
}

fn subject_key(issuer: &str, sub: &str) -> String {
    format!("sub:{issuer}:{sub}")
}

/// A session of the provider; or else all that its user has, with the sessions and tickets here of
/// the user with that name.
fn ended(logout: &LogoutToken) -> Vec<String> {
    let issuer = &logout.issuer;
    match (&logout.session, &logout.subject) {
        (Some(sid), _) => vec![session_key(issuer, sid)],
        (None, Some(sub)) => vec![subject_key(issuer, sub), revocation_key(sub)],
        (None, None) => Vec::new(),
    }
}
