//! The user of a socket, and the fields that tell the upstream.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_ws_auth::{Authenticated, Lease, Validity};

use crate::failure::Failure;
use crate::options::ClaimHeader;

const USER: HeaderName = HeaderName::from_static("x-auth-user");
const VIA: HeaderName = HeaderName::from_static("x-auth-via");
const EXPIRES: HeaderName = HeaderName::from_static("x-auth-expires");
const CONNECTION: HeaderName = HeaderName::from_static("x-auth-connection");

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    name: String,
    via: Via,
    /// Further claims: header fields and their values.
    claims: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Via {
    Jwt,
    Session,
    Ticket,
}

impl User {
    pub(crate) fn by_jwt(name: Option<String>, claims: &Value, wanted: &[ClaimHeader]) -> Self {
        let claims = wanted.iter().filter_map(|header| {
            let text = written(header.of(claims)?)?;
            Some((header.name.as_str().to_owned(), text))
        });
        Self {
            name: name.unwrap_or_default(),
            via: Via::Jwt,
            claims: claims.collect(),
        }
    }

    pub(crate) fn by_session(name: String) -> Self {
        Self {
            name,
            via: Via::Session,
            claims: Vec::new(),
        }
    }

    /// The user for whom a ticket was minted.
    pub(crate) fn by_ticket(self) -> Self {
        Self {
            via: Via::Ticket,
            ..self
        }
    }

    /// An upstream may take an empty name for no user, or for any user.
    pub(crate) fn is_named(&self) -> bool {
        !self.name.is_empty()
    }

    pub(crate) fn is_by_session(&self) -> bool {
        self.via == Via::Session
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The value of a claim's header field. The elements of a list stand between commas, which no
/// element contains.
fn written(claim: &Value) -> Option<String> {
    match claim {
        Value::String(text) => Some(encoded(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Array(elements) => {
            let elements = elements.iter().map(|element| match element {
                Value::Array(_) => None,
                element => written(element),
            });
            Some(elements.collect::<Option<Vec<_>>>()?.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// The user in a session record; `None` if it is not logged in.
pub(crate) fn in_record(record: &Value, pointer: &str) -> Option<String> {
    match record.pointer(pointer)? {
        Value::String(name) => Some(name.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// The common prefix of users' keys.
pub(crate) const USERS: &str = "user:";

/// The key that revokes all credentials of a user.
pub(crate) fn revocation_key(user: &str) -> String {
    format!("{USERS}{user}")
}

/// Writes the authenticated user. Fields of these names from outside are already removed.
pub(crate) fn announce(head: &Parts, headers: &mut HeaderMap) -> Result<(), Failure> {
    let user = head.extensions.get::<Authenticated<User>>();
    let user = user.ok_or(Failure::MissingAuthLayer)?;
    let name =
        HeaderValue::from_str(&encoded(&user.name)).map_err(|_| Failure::MissingAuthLayer)?;
    headers.insert(USER, name);
    let via = match user.via {
        Via::Jwt => "jwt",
        Via::Session => "session",
        Via::Ticket => "ticket",
    };
    headers.insert(VIA, HeaderValue::from_static(via));
    for (name, value) in &user.claims {
        let name = HeaderName::try_from(name).map_err(|_| Failure::MissingAuthLayer)?;
        let value = HeaderValue::try_from(value).map_err(|_| Failure::MissingAuthLayer)?;
        headers.insert(name, value);
    }
    let until = head.extensions.get::<Validity>().and_then(Validity::end);
    if let Some(seconds) = until.and_then(unix_seconds) {
        headers.insert(EXPIRES, seconds.into());
    }
    Ok(())
}

/// Writes the name by which a client renews its connection, if it can.
pub(crate) fn name_connection(head: &Parts, headers: &mut HeaderMap) {
    let lease = head.extensions.get::<Lease>();
    let id = lease.and_then(Lease::connection_id).map(|id| id.encode());
    if let Some(Ok(id)) = id.map(HeaderValue::try_from) {
        headers.insert(CONNECTION, id);
    }
}

/// Percent-encodes characters that a header cannot hold or that could merge two names: blanks,
/// controls, non-ASCII characters, `%`, and `,`, which separates list elements.
pub(crate) fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && byte != b',' {
            text.push(char::from(byte));
        } else {
            // Writing to a `String` does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn unix_seconds(time: SystemTime) -> Option<u64> {
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_stay_what_they_are_where_a_header_can_hold_them() {
        for plain in ["ada", "auth0|5f7c", "ada@example.org", "a:b/c=d;e\"f"] {
            assert_eq!(encoded(plain), plain);
        }
    }

    #[test]
    fn no_two_names_become_one_and_none_ends_the_line() {
        for (name, text) in [
            ("ada\r\nX-Auth-User: root", "ada%0D%0AX-Auth-User:%20root"),
            ("ada, root", "ada%2C%20root"),
            ("100%", "100%25"),
            ("%41da", "%2541da"),
            ("Zoë", "Zo%C3%AB"),
        ] {
            assert_eq!(encoded(name), text);
            assert!(HeaderValue::from_str(text).is_ok());
        }
    }

    #[test]
    fn a_claim_is_text_a_number_or_a_list_and_ends_no_line() {
        for (claim, text) in [
            (json!("a@b.example"), Some("a@b.example")),
            (
                json!("a\r\nX-Auth-User: root"),
                Some("a%0D%0AX-Auth-User:%20root"),
            ),
            (json!(7), Some("7")),
            (json!(true), Some("true")),
            (json!(["admin", "a,b"]), Some("admin,a%2Cb")),
            (json!([]), Some("")),
            (json!(null), None),
            (json!({}), None),
            (json!([["admin"]]), None),
            (json!(["admin", {}]), None),
        ] {
            assert_eq!(written(&claim).as_deref(), text, "{claim}");
        }
        let pointer: ClaimHeader = "role=/roles/0".parse().unwrap();
        assert_eq!(pointer.of(&json!({ "roles": ["admin"] })), None);
        assert!(pointer.of(&json!({ "roles": { "0": "admin" } })).is_some());
    }

    #[test]
    fn a_record_holds_its_user_where_the_pointer_says() {
        let record = json!({"passport": {"user": 42}, "user": "ada", "cookie": {}});
        assert_eq!(in_record(&record, "/user").as_deref(), Some("ada"));
        assert_eq!(in_record(&record, "/passport/user").as_deref(), Some("42"));
        assert_eq!(in_record(&record, "/cookie"), None);
        assert_eq!(in_record(&record, "/nobody"), None);
    }
}
