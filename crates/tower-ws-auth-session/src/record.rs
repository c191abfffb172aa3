mod seen;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{Date, Month, OffsetDateTime};

use tower_ws_auth_core::RevocationKey;

pub(crate) use self::seen::Seen;
use crate::SessionError;

/// The field that express-session keeps for itself in a record.
const COOKIE: &str = "cookie";
const EXPIRES: &str = "expires";
const MAX_AGE: &str = "originalMaxAge";

/// The field that this crate keeps for itself: the time of login, the user's key at that time, and
/// the revocation keys of the ids that the session had before.
const OWN: &str = "wsauth";
const LOGIN: &str = "login";
const KEY: &str = "key";
const FORMER: &str = "former";

/// The name by which `serde_json` knows a [`RawValue`]. As the first name of an object it would
/// replace the object by the JSON in its text.
const RAW: &str = "$serde_json::private::RawValue";

/// A record in the layout of express-session: the application's fields, and beside them
/// `"cookie": {"originalMaxAge": …, "expires": …, …}` and
/// `"wsauth": {"login": …, "key": …, "former": […]}`.
///
/// Unknown fields belong to other programs and stay as they are.
#[derive(Clone)]
pub(crate) struct Record {
    /// Everything but `cookie` and `wsauth`, as it was written: a text of JavaScript may have half
    /// of a surrogate pair, which no text here can hold.
    fields: BTreeMap<String, Box<RawValue>>,
    cookie: Option<Map<String, Value>>,
    own: Option<Value>,
    expires: Option<SystemTime>,
}

/// The time of a login, and the user's revocation key with the revocation that was known then.
pub(crate) struct Login {
    pub(crate) at: SystemTime,
    pub(crate) key: Option<RevocationKey>,
}

/// The application's fields to be written or, as `None`, to be removed.
pub(crate) struct Changes(Vec<(String, Option<Box<RawValue>>)>);

impl Changes {
    /// The changes between two states of the application's fields.
    pub(crate) fn between(
        before: &Map<String, Value>,
        after: &Map<String, Value>,
    ) -> Result<Self, SessionError> {
        let removed = before.keys().filter(|name| !after.contains_key(*name));
        let mut changes: Vec<_> = removed.map(|name| (name.clone(), None)).collect();
        for (name, value) in after {
            if before.get(name) != Some(value) {
                changes.push((name.clone(), Some(raw(value)?)));
            }
        }
        Ok(Self(changes))
    }
}

impl Record {
    /// A new record. `cookie` has the attributes as Express would write them.
    pub(crate) fn new(cookie: Map<String, Value>) -> Self {
        Self {
            fields: BTreeMap::new(),
            cookie: Some(cookie),
            own: None,
            expires: None,
        }
    }

    /// `None` for an invalid record, or one with an unreadable end.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).ok()?;
        if fields.contains_key(RAW) {
            return None;
        }
        let cookie: Option<Map<String, Value>> = match fields.remove(COOKIE) {
            None => None,
            Some(cookie) => Some(serde_json::from_str(cookie.get()).ok()?),
        };
        let own = match fields.remove(OWN) {
            None => None,
            Some(own) => Some(serde_json::from_str(own.get()).ok()?),
        };
        let expires = expires(cookie.as_ref().and_then(|cookie| cookie.get(EXPIRES)))?;
        Some(Self {
            fields,
            cookie,
            own,
            expires,
        })
    }

    pub(crate) fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// The session's life from each touch on, if the record has it. JavaScript may write a fraction
    /// of a millisecond.
    pub(crate) fn max_age(&self) -> Option<Duration> {
        let millis = self.cookie.as_ref()?.get(MAX_AGE)?;
        let whole = millis.as_u64().map(Duration::from_millis);
        whole.or_else(|| Duration::try_from_secs_f64(millis.as_f64()? / 1000.0).ok())
    }

    /// Sets its end, `max_age` from now.
    pub(crate) fn expire_at(&mut self, end: SystemTime, max_age: Duration) {
        let stays = self.max_age() == Some(max_age);
        let cookie = self.cookie.get_or_insert_default();
        if !stays {
            let millis = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
            cookie.insert(MAX_AGE.into(), millis.into());
        }
        cookie.insert(EXPIRES.into(), write_date(end).into());
        self.expires = Some(end);
    }

    /// The login that this crate noted; `None` if there is none, or if another program replaced it.
    pub(crate) fn login(&self) -> Option<Login> {
        let own = self.own.as_ref()?;
        let at = read_date(own.get(LOGIN)?.as_str()?)?;
        let key = own.get(KEY).and_then(Value::as_str);
        let key = key.and_then(RevocationKey::decode);
        Some(Login { at, key })
    }

    /// Notes a login, or the absence of one.
    pub(crate) fn set_login(&mut self, login: Option<&Login>) {
        let at = login.map(|login| write_date(login.at).into());
        let key = login.and_then(|login| login.key.as_ref());
        let key = key.map(|key| key.encode().into());
        self.set_own([(LOGIN, at), (KEY, key)]);
    }

    /// The revocation keys of the ids that the session had before, the oldest first.
    pub(crate) fn former(&self) -> impl Iterator<Item = &str> {
        let former = self.own.as_ref().and_then(|own| own.get(FORMER));
        let former = former.and_then(Value::as_array);
        former.into_iter().flatten().filter_map(Value::as_str)
    }

    pub(crate) fn set_former(&mut self, keys: Vec<String>) {
        self.set_own([(FORMER, Some(keys.into()))]);
    }

    fn set_own<const N: usize>(&mut self, members: [(&str, Option<Value>); N]) {
        let mut own = match self.own.take() {
            Some(Value::Object(own)) => own,
            _ => Map::new(),
        };
        for (name, value) in members {
            match value {
                Some(value) => own.insert(name.into(), value),
                None => own.remove(name),
            };
        }
        self.own = (!own.is_empty()).then_some(Value::Object(own));
    }

    /// The moment in a field, as JavaScript writes it: a date as text, or milliseconds since the
    /// Unix epoch.
    pub(crate) fn moment(&self, field: &str) -> Option<SystemTime> {
        match serde_json::from_str(self.fields.get(field)?.get()).ok()? {
            Value::String(text) => read_date(&text),
            number => {
                let since = Duration::from_millis(number.as_u64()?);
                SystemTime::UNIX_EPOCH.checked_add(since)
            }
        }
    }

    /// The application's fields, as its type.
    pub(crate) fn get<R: DeserializeOwned>(&self) -> Option<R> {
        let fields = serde_json::to_string(&self.fields).ok()?;
        serde_json::from_str(&fields).ok()
    }

    /// Writes these fields and leaves the others as they are.
    pub(crate) fn apply(&mut self, Changes(changes): &Changes) {
        for (name, value) in changes {
            match value {
                Some(value) => self.fields.insert(name.clone(), value.clone()),
                None => self.fields.remove(name),
            };
        }
    }

    pub(crate) fn into_json(self) -> Result<String, SessionError> {
        let mut record = self.fields;
        if let Some(cookie) = self.cookie {
            record.insert(COOKIE.into(), raw(&cookie)?);
        }
        if let Some(own) = self.own {
            record.insert(OWN.into(), raw(&own)?);
        }
        serde_json::to_string(&record).map_err(|error| SessionError::Json(error.into()))
    }
}

fn raw<T: Serialize>(value: &T) -> Result<Box<RawValue>, SessionError> {
    to_raw_value(value).map_err(|error| SessionError::Json(error.into()))
}

/// Whether this name is reserved and not a field of the application.
pub(crate) fn is_reserved(name: &str) -> bool {
    [COOKIE, OWN].contains(&name)
}

/// The fields that a value serializes.
pub(crate) fn fields_of<R: Serialize>(value: &R) -> Result<Map<String, Value>, SessionError> {
    let written = serde_json::to_value(value);
    match written.map_err(|error| SessionError::Json(error.into()))? {
        Value::Object(fields) if !fields.keys().any(|name| is_reserved(name)) => Ok(fields),
        _ => Err(SessionError::NotARecord),
    }
}

/// The end that a record's cookie states. `None` if it cannot be read.
#[expect(clippy::option_option, reason = "an end that there is not is one too")]
fn expires(value: Option<&Value>) -> Option<Option<SystemTime>> {
    match value {
        // express-session writes `false` for `req.session.cookie.expires = false`: the session
        // ends with the browser.
        None | Some(Value::Null | Value::Bool(false)) => Some(None),
        Some(Value::String(text)) => Some(Some(read_date(text)?)),
        Some(_) => None,
    }
}

fn read_date(text: &str) -> Option<SystemTime> {
    if let Some(date) = date_as_written(text) {
        return Some(date);
    }
    // JavaScript writes a year beyond 9999 with a sign and six digits. Such a date becomes the end
    // of the year 9999.
    let late = text
        .strip_prefix('+')
        .and_then(|late| late.split_at_checked(6));
    let late = late.filter(|(year, _)| year.bytes().all(|byte| byte.is_ascii_digit()));
    let late = late.map(|(_, rest)| format!("9999{rest}"));
    let date = OffsetDateTime::parse(late.as_deref().unwrap_or(text), &Rfc3339);
    // RFC 1123, as `toUTCString` and stores in PHP and Python write it.
    let date = date.or_else(|_| OffsetDateTime::parse(text, &Rfc2822));
    date.ok().map(Into::into)
}

/// A date as [`write_date`] writes it, for a tenth of what a parser of every date takes.
fn date_as_written(text: &str) -> Option<SystemTime> {
    let text: &[u8; 24] = text.as_bytes().try_into().ok()?;
    let number = |at: Range<usize>| {
        text[at].iter().try_fold(0_u16, |number, byte| {
            let digit = byte.wrapping_sub(b'0');
            (digit < 10).then(|| number * 10 + u16::from(digit))
        })
    };
    let short = |at: Range<usize>| number(at).and_then(|number| u8::try_from(number).ok());
    let marks = [4, 7, 10, 13, 16, 19, 23].map(|at| text[at]);
    if marks != *b"--T::.Z" {
        return None;
    }
    let month = Month::try_from(short(5..7)?).ok()?;
    let date = Date::from_calendar_date(number(0..4)?.into(), month, short(8..10)?).ok()?;
    let (hour, minute, second) = (short(11..13)?, short(14..16)?, short(17..19)?);
    let date = date.with_hms_milli(hour, minute, second, number(20..23)?);
    Some(date.ok()?.assume_utc().into())
}

/// A date as JavaScript writes it in JSON: UTC, with milliseconds.
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
        let before = fields_of(&user).unwrap();
        change(&mut user);
        let changes = Changes::between(&before, &fields_of(&user).unwrap());
        record.apply(&changes.unwrap());
        serde_json::from_str(&record.into_json().unwrap()).unwrap()
    }

    #[test]
    fn unknown_fields_survive() {
        let json = r#"{"cookie":{"expires":null,"x":1},"user":"ada","csrf":{"a":[1]},"n":-1.5}"#;
        let same: Value = serde_json::from_str(json).unwrap();
        assert_eq!(saved(json, |_| ()), same);
        let mut other = same;
        other["user"] = "bob".into();
        assert_eq!(saved(json, |user| user.user = Some("bob".into())), other);
    }

    #[test]
    fn an_end_as_text_is_read_in_two_forms() {
        let end = |expires: &str| {
            let json = format!(r#"{{"cookie":{{"expires":"{expires}"}}}}"#);
            Record::parse(&json).map(|record| record.expires())
        };
        let moment = Some(Some(Clock::at(1_700_000_000)));
        assert_eq!(end("2023-11-14T22:13:20.000Z"), moment);
        assert_eq!(end("Tue, 14 Nov 2023 22:13:20 GMT"), moment);
        for bad in ["Tue, 14 Nov 2023", "14/11/2023", "soon", "1700000000"] {
            assert_eq!(end(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_date_as_it_is_written_is_the_parsers() {
        let two = "[0-9]{2}";
        let date = format!("{two}{two}-{two}-{two}[Tt]{two}:{two}:{two}[.:][0-9]{{3}}[Zz]");
        proptest::proptest!(|(text in date.as_str(), seconds in 0..253_402_300_799_u64)| {
            let parsed = OffsetDateTime::parse(&text, &Rfc3339).ok().map(SystemTime::from);
            if let Some(date) = date_as_written(&text) {
                assert_eq!(Some(date), parsed, "{text}");
            }
            let moment = Clock::at(seconds);
            assert_eq!(date_as_written(&write_date(moment)), Some(moment));
        });
        for bad in [
            "2026-02-29T00:00:00.000Z",
            "2026-11-20T24:00:00.000Z",
            "2026-11-20T21:09:47.405+",
        ] {
            assert_eq!(date_as_written(bad), None, "{bad}");
        }
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
    fn an_invalid_record_is_not_parsed() {
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
            r#"{"$serde_json::private::RawValue":"{\"user\":\"eve\"}"}"#,
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
            record.into_json().unwrap(),
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
    fn a_type_that_is_no_object_or_takes_a_reserved_place_is_refused() {
        let reserved = ["cookie", "wsauth"].map(|name| serde_json::json!({ name: {} }));
        for value in [serde_json::json!(1), serde_json::json!([])]
            .iter()
            .chain(&reserved)
        {
            assert!(matches!(fields_of(value), Err(SessionError::NotARecord)));
        }
    }

    #[test]
    fn the_login_is_written_and_read_again_and_is_no_field_of_the_applications() {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Strict {
            user: String,
        }
        let mut record = Record::parse(r#"{"user":"ada"}"#).unwrap();
        assert!(record.login().is_none());
        let at = Clock::at(1_795_208_987) + Duration::from_millis(405);
        let key = RevocationKey::from("user:ada").issued_after(Clock::at(7));
        let login = Login {
            at,
            key: Some(key.clone()),
        };
        record.set_login(Some(&login));
        let json = record.clone().into_json().unwrap();
        assert_eq!(
            json,
            r#"{"user":"ada","wsauth":{"key":"since 7000000:user:ada","login":"2026-11-20T21:09:47.405Z"}}"#
        );
        let read = Record::parse(&json).unwrap();
        assert_eq!(read.get::<Strict>().unwrap().user, "ada");
        let login = read.login().unwrap();
        assert_eq!((login.at, login.key), (at, Some(key)));
        record.set_login(None);
        assert_eq!(record.into_json().unwrap(), r#"{"user":"ada"}"#);
        for own in ["1", "null", "{}", r#"{"login":7}"#, r#"{"login":"x"}"#] {
            let json = format!(r#"{{"wsauth":{own}}}"#);
            let record = Record::parse(&json).unwrap();
            assert!(record.login().is_none(), "{own}");
            assert_eq!(record.into_json().unwrap(), json);
        }
    }

    #[test]
    fn the_former_ids_stay_when_a_login_is_noted_or_removed() {
        let mut record = Record::parse(r#"{"wsauth":1}"#).unwrap();
        record.set_former(vec!["session:a".into(), "session:b".into()]);
        let (at, key) = (Clock::at(1_795_208_987), None);
        record.set_login(Some(&Login { at, key }));
        assert_eq!(record.login().unwrap().at, at);
        record.set_login(None);
        let json = record.into_json().unwrap();
        assert_eq!(json, r#"{"wsauth":{"former":["session:a","session:b"]}}"#);
        let record = Record::parse(&json).unwrap();
        assert!(record.login().is_none());
        assert!(record.former().eq(["session:a", "session:b"]));
        let other = Record::parse(r#"{"wsauth":{"former":[1,"session:c",{}]}}"#).unwrap();
        assert!(other.former().eq(["session:c"]));
    }

    #[test]
    fn a_moment_is_a_date_or_milliseconds_as_javascript_has_them() {
        let moment = |value: &str| {
            let record = Record::parse(&format!(r#"{{"at":{value}}}"#)).unwrap();
            record.moment("at")
        };
        let at = Clock::at(1_795_208_987) + Duration::from_millis(405);
        assert_eq!(moment(r#""2026-11-20T21:09:47.405Z""#), Some(at));
        assert_eq!(moment("1795208987405"), Some(at));
        assert_eq!(moment("0"), Some(Clock::at(0)));
        for none in [
            "null",
            "true",
            "\"\"",
            "\"1795208987405\"",
            "-1",
            "1e300",
            "[]",
        ] {
            assert_eq!(moment(none), None, "{none}");
        }
        assert_eq!(Record::parse("{}").unwrap().moment("at"), None);
    }
}
