//! Each recipe is run as it stands, and asked by a real client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

/// The files of `src`, which a program would have as its own.
macro_rules! recipes {
    ($($name:ident $path:literal),* $(,)?) => { $(
        #[path = $path]
        mod $name;
    )* };
}

recipes! {
    api_keys "../../src/api_keys.rs",
    fast_websockets "../../src/fast_websockets.rs",
    hyper_tungstenite "../../src/hyper_tungstenite.rs",
    later_login "../../src/later_login.rs",
    many_routes "../../src/many_routes.rs",
    rooms_by_path "../../src/rooms_by_path.rs",
    session_redis "../../src/session_redis.rs",
    socket_io "../../src/socket_io.rs",
    tickets "../../src/tickets.rs",
}

mod clients;
mod databases;
mod hyper_clients;
mod hyper_servers;
mod logins;
mod rooms;
mod routes;
mod size;
mod socket_io_clients;

pub(crate) use clients::{
    APP, EVIL, SECRET, body, cookie, open, page, request, start, text, token,
};
