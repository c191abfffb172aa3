use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_ws_auth_core::{Clock, RevocationKey, Revocations};

use crate::attributes::Attributes;
use crate::record::is_reserved;
use crate::rules::UserKey;
use crate::shared::Shared;
use crate::{ConfigError, SameSite, Secrets, SessionStore, Sessions};

/// Configures [`Sessions`]. Finish with [`build`](Self::build).
#[must_use]
pub struct SessionsBuilder<R> {
    shared: Shared,
    user: Option<Arc<UserKey<R>>>,
}

impl<R> SessionsBuilder<R> {
    pub(crate) fn new(secrets: Secrets, store: Arc<dyn SessionStore>) -> Self {
        let shared = Shared {
            secrets: secrets.into(),
            store,
            attributes: Attributes::default(),
            ttl: Duration::from_secs(24 * 60 * 60),
            timeout: Duration::from_secs(2),
            max_record: 64 * 1024,
            clock: Clock::system(),
            refuse_duplicates: false,
            expiry_by_store: false,
            revocations: None,
            login_field: None,
        };
        Self { shared, user: None }
    }

    /// The cookie's name; `connect.sid` by default, as Express's.
    ///
    /// A name that begins with `__Host-` is the best one: no other host can set such a cookie.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.shared.attributes.name = name.into();
        self
    }

    /// The path below which browsers send the cookie; `/` by default.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.shared.attributes.path = path.into();
        self
    }

    /// Has browsers send the cookie to this domain and all its subdomains, instead of to the
    /// one host that set it.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.shared.attributes.domain = Some(domain.into());
        self
    }

    /// Which requests of other sites carry the cookie; [`SameSite::Lax`] by default.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.shared.attributes.same_site = same_site;
        self
    }

    /// How long a session lives, from its creation or its last touch on: the browser keeps the
    /// cookie that long, and the record says when it ends.
    ///
    /// Without it the browser keeps the cookie until it is closed, and the session lives for
    /// [`ttl`](Self::ttl).
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.shared.attributes.max_age = Some(max_age);
        self
    }

    /// How long the store keeps a session whose record says nothing; 24 hours by default, as in
    /// connect-redis.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.shared.ttl = ttl;
        self
    }

    /// Sets the cookie without `Secure`, for development on plain HTTP. Whoever listens on the
    /// way can be that user.
    pub fn dangerous_without_secure(mut self) -> Self {
        self.shared.attributes.secure = false;
        self
    }

    /// Sets the cookie without `HttpOnly`. Any script that gets into a page can take it along.
    pub fn dangerous_readable_by_scripts(mut self) -> Self {
        self.shared.attributes.http_only = false;
        self
    }

    /// Refuses two cookies of the name, instead of reading the first as Express does.
    ///
    /// A page on a subdomain, or on plain HTTP, can set a second cookie that browsers send first
    /// and so make the user act in the attacker's session (cookie tossing). It is no default
    /// because that same page could then lock the user out, and because of applications that
    /// set the cookie on two paths. The name `__Host-…` leaves neither attack.
    pub fn refuse_duplicates(mut self) -> Self {
        self.shared.refuse_duplicates = true;
        self
    }

    /// Leaves expiry to the store, and does not look at `cookie.expires` in the record.
    ///
    /// connect-redis prolongs a session that is only looked at in Redis alone: what the record
    /// says is then too early. For Express applications with a `maxAge` that share their
    /// sessions with this one.
    pub fn expiry_by_store(mut self) -> Self {
        self.shared.expiry_by_store = true;
        self
    }

    /// How long the store may take for each answer; 2 seconds by default. Beyond it a request is
    /// refused with 503.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.shared.timeout = timeout;
        self
    }

    /// The largest record, in bytes of JSON; 64 KiB by default. A larger one is not written, and
    /// not looked at if somebody else has.
    pub fn max_record(mut self, bytes: usize) -> Self {
        self.shared.max_record = bytes;
        self
    }

    /// Ends what a session has opened when it ends, on every node, and refuses the sessions of a
    /// user whose [key](Self::revocable_by) is revoked.
    ///
    /// [`destroy`](Sessions::destroy) is then a whole logout, and a strategy needs no
    /// [`revocable`](tower_ws_auth_core::AuthenticateExt::revocable) around it.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.shared.revocations = Some(revocations);
        self
    }

    /// Says under which key everything of a record's user can be revoked, such as `user:42`;
    /// `None` for a record that is not logged in.
    ///
    /// A revocation of that key, or [`end_all_of`](Sessions::end_all_of), then refuses the
    /// sessions that were logged in before, and nothing that is logged in after it. The record
    /// says when a login was: in its field `wsauth`, which is written when a session is created
    /// and when its user changes.
    ///
    /// A session that does not say when its login was counts as older than every revocation. That
    /// is so for the sessions of an Express application: see [`login_field`](Self::login_field).
    pub fn revocable_by<K>(mut self, key: impl Fn(&R) -> Option<K> + Send + Sync + 'static) -> Self
    where
        K: Into<RevocationKey>,
    {
        self.user = Some(Arc::new(move |record| key(record).map(Into::into)));
        self
    }

    /// The field in which another application notes when a login was, such as `loggedInAt` for an
    /// Express application that does `req.session.loggedInAt = Date.now()`. It is a field of the
    /// record itself, and holds milliseconds since the Unix epoch or a `Date`.
    ///
    /// It is read and never written here. Of two times the later one counts. One that lies in the
    /// future by more than the allowed skew of clocks is none.
    pub fn login_field(mut self, name: impl Into<String>) -> Self {
        self.shared.login_field = Some(name.into());
        self
    }

    /// The clock that says what has expired, and when a login was; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.shared.clock = clock;
        self
    }

    /// Checks that browsers will accept the cookie, and that revocations are kept long enough.
    ///
    /// # Errors
    ///
    /// - A name, path or domain that cannot stand in `Set-Cookie`, a `__Host-` or `__Secure-` name
    ///   or `SameSite=None` without what belongs to it, or a time or size of zero.
    /// - Revocations that are forgotten while a session lives that was not touched.
    /// - A [`login_field`](Self::login_field) without a name, or one that has another meaning.
    pub fn build(self) -> Result<Sessions<R>, ConfigError> {
        let shared = self.shared;
        shared.attributes.check()?;
        for (name, zero) in [
            ("ttl", shared.ttl.is_zero()),
            ("timeout", shared.timeout.is_zero()),
            ("max_record", shared.max_record == 0),
        ] {
            if zero {
                return Err(ConfigError::Zero(name));
            }
        }
        let field = shared.login_field.as_ref();
        if let Some(field) = field.filter(|field| field.is_empty() || is_reserved(field)) {
            return Err(ConfigError::LoginField(field.clone()));
        }
        let life = shared
            .ttl
            .max(shared.attributes.max_age.unwrap_or_default());
        let retention = shared.revocations.as_ref().and_then(Revocations::retention);
        if let Some(retention) = retention.filter(|retention| *retention < life) {
            return Err(ConfigError::ForgetfulRevocations { retention, life });
        }
        Ok(Sessions::new(shared, self.user))
    }
}

impl<R> fmt::Debug for SessionsBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionsBuilder")
            .field(&self.shared)
            .finish()
    }
}
