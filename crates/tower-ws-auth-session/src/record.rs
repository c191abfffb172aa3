use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::SessionError;

/// What express-session keeps for itself in a record.
const COOKIE: &str = "cookie";
const EXPIRES: &str = "expires";
const MAX_AGE: &str = "originalMaxAge";

/// A record in the layout of express-session: the application's fields, and beside them
/// `"cookie": {"originalMaxAge": …, "expires": …, …}`.
///
/// Fields that we do not know belong to somebody else and stay as they are.
#[derive(Clone)]
pub(crate) struct Record {
    /// Everything but `cookie`.
    fields: Value,
    cookie: Option<Map<String, Value>>,
    expires: Option<SystemTime>,
}

impl Record {
    /// A new one. `cookie` says what Express would say about its attributes.
    pub(crate) fn new(cookie: Map<String, Value>) -> Self {
        Self {
            fields: Value::Object(Map::new()),
            cookie: Some(cookie),
            expires: None,
        }
    }

    /// `None` for what is no record, or one whose end cannot be read.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        let Value::Object(mut fields) = serde_json::from_str(json).ok()? else {
            return None;
        };
        let cookie = match fields.remove(COOKIE) {
            None => None,
            Some(Value::Object(cookie)) => Some(cookie),
            Some(_) => return None,
        };
        let expires = match cookie.as_ref().and_then(|cookie| cookie.get(EXPIRES)) {
            // express-session writes `false` for `req.session.cookie.expires = false`, its way to
            // say that the session ends with the browser.
            None | Some(Value::Null | Value::Bool(false)) => None,
            Some(Value::String(text)) => Some(read_date(text)?),
            Some(_) => return None,
        };
        Some(Self {
            fields: Value::Object(fields),
            cookie,
            expires,
        })
    }

    pub(crate) fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// How long the session lives from each touch on, if the record says so.
    pub(crate) fn max_age(&self) -> Option<Duration> {
        let millis = self.cookie.as_ref()?.get(MAX_AGE)?.as_u64()?;
        Some(Duration::from_millis(millis))
    }

    /// Gives it an end, `max_age` from now.
    pub(crate) fn expire_at(&mut self, end: SystemTime, max_age: Duration) {
        let cookie = self.cookie.get_or_insert_default();
        let millis = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
        cookie.insert(MAX_AGE.into(), millis.into());
        cookie.insert(EXPIRES.into(), write_date(end).into());
        self.expires = Some(end);
    }

    /// Takes over what another copy of the same record says about its end.
    pub(crate) fn end_like(&mut self, other: Self) {
        self.cookie = other.cookie;
        self.expires = other.expires;
    }

    /// The application's fields, as its type.
    pub(crate) fn get<R: DeserializeOwned>(&self) -> Option<R> {
        R::deserialize(&self.fields).ok()
    }

    /// Drops the fields that this value writes.
    ///
    /// Done with the value as it was read: a field that the application has cleared by the time
    /// it saves, and does not write any more, must not stay.
    pub(crate) fn forget<R: Serialize>(&mut self, value: &R) -> Result<(), SessionError> {
        let known = fields_of(value)?;
        if let Value::Object(fields) = &mut self.fields {
            fields.retain(|name, _| !known.contains_key(name));
        }
        Ok(())
    }

    /// Writes the record with this value's fields over its own.
    pub(crate) fn with<R: Serialize>(&self, value: &R) -> Result<String, SessionError> {
        let mut record = self.clone();
        if let Value::Object(fields) = &mut record.fields {
            fields.extend(fields_of(value)?);
        }
        Ok(record.into_json())
    }

    pub(crate) fn into_json(self) -> String {
        let mut record = self.fields;
        if let (Value::Object(fields), Some(cookie)) = (&mut record, self.cookie) {
            fields.insert(COOKIE.into(), Value::Object(cookie));
        }
        record.to_string()
    }
}

fn fields_of<R: Serialize>(value: &R) -> Result<Map<String, Value>, SessionError> {
    let written = serde_json::to_value(value);
    match written.map_err(|error| SessionError::Encode(error.into()))? {
        Value::Object(fields) if !fields.contains_key(COOKIE) => Ok(fields),
        _ => Err(SessionError::NotARecord),
    }
}

fn read_date(text: &str) -> Option<SystemTime> {
    // JavaScript writes a year beyond 9999 with a sign and six digits: the last of the others is
    // as good.
    let late = text
        .strip_prefix('+')
        .and_then(|late| late.split_at_checked(6));
    let late = late.filter(|(year, _)| year.bytes().all(|byte| byte.is_ascii_digit()));
    let late = late.map(|(_, rest)| format!("9999{rest}"));
    let date = OffsetDateTime::parse(late.as_deref().unwrap_or(text), &Rfc3339);
    date.ok().map(Into::into)
}

/// As JavaScript writes a date in JSON: UTC, with milliseconds.
fn write_date(moment: SystemTime) -> String {
    let moment = OffsetDateTime::from(moment);
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second, milli) = moment.to_hms_milli();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod records_as_express_session_writes_them {
    use super::*;
    use serde::Deserialize;
    use tower_ws_auth_core::Clock;

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct User {
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    }

    fn saved(json: &str, change: impl Fn(&mut User)) -> Value {
        let mut record = Record::parse(json).unwrap();
        let mut user: User = record.get().unwrap();
        record.forget(&user).unwrap();
        change(&mut user);
        serde_json::from_str(&record.with(&user).unwrap()).unwrap()
    }

    #[test]
    fn fields_of_somebody_else_survive() {
        let json = r#"{"cookie":{"expires":null,"x":1},"user":"ada","csrf":{"a":[1]},"n":-1.5}"#;
        let same: Value = serde_json::from_str(json).unwrap();
        assert_eq!(saved(json, |_| ()), same);
        let mut other = same;
        other["user"] = "bob".into();
        assert_eq!(saved(json, |user| user.user = Some("bob".into())), other);
    }

    #[test]
    fn one_that_ends_with_the_browser_has_no_end_here() {
        for json in [
            r#"{"cookie":{"originalMaxAge":null,"expires":null},"user":"ada"}"#,
            r#"{"cookie":{"originalMaxAge":false,"expires":false},"user":"ada"}"#,
            r#"{"cookie":{},"user":"ada"}"#,
        ] {
            let record = Record::parse(json).unwrap();
            assert_eq!((record.expires(), record.max_age()), (None, None));
            let same: Value = serde_json::from_str(json).unwrap();
            assert_eq!(saved(json, |_| ()), same);
        }
    }

    #[test]
    fn a_field_that_the_application_clears_is_gone() {
        let json = r#"{"cookie":{},"user":"ada","other":1}"#;
        let left = serde_json::json!({"cookie": {}, "other": 1});
        assert_eq!(saved(json, |user| user.user = None), left);
    }

    #[test]
    fn what_is_no_record_is_none() {
        for json in [
            "",
            "null",
            "[]",
            "\"a\"",
            "1",
            "{",
            "{}x",
            r#"{"cookie":1}"#,
            r#"{"cookie":null}"#,
            r#"{"cookie":{"expires":1}}"#,
            r#"{"cookie":{"expires":true}}"#,
            r#"{"cookie":{"expires":"+27576-09-13T00:00:00.000Z"}}"#,
            r#"{"cookie":{"expires":"+2757600-09-13T00:00:00.000Z"}}"#,
            r#"{"cookie":{"expires":"-000001-09-13T00:00:00.000Z"}}"#,
            r#"{"cookie":{"expires":""}}"#,
            r#"{"cookie":{"expires":"tomorrow"}}"#,
            r#"{"cookie":{"expires":"2026-13-20T21:09:47.405Z"}}"#,
            &"[".repeat(100_000),
            &"{\"a\":".repeat(100_000),
        ] {
            assert!(Record::parse(json).is_none(), "{json:.40}");
        }
    }

    #[test]
    fn the_end_is_read_and_written_as_javascript_does() {
        let json = r#"{"cookie":{"originalMaxAge":3600000,"expires":"2026-11-20T21:09:47.405Z"}}"#;
        let mut record = Record::parse(json).unwrap();
        let end = Clock::at(1_795_208_987) + Duration::from_millis(405);
        assert_eq!(record.expires(), Some(end));
        assert_eq!(record.max_age(), Some(Duration::from_secs(3600)));
        record.expire_at(end, Duration::from_secs(3600));
        assert_eq!(
            record.into_json(),
            json.replace(
                "\"originalMaxAge\":3600000,\"expires\":\"2026-11-20T21:09:47.405Z\"",
                "\"expires\":\"2026-11-20T21:09:47.405Z\",\"originalMaxAge\":3600000"
            )
        );
        assert!(Record::parse("{}").unwrap().expires().is_none());
        let late = r#"{"cookie":{"expires":"+275760-09-13T00:00:00.000Z"}}"#;
        let late = Record::parse(late).unwrap().expires().unwrap();
        assert_eq!(write_date(late), "9999-09-13T00:00:00.000Z");
        assert_eq!(write_date(Clock::at(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(write_date(Clock::at(u64::MAX)), "9999-12-31T23:59:59.000Z");
    }

    #[test]
    fn a_type_that_is_no_object_or_takes_the_place_of_the_cookie_is_refused() {
        let record = Record::parse("{}").unwrap();
        assert!(matches!(record.with(&1), Err(SessionError::NotARecord)));
        let cookie = serde_json::json!({"cookie": {}});
        assert!(matches!(
            record.with(&cookie),
            Err(SessionError::NotARecord)
        ));
    }
}
