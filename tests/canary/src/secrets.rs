use serde::{Deserialize, Serialize};

/// What clients of a server present: the program prints it once, where no log is.
#[derive(Clone, Serialize, Deserialize)]
#[allow(
    missing_debug_implementations,
    reason = "these are the secrets: nothing prints them but the test that wants them"
)]
pub struct Secrets {
    /// Where it listens.
    pub address: std::net::SocketAddr,
    /// A JWT that is accepted.
    pub good: String,
    /// One that has expired.
    pub expired: String,
    /// One with another key's signature.
    pub forged: String,
    /// The value of a session's cookie.
    pub session: String,
    /// Tickets, each good for once.
    pub tickets: Vec<String>,
}

/// What is read from a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: String,
}
