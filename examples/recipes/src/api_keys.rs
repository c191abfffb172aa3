//! API keys from a database. It keeps their digests alone, and is asked on a thread for blocking
//! work. With an asynchronous driver the closure awaits the query itself.

use std::sync::{Arc, Mutex};

use axum::{BoxError, Router, extract::ws::WebSocketUpgrade, response::Response, routing::any};
use http::request::Parts;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::spawn_blocking};
use tower_ws_auth::{AuthLayer, Authenticated, CloseFrameLayer, Grant, Rejection, RejectionKind};

type Database = Arc<Mutex<Connection>>;

async fn chat(upgrade: WebSocketUpgrade, partner: Authenticated<String>) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let _ = socket.send(format!("hello {}", *partner).into()).await;
        while let Some(Ok(_message)) = socket.recv().await {}
    })
}

fn find(database: &Database, key: &[u8]) -> Result<Option<String>, BoxError> {
    let database = database.lock().map_err(|_| "a query has panicked")?;
    let query = "SELECT name FROM partners WHERE digest = ?1";
    let digest = Sha256::digest(key).to_vec();
    let row = database.query_row(query, [digest], |row| row.get(0));
    Ok(row.optional()?)
}

pub async fn serve(listener: TcpListener, database: Connection) -> Result<(), BoxError> {
    let database: Database = Arc::new(Mutex::new(database));
    // Reads, removes and decides. A database that fails is no pass.
    let strategy = move |head: &mut Parts| {
        let key = head.headers.remove("x-api-key");
        let database = database.clone();
        async move {
            let none = || Rejection::new(RejectionKind::CredentialsMissing, "no X-Api-Key");
            let key = key.ok_or_else(none)?;
            let found = spawn_blocking(move || find(&database, key.as_bytes())).await;
            let failed = |error: BoxError| {
                Rejection::new(RejectionKind::Unavailable, "the database").with_source(error)
            };
            let found = found
                .map_err(|error| failed(error.into()))?
                .map_err(failed)?;
            let unknown = || Rejection::new(RejectionKind::TokenInvalid, "no such API key");
            let partner = found.ok_or_else(unknown)?;
            Ok(Grant::new(partner.clone()).revocable_by(format!("partner:{partner}")))
        }
    };
    let guard = (CloseFrameLayer::new(), AuthLayer::new(strategy));
    let app = Router::new().route("/ws", any(chat).layer(guard));
    axum::serve(listener, app).await?;
    Ok(())
}
