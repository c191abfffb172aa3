use std::fmt;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use tower_ws_auth_core::{Rejection, RevocationKey, Validity};

use crate::Purpose;
use crate::purpose::Bindings;

/// A ticket to be issued: its payload, its purpose, and the end of its grant.
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
    /// A ticket with this payload, for this purpose.
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

    /// Sets the ticket's subject. The store bounds the outstanding tickets of each subject.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the moment from which the grant is no longer valid. Of several moments, including that
    /// of [`live_for`](crate::TicketsBuilder::live_for), the earliest counts.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.until = self.until.into_iter().chain([end]).min();
        self
    }

    /// Adds a key that can revoke the grant, such as `user:42`.
    pub fn revocable_by(mut self, key: impl Into<RevocationKey>) -> Self {
        self.revocation_keys.push(key.into());
        self
    }

    /// Inherits the validity of the client's own grant. The ticket's grant ends no later, counts as
    /// issued when the decision about the client began, and is revoked by the same keys.
    ///
    /// A [`TicketEndpoint`](crate::TicketEndpoint) does so by itself. An application that calls
    /// [`Tickets::issue`](crate::Tickets::issue) in a handler must call this. Without it the ticket
    /// counts as issued at the moment of minting.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use tower_ws_auth_core::{Clock, Validity};
    /// # use tower_ws_auth_ticket::{MemoryTickets, TicketRequest, Tickets, Purpose};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let tickets: Tickets<String> = Tickets::builder(Arc::new(MemoryTickets::new())).build()?;
    /// # let validity = Validity::since(Clock::at(1_700_000_000)).revocable_by("session:4f2a");
    /// let ticket_request = TicketRequest::new("ada".to_owned(), Purpose::channel("lobby")).inherit(&validity);
    /// let issued = tickets.issue(ticket_request).await?;
    ///
    /// let grant = tickets.take_for_channel(issued.ticket(), "lobby").await?;
    /// assert_eq!(grant.validity().issued_at(), Some(Clock::at(1_700_000_000)));
    /// assert_eq!(grant.validity().revocation_keys()[0].name(), "session:4f2a");
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

    /// Adds the binding and the validity of the mint request, which came at this moment.
    pub(crate) fn complete(
        mut self,
        bindings: &Bindings,
        head: &Parts,
        came_at: SystemTime,
    ) -> Result<Self, Rejection> {
        self.purpose = bindings.complete(self.purpose, head)?;
        let came = Validity::since(came_at);
        Ok(match head.extensions.get::<Validity>() {
            Some(validity) => self.inherit(&came.inherit(validity)),
            None => self.inherit(&came),
        })
    }

    /// The validity of the grant of a ticket that is issued now.
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
    // The payload may hold the application's secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketRequest")
            .field("purpose", &self.purpose)
            .field("subject", &self.subject)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
