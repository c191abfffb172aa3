use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_ws_auth_core::{Rejection, Revocations};
use tower_ws_auth_ticket::Tickets;

use crate::policy::missing;
use crate::{Decision, Evidence, Join, Policy};

/// Admits a join that presents a ticket minted for exactly this channel, and takes the ticket.
///
/// - For another channel the ticket is unknown, and stays valid for its own. It opens no socket and
///   is no credential for the ticket endpoint.
/// - It is taken last: after the layer's own checks, after the pattern of its rule, and in an
///   [`And`](crate::And) after the policy before it. Put [`Patterns`](crate::Patterns) with such a
///   rule last in an `And`: the compiler does not check that.
/// - Any user can present it: a ticket is a bearer credential. Its grant is in the [`Evidence`] as
///   a `Grant<P>`, with its end. An inner service can compare it with the identity.
/// - A join whose future is dropped may or may not have taken the ticket, as with any lost answer.
///   A refusal after that never advises the client to come back with the same ticket.
///
/// A client that is already in the channel needs no second ticket, and only the application knows
/// that. It answers such a join itself, before it calls the service. If the message has that fact,
/// a policy can check it: `And::new(|join: &Join<_, Message>| !join.message().is_in,
/// TicketPolicy::new(tickets))` denies the join and does not spend the ticket.
///
/// ```
/// use std::sync::Arc;
/// use tower::{Layer, Service, ServiceExt};
/// use tower_ws_auth_channel::{JoinOutcome, ChannelAuthLayer, Join, TicketPolicy};
/// use tower_ws_auth_core::Grant;
/// use tower_ws_auth_ticket::{MemoryTickets, TicketRequest, Tickets, Purpose};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tickets: Tickets<String> = Tickets::builder(Arc::new(MemoryTickets::new())).build()?;
/// let layer = ChannelAuthLayer::new(TicketPolicy::new(tickets.clone()));
/// let mut service = layer.layer(tower::service_fn(async |join: Join<&'static str, ()>| {
///     let grant: &Grant<String> = join.pass().get().unwrap();
///     Ok::<_, std::io::Error>(grant.identity().clone())
/// }));
///
/// let order = TicketRequest::new("ada".to_owned(), Purpose::channel("lobby"));
/// let ticket = tickets.issue(order).await?.ticket().to_owned();
/// let join = |channel| Join::new("ada", channel, ()).with_credential(Some(ticket.clone()));
///
/// let elsewhere = service.ready().await?.call(join("staff")).await?;
/// assert_eq!(elsewhere.denial().unwrap().reason(), "ticket_invalid");
///
/// let joined = service.ready().await?.call(join("lobby")).await?;
/// assert!(matches!(joined, JoinOutcome::Admitted(owner) if owner == "ada"));
///
/// let again = service.ready().await?.call(join("lobby")).await?;
/// assert_eq!(again.denial().unwrap().reason(), "ticket_invalid");
/// # Ok(())
/// # }
/// ```
pub struct TicketPolicy<P> {
    tickets: Tickets<P>,
    revocations: Option<Revocations>,
}

impl<P> TicketPolicy<P> {
    /// Takes tickets of this kind.
    pub fn new(tickets: Tickets<P>) -> Self {
        Self {
            tickets,
            revocations: None,
        }
    }

    /// Refuses a ticket that was issued before one of its keys was revoked, as a handshake does.
    /// The ticket is still taken.
    #[must_use]
    pub fn revocable(self, revocations: Revocations) -> Self {
        Self {
            revocations: Some(revocations),
            ..self
        }
    }
}

impl<P, I, M> Policy<I, M> for TicketPolicy<P>
where
    P: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    type Future = TicketFuture;

    const SINGLE_USE: bool = true;

    fn decide(&self, join: &Join<I, M>) -> TicketFuture {
        let tickets = self.tickets.clone();
        let revocations = self.revocations.clone();
        let channel = join.channel().to_owned();
        let ticket = join.credential().map(str::to_owned);
        // The store boxes its answer as well. It is asked only when this is polled.
        TicketFuture(Box::pin(async move {
            let ticket = ticket.ok_or_else(missing)?;
            let grant = tickets.take_for_channel(&ticket, &channel).await?;
            if let Some(revocations) = revocations {
                let checked = revocations.watch(grant.validity()).await;
                checked.map_err(Rejection::with_spent_credential)?;
            }
            Ok(Evidence::new().with(grant))
        }))
    }
}

/// The pending decision of a [`TicketPolicy`].
pub struct TicketFuture(Pin<Box<dyn Future<Output = Decision> + Send>>);

impl Future for TicketFuture {
    type Output = Decision;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        self.get_mut().0.as_mut().poll(cx)
    }
}

impl<P> Clone for TicketPolicy<P> {
    fn clone(&self) -> Self {
        Self {
            tickets: self.tickets.clone(),
            revocations: self.revocations.clone(),
        }
    }
}

impl<P> fmt::Debug for TicketPolicy<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TicketPolicy").field(&self.tickets).finish()
    }
}

impl fmt::Debug for TicketFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketFuture")
    }
}
