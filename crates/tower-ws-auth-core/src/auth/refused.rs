use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::request::Parts;

use crate::Validity;

/// The identity that a condition has refused: of [`authorize`](crate::AuthenticateExt::authorize),
/// or of [`and_then`](crate::AuthenticateExt::and_then), which keeps the one that it was given.
///
/// A layer that must act on such a refusal puts one into the head's extensions, before it calls an
/// [`AuthLayer`](crate::AuthLayer). Without one nothing is kept.
#[derive(Clone, Default)]
pub struct RefusedIdentity(Arc<Mutex<Refused>>);

#[derive(Default)]
struct Refused {
    identity: Option<Box<dyn Any + Send + Sync>>,
    validity: Option<Validity>,
}

impl RefusedIdentity {
    /// Starts without one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the refused identity, and the validity of its grant.
    pub fn take(&self) -> Option<(Box<dyn Any + Send + Sync>, Validity)> {
        let mut refused = self.lock();
        refused.identity.take().zip(refused.validity.take())
    }

    pub(crate) fn is_wanted(head: &Parts) -> bool {
        head.extensions.get::<Self>().is_some()
    }

    pub(crate) fn keep<I: Send + Sync + 'static>(head: &Parts, identity: I) {
        if let Some(slot) = head.extensions.get::<Self>() {
            slot.lock().identity = Some(Box::new(identity));
        }
    }

    /// Changes the kept identity as an accepted one would be.
    pub(crate) fn map<I, J>(head: &Parts, f: impl FnOnce(I) -> J)
    where
        I: 'static,
        J: Send + Sync + 'static,
    {
        let Some(slot) = head.extensions.get::<Self>() else {
            return;
        };
        // Unlocked before the application's function is called.
        let identity = slot.lock().identity.take();
        match identity.map(Box::<dyn Any + Send + Sync>::downcast) {
            Some(Ok(identity)) => Self::keep(head, f(*identity)),
            // Refused before it had this form.
            Some(Err(other)) => slot.lock().identity = Some(other),
            None => {}
        }
    }

    pub(crate) fn keep_validity(head: &Parts, validity: &Validity) {
        if let Some(slot) = head.extensions.get::<Self>() {
            slot.lock().validity = Some(validity.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RefusedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefusedIdentity")
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::{Authenticate, AuthenticateExt, Grant, Rejection};

    fn head(slot: Option<&RefusedIdentity>) -> Parts {
        let (mut head, ()) = Request::new(()).into_parts();
        if let Some(slot) = slot {
            head.extensions.insert(slot.clone());
        }
        head
    }

    #[test]
    fn a_refused_identity_is_kept_as_an_accepted_one_would_be_named() {
        let closure = |_: &mut Parts| async { Ok::<_, Rejection>(Grant::new(7_u8)) };
        let strategy = closure
            .authorize(|number, _| *number > 7)
            .map(|number| format!("user {number}"))
            .optional();
        let slot = RefusedIdentity::new();
        let head = head(Some(&slot));
        assert!(strategy.admit(Some(7), &head).is_err());
        RefusedIdentity::keep_validity(&head, Grant::new(()).validity());
        let (identity, _) = slot.take().unwrap();
        let identity = identity.downcast::<Option<String>>().unwrap();
        assert_eq!(identity.as_deref(), Some("user 7"));
        assert!(slot.take().is_none());
    }

    #[test]
    fn an_accepted_identity_is_not_kept_and_neither_is_one_that_nobody_asks_for() {
        let closure = |_: &mut Parts| async { Ok::<_, Rejection>(Grant::new(8_u8)) };
        let strategy = closure.authorize(|number, _| *number > 7);
        let slot = RefusedIdentity::new();
        assert_eq!(strategy.admit(8, &head(Some(&slot))).unwrap(), 8);
        assert!(strategy.admit(7, &head(None)).is_err());
        RefusedIdentity::keep_validity(&head(Some(&slot)), Grant::new(()).validity());
        assert!(slot.take().is_none());
    }
}
