use std::fmt;

use http::request::Parts;

use super::Credential;
use crate::Rejection;

/// A credential that came in the first message of a connection.
///
/// A layer that has answered the handshake leaves it in the head's extensions, and calls the
/// service. [`Carriers`](super::Carriers) read it there as one more explicit credential. A strategy
/// that is a closure reads it itself:
///
/// ```
/// # use http::Request;
/// # use tower_ws_auth_core::credential::{Carriers, MessageCredential};
/// let (mut head, ()) = Request::get("/ws").extension(MessageCredential::new("abc")).body(())?.into_parts();
/// let carriers = Carriers::builder().query("token").build()?;
/// assert_eq!(carriers.take(&mut head)?.map(|found| found.carrier()), Some("message"));
///
/// // Beside another one it is malformed, as two of them always are.
/// let (mut head, ()) = Request::get("/ws?token=abc").extension(MessageCredential::new("abc")).body(())?.into_parts();
/// assert_eq!(carriers.take(&mut head).unwrap_err().reason(), "credentials_malformed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MessageCredential(String);

impl MessageCredential {
    /// The credential as it stands in the message; it is checked where it is read.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, unchecked.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MessageCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageCredential(redacted)")
    }
}

pub(super) fn is_in(head: &Parts) -> bool {
    head.extensions.get::<MessageCredential>().is_some()
}

pub(super) fn take(head: &mut Parts) -> Result<Option<Credential>, Rejection> {
    let found = head.extensions.remove::<MessageCredential>();
    found
        .map(|MessageCredential(text)| Credential::in_message(text))
        .transpose()
}
