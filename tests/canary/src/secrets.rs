use serde::{Deserialize, Serialize};

/// The credentials for clients of a server. The program prints them once, outside of the log.
#[derive(Clone, Serialize, Deserialize)]
#[allow(
    missing_debug_implementations,
    reason = "these are the secrets: nothing prints them but the test that wants them"
)]
pub struct Secrets {
    /// The address on which it listens.
    pub address: std::net::SocketAddr,
    /// A JWT that is accepted.
    pub good: String,
    /// One that has expired.
    pub expired: String,
    /// One with another key's signature.
    pub forged: String,
    /// The value of a session's cookie.
    pub session: String,
    /// Tickets, each valid once.
    pub tickets: Vec<String>,
}

/// The claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: String,
}
