//! The client libraries that people use, and what their applications see.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "only tests use it, and they fail by panicking"
)]

mod brokers;
mod bundle;
mod cable;
mod channels;
mod graphql;
mod library;
mod phoenix;
mod python;
mod server;
mod signalr;
mod socket_io;

pub use self::brokers::{MQTT_3, MQTT_5, NATS, STOMP};
pub use self::cable::{ACTION_CABLE, ANY_CABLE};
pub use self::channels::{CENTRIFUGO, PUSHER};
pub use self::graphql::{APOLLO_CLIENT, GRAPHQL_WS, SUBSCRIPTIONS_TRANSPORT_WS};
pub use self::library::{Case, Library, PATIENCE};
pub use self::phoenix::{PHOENIX_1_7, PHOENIX_1_8_15, PHOENIX_1_8_16};
pub use self::python::{GQL, PYTHON_SOCKETIO};
pub use self::server::{LibraryServer, Speech};
pub use self::signalr::SIGNALR;
pub use self::socket_io::{
    SOCKET_IO, SOCKET_IO_2, SOCKET_IO_2_UNTOLD, SOCKET_IO_2_WITH_TWO_NAMESPACES,
    SOCKET_IO_WITH_TWO_NAMESPACES,
};
