//! The credential in a client's first message: `{"type":"auth","token":…}`.

use axum::http::request::Parts;
use tower_ws_auth::credential::MessageCredential;
use tower_ws_auth::{
    Authenticate, BoxFuture, ClientProtocol, FirstMessageLayer, Grant, MessageFormat, Rejection,
};

use crate::options::Options;
use crate::socket;

/// A message with a token or a ticket, within five seconds.
pub(crate) fn layer(options: &Options) -> FirstMessageLayer {
    let auth = MessageFormat::json("token").expecting("type", "auth");
    FirstMessageLayer::new(auth)
        .client_protocol(ClientProtocol::from(options.client_protocol))
        .subprotocols(socket::SUBPROTOCOLS)
        .max_waiting_by_address(options.first_per_address.into())
        .reject_delay(std::time::Duration::from_millis(options.hold_ms))
}

/// Leaves a message that holds no JWT to the next strategy: both would read it.
pub(crate) struct OnlyTokens<A>(pub(crate) A);

impl<A: Authenticate> Authenticate for OnlyTokens<A> {
    type Credential = A::Credential;
    type Verified = A::Verified;
    type Identity = A::Identity;
    type Future = A::Future;

    const SINGLE_USE: bool = A::SINGLE_USE;
    const PASSES_ANONYMOUS: bool = A::PASSES_ANONYMOUS;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn take(&self, head: &mut Parts) -> Result<Option<A::Credential>, Rejection> {
        // RFC 7515 §7.1: three parts.
        let is_other = |message: &MessageCredential| !message.as_str().contains('.');
        if head.extensions.get().is_some_and(is_other) {
            return Ok(None);
        }
        self.0.take(head)
    }

    fn peek(
        &self,
        credential: &A::Credential,
        head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<A::Verified>, Rejection>>> {
        self.0.peek(credential, head)
    }

    fn is_conditional(&self, credential: &A::Credential) -> bool {
        self.0.is_conditional(credential)
    }

    fn verify(&self, credential: A::Credential, head: &Parts) -> A::Future {
        self.0.verify(credential, head)
    }

    fn admit(&self, verified: A::Verified, head: &Parts) -> Result<A::Identity, Rejection> {
        self.0.admit(verified, head)
    }
}
