use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tower_ws_auth_core::Clock;

use crate::attributes::Attributes;
use crate::shared::Shared;
use crate::{ConfigError, SameSite, Secrets, SessionStore, Sessions};

/// Configures [`Sessions`]. Finish with [`build`](Self::build).
#[must_use]
pub struct SessionsBuilder<R> {
    shared: Shared,
    record: PhantomData<fn() -> R>,
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
        };
        Self {
            shared,
            record: PhantomData,
        }
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

    /// The clock that says what has expired; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.shared.clock = clock;
        self
    }

    /// Checks that browsers will accept the cookie.
    ///
    /// # Errors
    ///
    /// A name, path or domain that cannot stand in `Set-Cookie`, a `__Host-` or `__Secure-` name
    /// or `SameSite=None` without what belongs to it, or a time or size of zero.
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
        Ok(Sessions::new(shared))
    }
}

impl<R> fmt::Debug for SessionsBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionsBuilder")
            .field(&self.shared)
            .finish()
    }
}
