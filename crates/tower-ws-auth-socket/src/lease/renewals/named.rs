//! The open connections by the names that their clients use.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError, Weak};

use http::Extensions;
use http::request::Parts;
use tokio::sync::watch;
use tower_ws_auth_core::{Authenticated, Rejection, RejectionKind};

use crate::lease::layer::Config;
use crate::lease::renewals::ConnectionId;
use crate::lease::shared::Shared;
use crate::lease::sync::Mutex;
use crate::lease::trace;

/// Names the user of an identity.
pub(crate) type UserOf<I> = Arc<dyn Fn(&I) -> Arc<str> + Send + Sync>;

/// How a layer reads the user of a connection: the type of the identity is known to it alone.
#[derive(Clone)]
pub(crate) struct Users {
    read: Arc<ReadUser>,
    /// A [`UserOf`].
    of: Arc<dyn Any + Send + Sync>,
}

type ReadUser = dyn Fn(&Extensions) -> Option<User> + Send + Sync;

/// A user, with the identity as it is now.
pub(crate) struct User {
    name: Arc<str>,
    /// A `watch::Sender` of the identity.
    identity: Box<dyn Any + Send + Sync>,
}

/// The user of a connection, and its name.
pub(crate) struct Holder {
    pub(crate) name: Name,
    identity: Box<dyn Any + Send + Sync>,
}

impl Users {
    pub(crate) fn new<I: Clone + Send + Sync + 'static>(of: UserOf<I>) -> Self {
        let user_of = Arc::clone(&of);
        let read = move |extensions: &Extensions| {
            let identity = extensions.get::<Authenticated<I>>()?.clone().into_inner();
            Some(User {
                name: user_of(&identity),
                identity: Box::new(watch::Sender::new(identity)),
            })
        };
        Self {
            read: Arc::new(read),
            of: Arc::new(of),
        }
    }

    /// `None` for another type of identity.
    pub(crate) fn user_of<I: 'static>(&self) -> Option<UserOf<I>> {
        self.of.downcast_ref::<UserOf<I>>().cloned()
    }
}

impl Holder {
    pub(crate) fn identity<I: 'static>(&self) -> Option<&watch::Sender<I>> {
        self.identity.downcast_ref()
    }
}

impl Config {
    /// Who may renew the connection of this handshake, and by which name. It takes the client's own
    /// id out of the head.
    pub(crate) fn holder(&self, head: &mut Parts) -> Result<Option<Holder>, Rejection> {
        let own = match &self.connection_id {
            Some(carriers) => carriers.take(head)?,
            None => None,
        };
        let Some(users) = self.leases.users() else {
            return Ok(None);
        };
        let unavailable = |detail| Rejection::new(RejectionKind::Unavailable, detail);
        let User { name, identity } = (users.read)(&head.extensions).ok_or_else(|| {
            trace::no_grant();
            unavailable(
                "no AuthLayer with the identity of `renewable_by` stands outside of the LeaseLayer",
            )
        })?;
        let id = match own {
            Some(own) => ConnectionId::decode(own.as_str()).ok_or_else(|| {
                let malformed = "the connection id does not have 128 bits";
                Rejection::new(RejectionKind::CredentialsMalformed, malformed)
            })?,
            None => ConnectionId::random()
                .map_err(|error| unavailable("no randomness").with_source(error.to_string()))?,
        };
        let name = Name { user: name, id };
        // Nobody is the same user as somebody without a name.
        Ok((!name.user.is_empty()).then_some(Holder { name, identity }))
    }
}

/// A connection's name, within its user's.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) user: Arc<str>,
    pub(crate) id: ConnectionId,
}

/// The open connections by their names. Of two with the same name the newer one is found.
#[derive(Default)]
pub(crate) struct Named(Mutex<HashMap<Name, Weak<Shared>>>);

impl Named {
    pub(crate) fn add(&self, name: Name, lease: &Arc<Shared>) {
        self.with(|named| named.insert(name, Arc::downgrade(lease)));
    }

    pub(crate) fn find(&self, name: &Name) -> Option<Arc<Shared>> {
        self.with(|named| named.get(name).and_then(Weak::upgrade))
    }

    /// Forgets a connection, unless a newer one has its name.
    pub(crate) fn remove(&self, name: Name, lease: &Shared) {
        self.with(|named| {
            if let Entry::Occupied(found) = named.entry(name)
                && std::ptr::eq(found.get().as_ptr(), lease)
            {
                found.remove();
            }
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.with(|named| named.len())
    }

    /// Nothing under the lock panics.
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<Name, Weak<Shared>>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
