//! What tower-ws-auth does with a socket; the only one of its crates that touches one.
//!
//! - [`frame`]: close and text frames as bytes, with types that cannot hold an invalid one.
//! - [`Socket`]: the connection of a refused client, which is told why and then dropped: the
//!   closing handshake.
//! - [`UpgradeGuard`] and [`CloseHandle`]: an upgraded connection that can be ended from anywhere with a close
//!   frame, although its handler knows nothing of it.
//! - [`accept_key`]: the server's half of the opening handshake (RFC 6455 §4.2.2).
//!
//! ```
//! use tower_ws_auth_socket::close::{Close, CloseCode};
//!
//! let close = Close::new(CloseCode::new(4401)?, "token_expired");
//! assert_eq!(close.to_bytes(), b"\x88\x0f\x11\x31token_expired");
//!
//! // 1006 is what a browser reports when no close frame came; nobody may send it.
//! assert!(CloseCode::new(1006).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accept_key;
mod at_hand;
mod closing_handshake;
mod closing_state;
mod factory;
mod guard;
mod handler_io;
mod io;
mod last_words;
mod owner;
mod script;
mod shared_io;

pub use self::accept_key::accept_key;
pub use self::closing_handshake::{Limits, Outcome, Socket};
pub use self::guard::{CloseHandle, ClosingHandshake, Protocol, UpgradeGuard};
pub use self::script::Ended;

pub(crate) use self::at_hand::Guarded;
pub(crate) use self::script::Telling;
#[cfg(feature = "first-message")]
pub(crate) use self::{
    at_hand::AtHand, closing_handshake::is_shared, io::Io, last_words::Words, script::follow,
};
