use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::{ChannelAuthLayer, Denial, Evidence, Join, JoinOutcome, Policy};

mod packet;

pub use self::packet::ConnectPacket;

/// Decides who may connect to a namespace of Socket.IO, and makes the packet that answers.
///
/// A client of Socket.IO is authorized twice: by its handshake, and for each namespace that it asks
/// for, such as `/admin`. This is for servers that read Socket.IO's packets themselves. A
/// [`Policy`] decides about the namespace as about a channel. It finds the packet's `auth` as JSON
/// in [`Join::message`].
///
/// A refused client reads `connect_error`, with `message` and `data.reason`. It does not come back
/// by itself, and its other namespaces stay open.
///
/// ```
/// use tower_ws_auth_channel::{ConnectPacket, NamespaceAuth, Patterns};
///
/// #[derive(Clone)]
/// struct User { is_admin: bool }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let namespaces = NamespaceAuth::new(
///     Patterns::<User, Option<String>>::builder()
///         .allow("/")
///         .rule("/admin", |join: &tower_ws_auth_channel::Join<User, Option<String>>| join.identity().is_admin)
///         .build()?,
/// );
/// // One of Engine.IO's messages.
/// let packet = ConnectPacket::read(r#"40/admin,{"token":"t"}"#).ok_or("another packet")?;
/// assert_eq!(packet.auth(), Some(r#"{"token":"t"}"#));
///
/// let answer = namespaces.connect(User { is_admin: true }, &packet, "sid-1").await;
/// assert_eq!(answer.packet(), r#"40/admin,{"sid":"sid-1"}"#);
/// assert!(answer.outcome().is_ok());
///
/// let answer = namespaces.connect(User { is_admin: false }, &packet, "sid-2").await;
/// assert_eq!(answer.packet(), r#"44/admin,{"message":"forbidden","data":{"reason":"forbidden"}}"#);
/// assert!(answer.outcome().is_err());
/// # Ok(())
/// # }
/// ```
pub struct NamespaceAuth<P> {
    layer: ChannelAuthLayer<P>,
    credential: Option<Box<Credential>>,
}

type Credential = dyn Fn(&str) -> Option<String> + Send + Sync;

impl<P> NamespaceAuth<P> {
    /// Decides by this policy. The namespace is the channel; the default one is `/`.
    pub fn new(policy: P) -> Self {
        let layer = ChannelAuthLayer::new(policy).longest_channel(ConnectPacket::MAX_NAMESPACE);
        Self {
            layer,
            credential: None,
        }
    }

    /// Finds the credential in the JSON of `auth`, for a policy of tickets or tokens.
    #[must_use]
    pub fn credential(
        mut self,
        find: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.credential = Some(Box::new(find));
        self
    }

    /// Decides about a packet. `sid` names the socket of the namespace if it is admitted, and must
    /// differ for each. Characters that JSON would escape are left out of it.
    pub async fn connect<I>(
        &self,
        identity: I,
        packet: &ConnectPacket<'_>,
        sid: &str,
    ) -> NamespaceAnswer
    where
        P: Policy<I, Option<String>>,
    {
        let auth = packet.auth();
        let credential = self.credential.as_ref().zip(auth);
        let credential = credential.and_then(|(find, auth)| find(auth));
        let join = Join::new(identity, packet.namespace(), auth.map(str::to_owned));
        let join = join.with_credential(credential);
        // Always ready.
        let Ok(outcome) = self.layer.layer(Admitted).call(join).await;
        match outcome {
            JoinOutcome::Admitted(evidence) => NamespaceAnswer {
                packet: packet.accepted(sid),
                outcome: Ok(evidence),
            },
            JoinOutcome::Denied(denial) => NamespaceAnswer {
                packet: packet.refused(&denial),
                outcome: Err(denial),
            },
        }
    }
}

/// The answer to a [`ConnectPacket`].
#[derive(Debug)]
#[must_use]
pub struct NamespaceAnswer {
    packet: String,
    outcome: Result<Evidence, Denial>,
}

impl NamespaceAnswer {
    /// The packet for the client, as one of Engine.IO's messages.
    pub fn packet(&self) -> &str {
        &self.packet
    }

    /// What the policy learnt, or why it refused.
    ///
    /// # Errors
    ///
    /// The denial. The server handles no other packet of this namespace.
    pub fn outcome(&self) -> Result<&Evidence, &Denial> {
        self.outcome.as_ref()
    }

    /// The same, and the packet.
    ///
    /// # Errors
    ///
    /// The denial.
    pub fn into_parts(self) -> (String, Result<Evidence, Denial>) {
        (self.packet, self.outcome)
    }
}

impl<P> fmt::Debug for NamespaceAuth<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceAuth").finish_non_exhaustive()
    }
}

/// Stands behind the layer, and returns what the policy learnt.
#[derive(Clone)]
struct Admitted;

impl<I, M> Service<Join<I, M>> for Admitted {
    type Response = Evidence;
    type Error = Infallible;
    type Future = Ready<Result<Evidence, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, join: Join<I, M>) -> Self::Future {
        ready(Ok(join.into_parts().pass))
    }
}
