//! Who may connect to which namespace, and when that ends.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use socketioxide::SocketIo;
use socketioxide::extract::{Data, HttpExtension, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use tokio::sync::Notify;
use tower_ws_auth::jwt::Jwt;
use tower_ws_auth::{Authenticated, Lease};

use crate::User;

/// The `auth` of the client, which its function makes anew for each connection.
#[derive(Deserialize)]
struct Auth {
    token: String,
}

pub(crate) fn serve(io: &SocketIo, jwt: Arc<Jwt<User>>) {
    io.ns("/", connected);
    io.ns("/admin", connected.with(is_admin));
    let has_token = move |user: HttpExtension<Authenticated<User>>, auth: TryData<Auth>| {
        let jwt = Arc::clone(&jwt);
        async move { has_token(&jwt, &user.0, auth) }
    };
    io.ns("/feed", connected.with(has_token));
}

/// The error is the `message` of the client's `connect_error`.
async fn is_admin(user: HttpExtension<Authenticated<User>>) -> Result<(), &'static str> {
    if user.0.is_admin() {
        Ok(())
    } else {
        Err("forbidden")
    }
}

fn has_token(jwt: &Jwt<User>, user: &User, auth: TryData<Auth>) -> Result<(), &'static str> {
    let auth = auth.0.map_err(|_| "credentials_missing")?;
    let grant = jwt.verify_token(&auth.token);
    let grant = grant.map_err(|rejection| rejection.reason())?;
    if grant.identity().name == user.name {
        Ok(())
    } else {
        Err("forbidden")
    }
}

async fn connected(
    socket: SocketRef,
    HttpExtension(user): HttpExtension<Authenticated<User>>,
    HttpExtension(lease): HttpExtension<Lease>,
) {
    let _ = socket.emit("welcome", &user.name);
    socket.on("say", async |socket: SocketRef, Data::<String>(text)| {
        let _ = socket.broadcast().emit("said", &text).await;
    });
    let gone = Arc::new(Notify::new());
    let tell = Arc::clone(&gone);
    socket.on_disconnect(async move || tell.notify_one());
    // The layers end the connection. This ends the server's session too, which could otherwise wait
    // for its ping timeout.
    tokio::spawn(async move {
        tokio::select! {
            reason = lease.ended() => {
                let _ = socket.emit("auth_ended", &json!({ "reason": reason.reason() }));
                let _ = socket.disconnect();
            }
            () = gone.notified() => {}
        }
    });
}
