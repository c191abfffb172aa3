use std::fmt;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use tower_ws_auth_core::{Rejection, RevocationKey, Term, Validity};

use crate::Purpose;
use crate::purpose::Bindings;

/// What a ticket is to be: the payload, what for, and until when its grant holds.
#[derive(Clone)]
#[must_use]
pub struct TicketRequest<P> {
    pub(crate) payload: P,
    pub(crate) purpose: Purpose,
    pub(crate) subject: Option<String>,
    revocation_keys: Vec<RevocationKey>,
    until: Option<SystemTime>,
    inherited: Option<Validity>,
}

impl<P> TicketRequest<P> {
    /// A ticket with this payload, for this use.
    pub fn new(payload: P, purpose: Purpose) -> Self {
        Self {
            payload,
            purpose,
            subject: None,
            revocation_keys: Vec::new(),
            until: None,
            inherited: None,
        }
    }

    /// Whose ticket it is: the store bounds how many a subject has outstanding.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The moment from which the grant no longer holds. The earliest one counts, if it is said
    /// more than once; [`live_for`](crate::TicketsBuilder::live_for) says it too.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.until = self.until.into_iter().chain([end]).min();
        self
    }

    /// Adds a key under which the grant can be revoked, such as `user:42`.
    pub fn revocable_by(mut self, key: impl Into<RevocationKey>) -> Self {
        self.revocation_keys.push(key.into());
        self
    }

    /// Hands on how long the client's own grant is valid: the ticket's grant ends no later, counts
    /// as issued when that was decided, and is revoked by the same keys.
    ///
    /// A [`TicketEndpoint`](crate::Mint) does so by itself. An application that calls
    /// [`Tickets::issue`](crate::Tickets::issue) in a handler says it here. Without it the ticket
    /// counts as issued when it is.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use tower_ws_auth_core::{Clock, Validity};
    /// # use tower_ws_auth_ticket::{MemoryTickets, TicketRequest, Tickets, Purpose};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let tickets: Tickets<String> = Tickets::builder(Arc::new(MemoryTickets::new())).build()?;
    /// # let validity = Validity::since(Clock::at(1_700_000_000)).revocable_by("session:4f2a");
    /// let order = TicketRequest::new("ada".to_owned(), Purpose::channel("lobby")).inherit(&validity);
    /// let issued = tickets.issue(order).await?;
    ///
    /// let grant = tickets.take_for_channel(issued.ticket(), "lobby").await?;
    /// assert_eq!(grant.term().issued_at(), Some(Clock::at(1_700_000_000)));
    /// assert_eq!(grant.term().revocation_keys()[0].name(), "session:4f2a");
    /// # Ok(())
    /// # }
    /// ```
    pub fn inherit(mut self, validity: &Validity) -> Self {
        self.inherited = Some(match self.inherited {
            Some(inherited) => inherited.and(validity),
            None => validity.clone(),
        });
        self
    }

    /// Hands on what the request for the ticket is bound to. It came at this moment.
    pub(crate) fn complete(
        mut self,
        bindings: &Bindings,
        head: &Parts,
        came_at: SystemTime,
    ) -> Result<Self, Rejection> {
        self.purpose = bindings.complete(self.purpose, head)?;
        let came = Validity::since(came_at);
        Ok(match head.extensions.get::<Term>() {
            Some(term) => self.inherit(&came.inherit(&term.validity())),
            None => self.inherit(&came),
        })
    }

    /// How long the grant is valid of a ticket that is issued now.
    pub(crate) fn validity(&self, now: SystemTime, live_for: Option<Duration>) -> Validity {
        let ends = live_for.and_then(|life| now.checked_add(life));
        let ends = ends.into_iter().chain(self.until);
        let own = ends.fold(Validity::since(now), Validity::until);
        let own = (self.revocation_keys.iter().cloned()).fold(own, Validity::revocable_by);
        match &self.inherited {
            Some(inherited) => own.inherit(inherited),
            None => own,
        }
    }
}

impl<P> fmt::Debug for TicketRequest<P> {
    // The payload is the application's own business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketRequest")
            .field("purpose", &self.purpose)
            .field("subject", &self.subject)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
