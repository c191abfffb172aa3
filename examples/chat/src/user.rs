//! The user of a socket, for every strategy.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) via: Cow<'static, str>,
    /// The credential's own expiry, in seconds since the Unix epoch.
    pub(crate) expires_at: Option<i64>,
}

/// The user in a session record and in a ticket: `"user":"ada"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) user: String,
}

/// A session record, maybe without a login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
}

impl User {
    pub(crate) fn by_jwt(name: Option<String>, claims: &Value) -> Self {
        /// 9999-12-31T23:59:59Z: clocks and JavaScript cannot show a later moment.
        const LATEST: f64 = 253_402_300_799.0;
        let exp = claims.get("exp").and_then(Value::as_f64);
        #[expect(clippy::cast_possible_truncation, reason = "within the range of both")]
        let expires_at = exp.map(|exp| exp.floor().clamp(0.0, LATEST) as i64);
        Self {
            name: name.unwrap_or_default(),
            via: "jwt".into(),
            expires_at,
        }
    }

    /// Whether the name is safe in a log. A foreign token may have any user name.
    pub(crate) fn is_named(&self) -> bool {
        !self.name.is_empty() && !self.name.contains(char::is_control)
    }

    pub(crate) fn by_session(known: Known) -> Self {
        Self {
            name: known.user,
            via: "session".into(),
            expires_at: None,
        }
    }

    pub(crate) fn by_ticket(known: Known) -> Self {
        Self {
            name: known.user,
            via: "ticket".into(),
            expires_at: None,
        }
    }
}

/// The key that revokes all credentials of a user.
pub(crate) fn revocation_key(user: &str) -> String {
    format!("user:{user}")
}

impl Record {
    pub(crate) fn logged_in(&self) -> Option<Known> {
        self.user.clone().map(|user| Known { user })
    }
}

/// A name that is safe in a log and in the name of a channel: 1 to 32 letters, digits, `.`, `_` and
/// `-`.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
