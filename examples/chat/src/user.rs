//! Whom a socket is for, whichever strategy says so.

use serde::{Deserialize, Serialize};

use crate::tokens::Claims;

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) via: &'static str,
    /// What the credential itself says, in seconds since the Unix epoch.
    pub(crate) expires_at: Option<i64>,
}

/// What a session record and a ticket keep: `"user":"ada"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) user: String,
}

/// A session record, which need not be logged in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
}

impl User {
    pub(crate) fn by_jwt(claims: Claims) -> Self {
        /// 9999-12-31T23:59:59Z: what lies beyond it no clock and no JavaScript can show.
        const LATEST: f64 = 253_402_300_799.0;
        #[expect(clippy::cast_possible_truncation, reason = "within the range of both")]
        let expires_at = claims.exp.floor().clamp(0.0, LATEST) as i64;
        Self {
            name: claims.sub,
            via: "jwt",
            expires_at: Some(expires_at),
        }
    }

    /// Whether it is one that can stand in a log. A foreign token may name its user as it likes.
    pub(crate) fn is_named(&self) -> bool {
        !self.name.is_empty() && !self.name.contains(char::is_control)
    }

    pub(crate) fn by_session(known: Known) -> Self {
        Self {
            name: known.user,
            via: "session",
            expires_at: None,
        }
    }

    pub(crate) fn by_ticket(known: Known) -> Self {
        Self {
            name: known.user,
            via: "ticket",
            expires_at: None,
        }
    }
}

/// The key under which everything is revoked that is a user's.
pub(crate) fn revocation_key(user: &str) -> String {
    format!("user:{user}")
}

impl Record {
    pub(crate) fn logged_in(&self) -> Option<Known> {
        self.user.clone().map(|user| Known { user })
    }
}

/// A name that can stand in a log and in the name of a channel: 1 to 32 letters, digits, `.`,
/// `_` and `-`.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
