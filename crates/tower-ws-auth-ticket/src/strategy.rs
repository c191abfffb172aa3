use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_ws_auth_core::credential::Credential;
use tower_ws_auth_core::{AuthLayer, Authenticate, Clock, Grant, Rejection, RejectionKind};

use crate::entry;
use crate::tickets::Settings;
use crate::timeout::Within;
use crate::{BoxFuture, StoreError, TicketKey, Tickets};

/// The layer that admits by ticket: `TicketLayer::new(tickets.strategy())`.
pub type TicketLayer<P> = AuthLayer<Ticket<P>>;

/// Admits a client that presents a ticket, once. Made by [`Tickets::strategy`].
pub struct Ticket<P> {
    tickets: Tickets<P>,
}

impl<P> Ticket<P> {
    pub(crate) fn new(tickets: Tickets<P>) -> Self {
        Self { tickets }
    }
}

impl<P> Authenticate for Ticket<P>
where
    P: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    type Credential = Credential;
    type Verified = P;
    type Identity = P;
    type Future = TakeFuture<P>;

    const SINGLE_USE: bool = true;

    fn name(&self) -> &'static str {
        "ticket"
    }

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.tickets.settings().carriers.take(head)
    }

    fn peek(
        &self,
        credential: &Credential,
        head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<P>, Rejection>>> {
        let peeking = self.tickets.peek_to_open(credential.as_str(), head)?;
        Some(Box::pin(peeking))
    }

    fn verify(&self, credential: Credential, head: &Parts) -> TakeFuture<P> {
        self.tickets.take_to_open(credential.as_str(), head)
    }

    fn admit(&self, payload: P, _head: &Parts) -> Result<P, Rejection> {
        Ok(payload)
    }
}

/// The pending decision about a ticket, which is being taken from the store or peeked at.
pub struct TakeFuture<P> {
    asked: Result<Asked, Option<Rejection>>,
    payload: PhantomData<fn() -> P>,
}

struct Asked {
    answer: Within<Answer>,
    clock: Clock,
    /// Whether this takes the ticket.
    takes: bool,
}

type Answer = Result<Option<Vec<u8>>, StoreError>;

impl<P> TakeFuture<P> {
    /// Takes the ticket, unless a check before has refused it.
    pub(crate) fn new(settings: &Settings, key: Result<TicketKey, Rejection>) -> Self {
        let asked = key.map_err(Some).map(|key| {
            let answer = settings.store.take(key);
            Asked::new(settings, answer, true)
        });
        Self {
            asked,
            payload: PhantomData,
        }
    }

    /// Peeks at the ticket, if the store supports it.
    pub(crate) fn peek(settings: &Settings, key: TicketKey) -> Option<Self> {
        let answer = settings.store.peek(key)?;
        Some(Self {
            asked: Ok(Asked::new(settings, answer, false)),
            payload: PhantomData,
        })
    }
}

impl Asked {
    fn new(settings: &Settings, answer: BoxFuture<Answer>, takes: bool) -> Self {
        Self {
            answer: Within::new(settings.timeout, answer),
            clock: settings.clock.clone(),
            takes,
        }
    }
}

impl<P: DeserializeOwned> Future for TakeFuture<P> {
    type Output = Result<Grant<P>, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let asked = match &mut self.get_mut().asked {
            Ok(asked) => asked,
            // Polled after completion.
            Err(refused) => {
                return refused
                    .take()
                    .map_or(Poll::Pending, |r| Poll::Ready(Err(r)));
            }
        };
        let takes = asked.takes;
        let unavailable = |detail| {
            let rejection = Rejection::new(RejectionKind::Unavailable, detail);
            if takes {
                // The ticket may be gone. The lookup is not repeated.
                rejection.with_spent_credential()
            } else {
                rejection
            }
        };
        Poll::Ready(match ready!(Pin::new(&mut asked.answer).poll(cx)) {
            Some(Ok(Some(entry))) => {
                let read = entry::read(&entry, asked.clock.now());
                read.map(|grant| if takes { grant.spent() } else { grant })
            }
            Some(Ok(None)) => Err(entry::invalid(
                "unknown, used, expired, or minted for another purpose",
            )),
            Some(Err(error)) => Err(unavailable("the ticket store failed").with_source(error)),
            None => Err(unavailable("the ticket store did not answer in time")),
        })
    }
}

impl<P> Clone for Ticket<P> {
    fn clone(&self) -> Self {
        Self::new(self.tickets.clone())
    }
}

impl<P> fmt::Debug for Ticket<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ticket").field(&self.tickets).finish()
    }
}

impl<P> fmt::Debug for TakeFuture<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TakeFuture")
    }
}
