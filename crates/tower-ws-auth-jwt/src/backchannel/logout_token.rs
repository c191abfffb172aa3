use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::invalid;

/// A verified logout token (`OpenID` Connect Back-Channel Logout 1.0 §2.4): who has logged out.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogoutToken {
    /// The provider (`iss`).
    pub issuer: String,
    /// The user at the provider (`sub`). One of this and the session is always there.
    pub subject: Option<String>,
    /// The session at the provider (`sid`). Without one all sessions of the user have ended.
    pub session: Option<String>,
    /// The user's e-mail address, by which some providers name a user in a
    /// [security event](crate::BackchannelLogoutBuilder::security_events).
    pub email: Option<String>,
    pub(super) id: String,
}

/// How old a token may be, and by how much the provider's clock may be ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freshness {
    pub(super) max_age: Duration,
    pub(super) leeway: Duration,
}

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The longest `jti`, `sid` and `sub`, in bytes.
const LONGEST: usize = 255;

impl LogoutToken {
    /// Reads the claims of a token whose signature, issuer, audience and end have been checked
    /// (§2.6, from its step 4 on).
    pub(super) fn read(
        token: &str,
        claims: Value,
        now: SystemTime,
        freshness: Freshness,
    ) -> Result<Self, Rejection> {
        let Value::Object(claims) = claims else {
            return Err(invalid("the claims are not a JSON object"));
        };
        check_typ(token)?;
        check_event(&claims)?;
        // An ID token may have one, and a logout token never has (§2.4).
        if claims.contains_key("nonce") {
            return Err(invalid("a logout token has no `nonce`"));
        }
        check_age(&claims, now, freshness)?;
        let subject = text(&claims, "sub")?;
        let session = text(&claims, "sid")?;
        if subject.is_none() && session.is_none() {
            return Err(invalid("a logout token has a `sub` or a `sid`"));
        }
        let missing = |detail| move || invalid(detail);
        Ok(Self {
            issuer: text(&claims, "iss")?.ok_or_else(missing("`iss` is missing"))?,
            subject,
            session,
            email: None,
            id: text(&claims, "jti")?.ok_or_else(missing("`jti` is missing"))?,
        })
    }
}

/// A token that says to be of another kind is not taken for one of this. Some providers write no
/// type, or that of any JWT.
fn check_typ(token: &str) -> Result<(), Rejection> {
    match typ(token)?.as_deref() {
        None | Some("logout+jwt" | "jwt") => Ok(()),
        Some(_) => Err(invalid("`typ` is not that of a logout token")),
    }
}

/// What the header says in `typ`, in small letters and without `application/`.
pub(super) fn typ(token: &str) -> Result<Option<String>, Rejection> {
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).ok();
    let header: Option<Value> = header.and_then(|header| serde_json::from_slice(&header).ok());
    let header = header.ok_or_else(|| invalid("the header is not a JSON object"))?;
    match header.get("typ") {
        None => Ok(None),
        Some(Value::String(typ)) => {
            let typ = typ.to_ascii_lowercase();
            let typ = typ.strip_prefix("application/").unwrap_or(&typ);
            Ok(Some(typ.to_owned()))
        }
        Some(_) => Err(invalid("`typ` is not text")),
    }
}

fn check_event(claims: &Map<String, Value>) -> Result<(), Rejection> {
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    match event {
        Some(Value::Object(_)) => Ok(()),
        _ => Err(invalid("`events` does not name a back-channel logout")),
    }
}

pub(super) fn check_age(
    claims: &Map<String, Value>,
    now: SystemTime,
    freshness: Freshness,
) -> Result<(), Rejection> {
    let issued = claims.get("iat").and_then(Value::as_f64);
    let issued = issued.and_then(|issued| Duration::try_from_secs_f64(issued.max(0.0)).ok());
    let issued = issued.ok_or_else(|| invalid("`iat` is missing"))?;
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    if issued > now.saturating_add(freshness.leeway) {
        return Err(invalid("`iat` lies in the future"));
    }
    if now.saturating_sub(issued) > freshness.max_age.saturating_add(freshness.leeway) {
        let kind = RejectionKind::TokenExpired;
        return Err(Rejection::new(kind, "`iat` is older than `max_age`"));
    }
    Ok(())
}

/// A text that is not empty, or nothing.
pub(super) fn text(claims: &Map<String, Value>, name: &str) -> Result<Option<String>, Rejection> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if (1..=LONGEST).contains(&text.len()) => Ok(Some(text.clone())),
        Some(_) => Err(invalid("a claim is not a text of 1 to 255 bytes")),
    }
}

/// Without the user and the session: providers may use an e-mail address.
impl fmt::Debug for LogoutToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutToken")
            .field("issuer", &self.issuer)
            .field("has_subject", &self.subject.is_some())
            .field("has_session", &self.session.is_some())
            .field("has_email", &self.email.is_some())
            .finish_non_exhaustive()
    }
}
