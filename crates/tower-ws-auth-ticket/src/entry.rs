use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tower_ws_auth_core::{Grant, Rejection, RejectionKind, RevocationKey, Validity};

use crate::error::IssueError;

/// The longest entry in a store, in bytes.
pub const MAX_ENTRY: usize = 4 * 1024;

/// The stored entry: the payload and its validity, as JSON with short names.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "P: Deserialize<'de>"))]
struct Written<P> {
    #[serde(rename = "p")]
    payload: P,
    /// Milliseconds since the Unix epoch.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    /// The time of issue, in microseconds since the Unix epoch. Without it the age is unknown.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    issued_at: Option<u64>,
    /// Each in the form of [`RevocationKey::encode`].
    #[serde(rename = "k", default, skip_serializing_if = "Vec::is_empty")]
    revocation_keys: Vec<String>,
}

pub(crate) fn write<P: Serialize>(payload: &P, validity: &Validity) -> Result<Vec<u8>, IssueError> {
    let keys = validity.revocation_keys().iter();
    let written = Written {
        payload,
        until: validity.end().map(to_millis),
        issued_at: validity.issued_at().map(to_micros),
        revocation_keys: keys.map(RevocationKey::encode).collect(),
    };
    let entry = serde_json::to_vec(&written).map_err(|error| IssueError::Json(error.into()))?;
    if entry.len() > MAX_ENTRY {
        return Err(IssueError::TooLarge);
    }
    Ok(entry)
}

/// Turns a taken entry into the grant, unless the grant has ended.
pub(crate) fn read<P: DeserializeOwned>(
    entry: &[u8],
    now: SystemTime,
) -> Result<Grant<P>, Rejection> {
    // The error would quote the payload.
    let written: Written<P> = serde_json::from_slice(entry)
        .map_err(|_| invalid("the stored entry does not fit the payload's type"))?;
    let since = written.issued_at.map(Duration::from_micros);
    let mut grant = Grant::new(written.payload).refused_as(RejectionKind::TicketInvalid);
    if let Some(issued_at) = since.and_then(|it| SystemTime::UNIX_EPOCH.checked_add(it)) {
        grant = grant.issued_at(issued_at);
    }
    if let Some(until) = written.until {
        let until = from_millis(until);
        if until <= now {
            return Err(invalid("what the ticket grants is over"));
        }
        grant = grant.until(until);
    }
    for key in written.revocation_keys {
        let key = RevocationKey::decode(&key)
            .ok_or_else(|| invalid("a revocation key of the stored entry cannot be read"))?;
        grant = grant.revocable_by(key);
    }
    Ok(grant)
}

pub(crate) fn invalid(detail: &'static str) -> Rejection {
    Rejection::new(RejectionKind::TicketInvalid, detail)
}

fn to_millis(moment: SystemTime) -> u64 {
    to_micros(moment) / 1000
}

fn to_micros(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

fn from_millis(millis: u64) -> SystemTime {
    // A moment that this platform cannot represent counts as past.
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
