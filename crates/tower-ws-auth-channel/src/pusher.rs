mod hex;
mod policy;
mod rules;

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::Sha256;
use tower_ws_auth_core::Rejection;

pub use self::policy::{PusherPolicy, PusherSigned};
pub use self::rules::PusherError;

use self::rules::check;
use crate::Join;
use crate::policy::invalid;

/// Signs the joins of channels and verifies them, as Pusher's servers and clients do:
/// `key:hex(hmac_sha256(secret, "socket_id:channel[:channel_data]"))`.
///
/// - [`sign`](Self::sign) is for the HTTP endpoint that the client asks, and which knows by the
///   client's session who that is and whether they may join.
/// - [`policy`](Self::policy) is for the join on the socket.
///
/// What is signed is checked in both directions: a socket id is digits, a dot, digits; a
/// channel's name has at most 164 of Pusher's characters; a `presence-` channel has its data.
/// None of them can hold a colon that would shift the borders between the three.
///
/// A signature is good for as long as the socket whose id it names: that id must be the server's
/// own, given to one connection and never again.
///
/// The secrets themselves are not kept. What is kept is the state of HMAC after them, which
/// `hmac` 0.12 and `sha2` 0.10 do not erase when it is dropped.
///
/// ```
/// use tower_ws_auth_channel::{Join, Pusher, PusherSigned};
///
/// struct Socket { id: String }
/// struct Subscribe { channel_data: Option<String> }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pusher = Pusher::new("app-key", "local-secret")?;
///
/// // Over HTTP:
/// let signed = pusher.sign("1234.5678", "private-orders.1", None)?;
/// assert_eq!(
///     signed.auth(),
///     "app-key:c7ced9c2e31d06c373719c5beb8c7d9cbe51400452c6c725d68816dc7e780663",
/// );
///
/// // On the socket:
/// assert!(pusher.verify(signed.auth(), "1234.5678", "private-orders.1", None).is_ok());
/// let elsewhere = pusher.verify(signed.auth(), "1234.5679", "private-orders.1", None);
/// assert_eq!(elsewhere.unwrap_err().reason(), "token_invalid");
///
/// let policy = pusher.policy(|join: &Join<Socket, Subscribe>| PusherSigned {
///     socket_id: &join.identity().id,
///     channel_data: join.message().channel_data.as_deref(),
/// });
/// # let _ = tower_ws_auth_channel::ChannelAuthLayer::new(policy);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Pusher {
    key: String,
    /// Each has seen its key and no message. The first signs.
    secrets: Vec<Hmac<Sha256>>,
}

impl Pusher {
    /// The application's key, which is public, and its secret.
    ///
    /// # Errors
    ///
    /// A key or a secret that is empty, and a key with a colon or a character that does not
    /// print.
    pub fn new(key: impl Into<String>, secret: impl AsRef<[u8]>) -> Result<Self, PusherError> {
        let key = key.into();
        let is_good = |b: u8| b.is_ascii_graphic() && b != b':';
        if key.is_empty() || !key.bytes().all(is_good) {
            return Err(PusherError::Key);
        }
        let secrets = vec![mac(secret.as_ref())?];
        Ok(Self { key, secrets })
    }

    /// Adds a secret that no longer signs, or does not yet, and still verifies.
    ///
    /// # Errors
    ///
    /// An empty secret.
    pub fn also_verify(mut self, secret: impl AsRef<[u8]>) -> Result<Self, PusherError> {
        self.secrets.push(mac(secret.as_ref())?);
        Ok(self)
    }

    /// Signs a join, for a client that may make it.
    ///
    /// # Errors
    ///
    /// A socket id or a channel's name that is malformed, and a `presence-` channel without its
    /// data. All three come from the client: answer with 400.
    pub fn sign(
        &self,
        socket_id: &str,
        channel: &str,
        channel_data: Option<&str>,
    ) -> Result<PusherAuth, PusherError> {
        check(socket_id, channel, channel_data)?;
        let signing = self.secrets.first().ok_or(PusherError::Secret)?;
        let tag = feed(signing, socket_id, channel, channel_data).finalize();
        let tag = hex::encode(&tag.into_bytes());
        Ok(PusherAuth {
            auth: format!("{}:{tag}", self.key),
            channel_data: channel_data.map(str::to_owned),
        })
    }

    /// Verifies what a client presents as `auth`.
    ///
    /// # Errors
    ///
    /// [`TokenInvalid`](tower_ws_auth_core::RejectionKind::TokenInvalid) for everything that was
    /// not signed with one of the secrets.
    pub fn verify(
        &self,
        auth: &str,
        socket_id: &str,
        channel: &str,
        channel_data: Option<&str>,
    ) -> Result<(), Rejection> {
        check(socket_id, channel, channel_data)
            .map_err(|error| invalid("what was to be signed is malformed").with_source(error))?;
        let tag = auth
            .strip_prefix(self.key.as_str())
            .and_then(|rest| rest.strip_prefix(':'))
            .ok_or_else(|| invalid("the signature is for another application"))?;
        let tag: [u8; 32] =
            hex::decode(tag).ok_or_else(|| invalid("the signature is not 64 hex digits"))?;
        let is_by = |secret| {
            feed(secret, socket_id, channel, channel_data)
                .verify_slice(&tag)
                .is_ok()
        };
        if self.secrets.iter().any(is_by) {
            Ok(())
        } else {
            Err(invalid("the signature is not by one of the secrets"))
        }
    }

    /// The policy that verifies joins. `signed` finds what was signed, apart from the channel.
    ///
    /// The socket id must come from the connection, which the identity may hold; one that the
    /// message brings along proves nothing.
    pub fn policy<I, M, F>(self, signed: F) -> PusherPolicy<F>
    where
        F: for<'j> Fn(&'j Join<I, M>) -> PusherSigned<'j>,
    {
        PusherPolicy::new(self, signed)
    }
}

/// What the HTTP endpoint answers: as JSON `{"auth":"key:…","channel_data":"…"}`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct PusherAuth {
    auth: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_data: Option<String>,
}

impl PusherAuth {
    /// The key and the signature.
    pub fn auth(&self) -> &str {
        &self.auth
    }

    /// The data that was signed with it.
    pub fn channel_data(&self) -> Option<&str> {
        self.channel_data.as_deref()
    }
}

fn mac(secret: &[u8]) -> Result<Hmac<Sha256>, PusherError> {
    if secret.is_empty() {
        return Err(PusherError::Secret);
    }
    Hmac::new_from_slice(secret).map_err(|_| PusherError::Secret)
}

fn feed(
    secret: &Hmac<Sha256>,
    socket_id: &str,
    channel: &str,
    channel_data: Option<&str>,
) -> Hmac<Sha256> {
    let mac = secret
        .clone()
        .chain_update(socket_id)
        .chain_update(":")
        .chain_update(channel);
    match channel_data {
        Some(data) => mac.chain_update(":").chain_update(data),
        None => mac,
    }
}

impl fmt::Debug for Pusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pusher")
            .field("key", &self.key)
            .field("secrets", &self.secrets.len())
            .finish()
    }
}

impl fmt::Debug for PusherAuth {
    // The data names a member, the signature lets them in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PusherAuth(redacted)")
    }
}
