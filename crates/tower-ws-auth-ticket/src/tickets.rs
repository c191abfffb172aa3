use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_ws_auth_core::credential::Carriers;
use tower_ws_auth_core::{Clock, Grant, Rejection};

use crate::endpoint::{MintRequest, TicketEndpoint};
use crate::entry;
use crate::error::IssueError;
use crate::purpose::Bindings;
use crate::secret::Secret;
use crate::strategy::{TakeFuture, Ticket};
use crate::ticket_request::TicketRequest;
use crate::timeout::Within;
use crate::{TicketKey, TicketStore, TicketsBuilder};

/// Issues and takes tickets of one kind. Clones share everything.
///
/// `P` is the payload: the user and the permissions of the ticket. A handler receives it as the
/// identity. See the [crate's documentation](crate).
pub struct Tickets<P> {
    settings: Arc<Settings>,
    payload: PhantomData<fn() -> P>,
}

pub(crate) struct Settings {
    pub(crate) store: Arc<dyn TicketStore>,
    pub(crate) bindings: Bindings,
    pub(crate) carriers: Carriers,
    pub(crate) ttl: Duration,
    pub(crate) live_for: Option<Duration>,
    pub(crate) timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) clock: Clock,
}

impl<P> Tickets<P> {
    /// Starts with a ttl of 30 seconds, without any binding but the kind of purpose.
    ///
    /// An `Arc` of a store is a store too.
    pub fn builder(store: impl TicketStore + 'static) -> TicketsBuilder<P> {
        TicketsBuilder::new(Arc::new(store))
    }

    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            payload: PhantomData,
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl<P> Tickets<P>
where
    P: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Issues one ticket.
    ///
    /// # Errors
    ///
    /// The store is at a bound or fails, or the request does not fit these tickets. No ticket
    /// becomes known then.
    pub async fn issue(&self, ticket_request: TicketRequest<P>) -> Result<Issued, IssueError> {
        let settings = self.settings();
        let now = settings.clock.now();
        let validity = ticket_request.validity(now, settings.live_for);
        let ttl = match validity.end().map(|end| end.duration_since(now)) {
            None => settings.ttl,
            Some(Ok(left)) if !left.is_zero() => left.min(settings.ttl),
            Some(_) => return Err(IssueError::Over),
        };
        let entry = entry::write(&ticket_request.payload, &validity)?;
        let secret = Secret::generate().map_err(|error| IssueError::Random(error.into()))?;
        let key = settings
            .bindings
            .key_to_mint(&secret, &ticket_request.purpose)?;
        let subject = ticket_request.subject.as_deref();
        let answer = settings.store.issue(key, entry, subject, ttl);
        Within::new(settings.timeout, answer)
            .await
            .ok_or(IssueError::TimedOut)??;
        let latest = Clock::at(u64::MAX);
        let expires_at = now.checked_add(ttl).map_or(latest, |end| end.min(latest));
        Ok(Issued {
            ticket: secret.to_text(),
            expires_at,
        })
    }

    /// Takes a ticket for the join of a channel, on an open socket.
    ///
    /// # Errors
    ///
    /// [`TicketInvalid`](tower_ws_auth_core::RejectionKind::TicketInvalid) unless it was minted for
    /// this channel and is neither used nor expired;
    /// [`Unavailable`](tower_ws_auth_core::RejectionKind::Unavailable) if the store fails.
    pub async fn take_for_channel(
        &self,
        ticket: &str,
        channel: &str,
    ) -> Result<Grant<P>, Rejection> {
        let bindings = &self.settings().bindings;
        let key = Secret::parse(ticket)
            .map(|secret| bindings.key_for_channel(&secret, channel))
            .ok_or_else(not_a_ticket);
        TakeFuture::new(self.settings(), key).await
    }

    pub(crate) fn take_to_open(&self, ticket: &str, head: &Parts) -> TakeFuture<P> {
        TakeFuture::new(self.settings(), self.key_to_open(ticket, head))
    }

    /// Peeks at a ticket. `None` if the store does not support it, or if the ticket is refused
    /// without the store.
    pub(crate) fn peek_to_open(&self, ticket: &str, head: &Parts) -> Option<TakeFuture<P>> {
        let key = self.key_to_open(ticket, head).ok()?;
        TakeFuture::peek(self.settings(), key)
    }

    fn key_to_open(&self, ticket: &str, head: &Parts) -> Result<TicketKey, Rejection> {
        let secret = Secret::parse(ticket).ok_or_else(not_a_ticket)?;
        self.settings().bindings.key_to_open(&secret, head)
    }

    /// The strategy that admits clients by these tickets.
    pub fn strategy(&self) -> Ticket<P> {
        Ticket::new(self.clone())
    }

    /// The ticket endpoint of these tickets, to be mounted behind another strategy.
    ///
    /// `decide` answers the client's [`MintRequest`]. It finds the
    /// [`Authenticated`](tower_ws_auth_core::Authenticated) identity in the head's extensions, and
    /// returns the ticket to issue or a [`Rejection`].
    pub fn endpoint<F>(&self, decide: F) -> TicketEndpoint<P, F>
    where
        F: Fn(&Parts, MintRequest) -> Result<TicketRequest<P>, Rejection>,
    {
        TicketEndpoint::new(self.clone(), decide)
    }
}

fn not_a_ticket() -> Rejection {
    entry::invalid("not 32 bytes in base64url")
}

impl<P> Clone for Tickets<P> {
    fn clone(&self) -> Self {
        Self {
            settings: Arc::clone(&self.settings),
            payload: PhantomData,
        }
    }
}

impl<P> fmt::Debug for Tickets<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets")
            .field("bindings", &self.settings.bindings)
            .field("ttl", &self.settings.ttl)
            .field("live_for", &self.settings.live_for)
            .finish_non_exhaustive()
    }
}

/// An issued ticket. Its `Debug` does not print it.
#[derive(Clone)]
pub struct Issued {
    ticket: String,
    expires_at: SystemTime,
}

impl Issued {
    /// The ticket: 43 characters of base64url.
    pub fn ticket(&self) -> &str {
        &self.ticket
    }

    /// The moment from which it can no longer be used, at most the end of the year 9999.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
