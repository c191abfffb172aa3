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

    /// Sets the cookie's name; `connect.sid` by default, as in Express.
    ///
    /// A name that begins with `__Host-` is best: no other host can set such a cookie.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.shared.attributes.name = name.into();
        self
    }

    /// Sets the path of the cookie; `/` by default. Browsers send the cookie only below it.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.shared.attributes.path = path.into();
        self
    }

    /// Sets the cookie's domain: browsers then send it to this domain and all its subdomains. By
    /// default they send it only to the host that set it.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.shared.attributes.domain = Some(domain.into());
        self
    }

    /// Sets the cross-site requests that carry the cookie; [`SameSite::Lax`] by default.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.shared.attributes.same_site = same_site;
        self
    }

    /// Sets the life of a session, from its creation or its last touch. The browser keeps the
    /// cookie that long, and the record says when it ends.
    ///
    /// Without it the browser keeps the cookie until it is closed, and the session lives for
    /// [`ttl`](Self::ttl).
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.shared.attributes.max_age = Some(max_age);
        self
    }

    /// Sets the time for which the store keeps a session whose record has no end; 24 hours by
    /// default, as in connect-redis.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.shared.ttl = ttl;
        self
    }

    /// Sets the cookie without `Secure`, for development on plain HTTP. Anyone on the network path
    /// can take over the session.
    pub fn dangerous_without_secure(mut self) -> Self {
        self.shared.attributes.secure = false;
        self
    }

    /// Sets the cookie without `HttpOnly`. Any script in a page can then steal it.
    pub fn dangerous_readable_by_scripts(mut self) -> Self {
        self.shared.attributes.http_only = false;
        self
    }

    /// Refuses two cookies of the name, instead of reading the first as Express does.
    ///
    /// A page on a subdomain, or on plain HTTP, can set a second cookie that browsers send first.
    /// The user then acts in the attacker's session (cookie tossing). It is not the default,
    /// because such a page could then lock the user out, and because some applications set the
    /// cookie on two paths. The name `__Host-…` prevents both attacks.
    pub fn refuse_duplicates(mut self) -> Self {
        self.shared.refuse_duplicates = true;
        self
    }

    /// Leaves expiry to the store, and ignores `cookie.expires` in the record.
    ///
    /// For Express applications with a `maxAge` that share their sessions with this one. If a
    /// session is only read, connect-redis prolongs it in Redis alone. The record's end is then too
    /// early.
    pub fn expiry_by_store(mut self) -> Self {
        self.shared.expiry_by_store = true;
        self
    }

    /// Sets the time limit for each answer of the store; 2 seconds by default. After it a request
    /// is refused with 503.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.shared.timeout = timeout;
        self
    }

    /// Sets the largest record, in bytes of JSON; 64 KiB by default. A larger one is not written,
    /// and not read if another program wrote it.
    pub fn max_record(mut self, bytes: usize) -> Self {
        self.shared.max_record = bytes;
        self
    }

    /// When a session ends, ends its open connections on every node. A revocation of a user's
    /// [key](Self::revocable_by) then refuses that user's sessions.
    ///
    /// [`destroy`](Sessions::destroy) is then a complete logout. A strategy needs no
    /// [`revocable`](tower_ws_auth_core::AuthenticateExt::revocable) around it.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.shared.revocations = Some(revocations);
        self
    }

    /// Sets the key, such as `user:42`, that revokes everything of a record's user. Return `None`
    /// for a record that is not logged in.
    ///
    /// A revocation of that key, or [`end_all_of`](Sessions::end_all_of), then refuses the sessions
    /// that were logged in before, and no later ones. The record notes the time of login in its
    /// field `wsauth`, which is written when a session is created and when its user changes.
    ///
    /// A session without a time of login counts as older than every revocation. Sessions of an
    /// Express application have none, unless you name a [`login_field`](Self::login_field).
    pub fn revocable_by<K>(mut self, key: impl Fn(&R) -> Option<K> + Send + Sync + 'static) -> Self
    where
        K: Into<RevocationKey>,
    {
        self.user = Some(Arc::new(move |record| key(record).map(Into::into)));
        self
    }

    /// Names the field in which another application notes the time of login. An Express application
    /// may use `loggedInAt`, with `req.session.loggedInAt = Date.now()`. It is a field of the
    /// record itself, with milliseconds since the Unix epoch or a `Date`.
    ///
    /// This crate reads the field and never writes it. Of two times the later one counts. A time
    /// that lies in the future by more than the allowed skew of clocks is ignored.
    pub fn login_field(mut self, name: impl Into<String>) -> Self {
        self.shared.login_field = Some(name.into());
        self
    }

    /// Sets the clock for expiry and for the time of login; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.shared.clock = clock;
        self
    }

    /// Checks that browsers will accept the cookie, and that the store remembers revocations long
    /// enough.
    ///
    /// # Errors
    ///
    /// - A name, path or domain that is invalid in `Set-Cookie`, a `__Host-` or `__Secure-` name or
    ///   `SameSite=None` without the attributes that it requires, or a time or size of zero.
    /// - Revocations that are forgotten while an untouched session still lives.
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
