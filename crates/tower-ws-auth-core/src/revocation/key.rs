mod name;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use self::name::Name;
use super::Revocation;
use super::store::{from_micros, micros};

/// A name that can revoke a grant, with the rule by which a revocation refuses credentials.
///
/// - A *since* key, such as `user:ada`, outlives its revocations: the user may log in again. A
///   revocation refuses the credentials issued before it. Every text converts into a since key.
/// - A *final* key, such as that of one session, names a credential that is never issued again. A
///   revoked final key refuses always, whatever any clock says.
///
/// Clocks differ, so a time of issue alone is compared with a margin (see
/// [`RevocationsBuilder::allowed_skew`](super::RevocationsBuilder::allowed_skew)). A since key can
/// carry a better proof: the revocation that was [known](Self::issued_after) when the credential
/// was issued. [`Revocations::key`](super::Revocations::key) asks the store for it. A credential
/// issued right after a revocation is then accepted at once, and no clock matters.
///
/// A key is no secret: it may be logged.
///
/// ```
/// use tower_ws_auth_core::{Clock, Grant, RevocationKey};
///
/// let grant = Grant::new("ada")
///     .issued_at(Clock::at(1_700_000_000))
///     .revocable_by("user:ada")
///     .revocable_by(RevocationKey::from("session:4f2a").into_final());
/// let [user, session] = grant.validity().revocation_keys() else { unreachable!() };
/// assert!(!user.is_final());
/// assert!(session.is_final() && session.name() == "session:4f2a");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RevocationKey {
    name: Name,
    rule: Rule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Rule {
    /// Refuses credentials issued before, except those that know a revocation of this moment, in
    /// microseconds since the Unix epoch.
    Since(Option<u64>),
    /// Refuses always.
    Final,
}

impl RevocationKey {
    /// Makes the key final: once it is revoked, its credential is refused whatever any clock says.
    #[must_use]
    pub fn into_final(self) -> Self {
        let rule = Rule::Final;
        Self { rule, ..self }
    }

    /// States that the credential was issued after the revocation of this moment. That revocation
    /// and older ones do not refuse it.
    ///
    /// It has no effect on a final key.
    #[must_use]
    pub fn issued_after(mut self, revoked_at: SystemTime) -> Self {
        self.know(micros(revoked_at));
        self
    }

    /// The name alone, such as `user:ada`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name, shared.
    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// A since key whose name is what `write` makes of a secret, at the first reading. The secret is
    /// in no `Debug`, and not in the key of a registered connection.
    #[doc(hidden)]
    pub fn written_later(from: Arc<str>, write: fn(&str) -> String) -> Self {
        let name = Name::later(from, write);
        let rule = Rule::Since(None);
        Self { name, rule }
    }

    /// The same key, whose name is written.
    pub(super) fn written(&self) -> Self {
        let name = Name::Written(Arc::clone(&self.name));
        let rule = self.rule;
        Self { name, rule }
    }

    /// Whether no credential outlives a revocation of this key.
    pub fn is_final(&self) -> bool {
        matches!(self.rule, Rule::Final)
    }

    /// The moment of the latest revocation that was known when the credential was issued; `None` if
    /// none was.
    pub fn known_revocation(&self) -> Option<SystemTime> {
        self.known_micros().map(from_micros)
    }

    /// The key as one text, to be stored with a credential: in a session's record or in a token's
    /// claim. [`decode`](Self::decode) reads it.
    ///
    /// ```
    /// use tower_ws_auth_core::{Clock, RevocationKey};
    ///
    /// let key = RevocationKey::from("user:ada").issued_after(Clock::at(1_700_000_000));
    /// assert_eq!(RevocationKey::decode(&key.encode()), Some(key));
    /// assert_eq!(RevocationKey::decode("user:ada"), None);
    /// ```
    pub fn encode(&self) -> String {
        let name = &self.name;
        match self.rule {
            Rule::Since(None) => format!("since:{name}"),
            Rule::Since(Some(known)) => format!("since {known}:{name}"),
            Rule::Final => format!("final:{name}"),
        }
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` for every other text.
    pub fn decode(text: &str) -> Option<Self> {
        let (rule, name) = text.split_once(':')?;
        let rule = match rule.split_once(' ') {
            None if rule == "since" => Rule::Since(None),
            None if rule == "final" => Rule::Final,
            Some(("since", known)) if known.bytes().all(|byte| byte.is_ascii_digit()) => {
                Rule::Since(Some(known.parse().ok()?))
            }
            _ => return None,
        };
        let name = Name::Written(name.into());
        Some(Self { name, rule })
    }

    /// Whether this revocation refuses a credential with this time of issue.
    ///
    /// A credential with an unknown time of issue may be older.
    pub(super) fn is_refused_by(
        &self,
        revocation: &Revocation,
        issued_at: Option<SystemTime>,
        skew: Duration,
    ) -> bool {
        match self.rule {
            Rule::Final => true,
            Rule::Since(Some(known)) if known >= revocation.micros() => false,
            Rule::Since(_) => !issued_at.is_some_and(|issued| revocation.precedes(issued, skew)),
        }
    }

    /// The [known revocation](Self::known_revocation), in microseconds since the Unix epoch.
    pub(super) fn known_micros(&self) -> Option<u64> {
        match self.rule {
            Rule::Since(known) => known,
            Rule::Final => None,
        }
    }

    /// Adds a known revocation, in microseconds since the Unix epoch.
    pub(super) fn know(&mut self, revoked_at: u64) {
        if let Rule::Since(known) = &mut self.rule {
            *known = (*known).max(Some(revoked_at));
        }
    }
}

impl Deref for RevocationKey {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl From<Arc<str>> for RevocationKey {
    fn from(name: Arc<str>) -> Self {
        let name = Name::Written(name);
        let rule = Rule::Since(None);
        Self { name, rule }
    }
}

impl From<&str> for RevocationKey {
    fn from(name: &str) -> Self {
        Arc::<str>::from(name).into()
    }
}

impl From<String> for RevocationKey {
    fn from(name: String) -> Self {
        Arc::<str>::from(name).into()
    }
}

impl From<&String> for RevocationKey {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl From<Box<str>> for RevocationKey {
    fn from(name: Box<str>) -> Self {
        Arc::<str>::from(name).into()
    }
}

impl From<Cow<'_, str>> for RevocationKey {
    fn from(name: Cow<'_, str>) -> Self {
        Arc::<str>::from(name).into()
    }
}

impl fmt::Display for RevocationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// As the name, with the rule if it is not the default.
impl fmt::Debug for RevocationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Rule::Since(None) => fmt::Debug::fmt(&self.name, f),
            rule => write!(f, "{:?} ({rule:?})", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;
    use crate::revocation::DisconnectReason;

    const SKEW: Duration = Duration::from_secs(60);

    fn revoked(seconds: u64) -> Revocation {
        Revocation::new(Clock::at(seconds), DisconnectReason::Revoked)
    }

    #[test]
    fn a_final_key_is_refused_at_any_time_of_issue() {
        let key = RevocationKey::from("session:1").into_final();
        for issued_at in [None, Some(Clock::at(0)), Some(Clock::at(u64::MAX))] {
            assert!(key.is_refused_by(&revoked(1000), issued_at, Duration::ZERO));
        }
        // A final key knows no revocation, because it is never issued again.
        let key = key.issued_after(Clock::at(2000));
        assert_eq!(key.known_revocation(), None);
        assert!(key.is_refused_by(&revoked(1000), Some(Clock::at(3000)), Duration::ZERO));
    }

    #[test]
    fn a_since_key_is_refused_up_to_the_allowed_skew_after_the_revocation() {
        let key = RevocationKey::from("user:ada");
        let refused = |issued_at| key.is_refused_by(&revoked(1000), issued_at, SKEW);
        assert!(refused(None));
        assert!(refused(Some(Clock::at(1))));
        assert!(refused(Some(Clock::at(1060))));
        assert!(!refused(Some(Clock::at(1060) + Duration::from_micros(1))));
        let forever = Duration::MAX;
        assert!(key.is_refused_by(&revoked(1000), Some(Clock::at(u64::MAX)), forever));
    }

    #[test]
    fn a_revocation_that_cannot_be_read_refuses_every_credential_on_any_platform() {
        let unreadable = Revocation::at_micros(u64::MAX, DisconnectReason::Revoked);
        assert_eq!(unreadable.micros(), u64::MAX);
        let key = RevocationKey::from("user:ada");
        // Later than the moment itself, where a clock can show that.
        let latest = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1 << 60));
        for issued_at in [None, Some(Clock::at(u64::MAX)), latest] {
            assert!(key.is_refused_by(&unreadable, issued_at, Duration::ZERO));
        }
    }

    #[test]
    fn a_key_that_knows_a_revocation_is_refused_only_by_later_ones() {
        let key = RevocationKey::from("user:ada").issued_after(Clock::at(1000));
        assert_eq!(key.known_revocation(), Some(Clock::at(1000)));
        for issued_at in [None, Some(Clock::at(1))] {
            assert!(!key.is_refused_by(&revoked(1000), issued_at, SKEW));
            assert!(!key.is_refused_by(&revoked(999), issued_at, SKEW));
            assert!(key.is_refused_by(&revoked(1001), issued_at, SKEW));
        }
        let older = key.clone().issued_after(Clock::at(500));
        assert_eq!(older, key);
    }

    #[test]
    fn a_name_is_written_once_it_is_read_and_the_secret_is_not_shown() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let write = |secret: &str| {
            WRITTEN.fetch_add(1, Ordering::Relaxed);
            format!("session:{}", secret.len())
        };
        let key = RevocationKey::written_later("CANARY".into(), write).into_final();
        assert_eq!(WRITTEN.load(Ordering::Relaxed), 0);
        let same = RevocationKey::from("session:6").into_final();
        let other = key.clone();
        assert_eq!((&key, &other, key.name()), (&same, &same, "session:6"));
        assert_eq!(key.encode(), same.encode());
        assert_eq!(format!("{key:?} {key}"), format!("{same:?} {same}"));
        assert_eq!(WRITTEN.load(Ordering::Relaxed), 1);
        assert!(matches!(key.written().name, Name::Written(_)));
        assert_eq!(size_of::<Name>(), size_of::<Arc<str>>());
    }

    #[test]
    fn a_key_is_written_as_a_text_and_read_again() {
        let names = [
            "user:ada",
            "",
            ":",
            "final:x",
            "since 7:x",
            "a\nb",
            "\u{eb}",
        ];
        for key in names.map(RevocationKey::from) {
            let known = key.clone().issued_after(Clock::at(1_700_000_000));
            for key in [key.clone().into_final(), known, key] {
                assert_eq!(RevocationKey::decode(&key.encode()), Some(key));
            }
        }
        for text in [
            "",
            "user:ada",
            "final",
            "since",
            "final 7:x",
            "since :x",
            "since -1:x",
            "since +1:x",
            "since 99999999999999999999:x",
            "Since:x",
        ] {
            assert_eq!(RevocationKey::decode(text), None, "{text:?}");
        }
    }
}
