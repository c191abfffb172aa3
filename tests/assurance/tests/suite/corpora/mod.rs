//! Bad inputs, each with the refusal that it must get.

mod attacks;
pub(crate) mod carriers;
mod claims;
mod cookies;
mod handshake;
mod issuers;
mod oracle;
mod rfc;
mod tokens;
mod wycheproof;

use std::fmt;

pub(crate) use cookies::is_same_escape;

/// An input that must be refused, and how.
#[derive(Clone)]
pub(crate) struct Bad {
    /// Its fault.
    pub(crate) what: String,
    pub(crate) token: Vec<u8>,
    /// The public reason of the refusal, if a carrier brings the input as far as the verifier.
    pub(crate) refusal: &'static str,
}

impl Bad {
    pub(crate) fn new(what: impl fmt::Display, token: impl Into<Vec<u8>>) -> Self {
        Self::refused_as("token_invalid", what, token)
    }

    pub(crate) fn refused_as(
        refusal: &'static str,
        what: impl fmt::Display,
        token: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            what: what.to_string(),
            token: token.into(),
            refusal,
        }
    }

    /// A verifier takes text.
    pub(crate) fn text(&self) -> Option<&str> {
        str::from_utf8(&self.token).ok()
    }
}
