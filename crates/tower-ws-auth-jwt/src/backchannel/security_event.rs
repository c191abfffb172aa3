//! Security Event Tokens of the Shared Signals Framework (RFC 8417, RFC 9493).

use std::time::SystemTime;

use serde_json::{Map, Value};
use tower_ws_auth_core::Rejection;

use crate::backchannel::logout_token::{Freshness, LogoutToken, check_age, text, typ};
use crate::invalid;

/// Continuous Access Evaluation Profile 1.0 §3.1.
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// Reads the claims of a token whose signature, issuer and audience have been checked. `None` is
/// another event, such as the verification of a new stream, which ends nothing.
pub(super) fn read(
    token: &str,
    claims: Value,
    now: SystemTime,
    freshness: Freshness,
) -> Result<Option<LogoutToken>, Rejection> {
    let Value::Object(claims) = claims else {
        return Err(invalid("the claims are not a JSON object"));
    };
    // No ID token and no logout token is one of these (RFC 8417 §2.3).
    if typ(token)?.as_deref() != Some("secevent+jwt") {
        return Err(invalid("`typ` is not that of a security event"));
    }
    let events = claims.get("events").and_then(Value::as_object);
    let events = events.filter(|events| !events.is_empty());
    let events = events.ok_or_else(|| invalid("`events` names no event"))?;
    check_age(&claims, now, freshness)?;
    let missing = |detail| move || invalid(detail);
    let id = text(&claims, "jti")?.ok_or_else(missing("`jti` is missing"))?;
    let issuer = text(&claims, "iss")?.ok_or_else(missing("`iss` is missing"))?;
    let event = match events.get(SESSION_REVOKED) {
        None => return Ok(None),
        Some(event) => event.as_object(),
    };
    let event = event.ok_or_else(|| invalid("the event is not a JSON object"))?;
    // Older drafts put it into the event.
    let subject = claims.get("sub_id").or_else(|| event.get("subject"));
    let subject = subject.and_then(Value::as_object);
    let subject = subject.ok_or_else(|| invalid("`sub_id` is missing"))?;
    let mut logout = LogoutToken {
        issuer,
        subject: None,
        session: None,
        email: None,
        id,
    };
    if subject
        .get("format")
        .is_some_and(|format| format == "complex")
    {
        if let Some(user) = member(subject, "user")? {
            logout.identify(user)?;
        }
        if let Some(session) = member(subject, "session")? {
            logout.session = Some(identifier(session, &logout.issuer)?);
        }
    } else {
        logout.identify(subject)?;
    }
    if logout.subject.is_none() && logout.session.is_none() && logout.email.is_none() {
        return Err(invalid("`sub_id` names neither a user nor a session"));
    }
    Ok(Some(logout))
}

impl LogoutToken {
    fn identify(&mut self, user: &Map<String, Value>) -> Result<(), Rejection> {
        if user.get("format").is_some_and(|format| format == "email") {
            self.email = text(user, "email")?;
        } else {
            self.subject = Some(identifier(user, &self.issuer)?);
        }
        Ok(())
    }
}

fn member<'s>(
    subject: &'s Map<String, Value>,
    name: &str,
) -> Result<Option<&'s Map<String, Value>>, Rejection> {
    match subject.get(name) {
        None => Ok(None),
        Some(Value::Object(member)) => Ok(Some(member)),
        Some(_) => Err(invalid("a member of `sub_id` is not a JSON object")),
    }
}

/// RFC 9493 §3.2.3, §3.2.4.
fn identifier(subject: &Map<String, Value>, issuer: &str) -> Result<String, Rejection> {
    let found = match subject.get("format").and_then(Value::as_str) {
        Some("opaque") => text(subject, "id")?,
        Some("iss_sub") => {
            // A provider ends only sessions of its own users.
            if subject.get("iss").and_then(Value::as_str) != Some(issuer) {
                return Err(invalid("`sub_id` names another issuer than `iss`"));
            }
            text(subject, "sub")?
        }
        _ => return Err(invalid("`sub_id` has a format that is not supported")),
    };
    found.ok_or_else(|| invalid("`sub_id` lacks a member of its format"))
}
