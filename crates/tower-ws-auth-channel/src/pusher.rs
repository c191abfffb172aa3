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

/// Signs and verifies joins of channels as Pusher's servers and clients do:
/// `key:hex(hmac_sha256(secret, "socket_id:channel[:channel_data]"))`.
///
/// - [`sign`](Self::sign) is for the HTTP endpoint that the client asks. The endpoint knows the
///   user by the client's session, and decides about the join.
/// - [`policy`](Self::policy) is for the join on the socket.
///
/// Both check the signed parts. A socket id is digits, a dot, digits. A channel's name has at most
/// 164 of Pusher's characters. A `presence-` channel needs its data. Neither socket id nor name can
/// contain a colon, so the borders between the parts are unambiguous.
///
/// A signature is valid for as long as the socket with that id. The id must come from the server,
/// which gives it to one connection and never again.
///
/// The secrets themselves are not kept. The state of HMAC after each secret is kept, and erased on
/// drop.
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
    /// Each has processed its key but no message. The first signs.
    secrets: Vec<Hmac<Sha256>>,
}

impl Pusher {
    /// The application's key, which is public, and its secret.
    ///
    /// # Errors
    ///
    /// An empty key or secret, or a key with a colon or an unprintable character.
    pub fn new(key: impl Into<String>, secret: impl AsRef<[u8]>) -> Result<Self, PusherError> {
        let key = key.into();
        let is_good = |b: u8| b.is_ascii_graphic() && b != b':';
        if key.is_empty() || !key.bytes().all(is_good) {
            return Err(PusherError::Key);
        }
        let secrets = vec![mac(secret.as_ref())?];
        Ok(Self { key, secrets })
    }

    /// Adds a secret that verifies but does not sign, for rotation.
    ///
    /// # Errors
    ///
    /// An empty secret.
    pub fn also_verify(mut self, secret: impl AsRef<[u8]>) -> Result<Self, PusherError> {
        self.secrets.push(mac(secret.as_ref())?);
        Ok(self)
    }

    /// Signs a join. Call it only for a client that may make it.
    ///
    /// # Errors
    ///
    /// A malformed socket id or channel name, or a `presence-` channel without its data. All three
    /// come from the client: answer with 400.
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

    /// Verifies the `auth` that a client presents.
    ///
    /// # Errors
    ///
    /// [`TokenInvalid`](tower_ws_auth_core::RejectionKind::TokenInvalid) if none of the secrets
    /// signed it.
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

    /// The policy that verifies joins. `signed` finds the signed parts other than the channel.
    ///
    /// The socket id must come from the connection, for instance from the identity. An id in the
    /// message proves nothing.
    pub fn policy<I, M, F>(self, signed: F) -> PusherPolicy<F>
    where
        F: for<'j> Fn(&'j Join<I, M>) -> PusherSigned<'j>,
    {
        PusherPolicy::new(self, signed)
    }
}

/// The answer of the HTTP endpoint, as JSON: `{"auth":"key:…","channel_data":"…"}`.
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

    /// The signed data.
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
    // The data names a member, and the signature admits it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PusherAuth(redacted)")
    }
}
