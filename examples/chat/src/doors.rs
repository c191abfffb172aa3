//! Authorizes joins of channels.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};
use tower_ws_auth::ChannelAuthLayer;
use tower_ws_auth::channel::{Join, JoinOutcome, Patterns, TicketPolicy};

use crate::credentials::Credentials;
use crate::protocol::MAX_PRIVATE_NAME;

/// Asked at each join of a channel.
#[derive(Clone)]
pub(crate) struct Doors(BoxCloneSyncService<Join<String, ()>, JoinOutcome<()>, Infallible>);

impl Doors {
    /// `lobby` and `room-*` for everybody, `private-<user>` for that user, `ticket-*` for each
    /// holder of a ticket.
    pub(crate) fn new(credentials: &Credentials) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let ticket = TicketPolicy::new(credentials.tickets.clone())
            .revocable(credentials.revocations.clone());
        let patterns = Patterns::builder()
            .placeholder("user", |user: &String| user.as_str().into())
            .allow("lobby")
            .allow("room-*")
            .allow("private-{user}")
            .rule("ticket-*", ticket)
            .build()?;
        // The connection itself enters the channel, because it holds the place in the hub.
        let admitted = tower::service_fn(async |_: Join<String, ()>| Ok::<_, Infallible>(()));
        let service = ChannelAuthLayer::new(patterns)
            .longest_channel(MAX_PRIVATE_NAME)
            .layer(admitted);
        Ok(Self(BoxCloneSyncService::new(service)))
    }

    /// # Errors
    ///
    /// The public reason of the denial.
    pub(crate) async fn open(
        &self,
        user: &str,
        channel: &str,
        auth: Option<String>,
    ) -> Result<(), &'static str> {
        let join = Join::new(user.to_owned(), channel, ()).with_credential(auth);
        match self.0.clone().oneshot(join).await {
            Ok(JoinOutcome::Admitted(())) => Ok(()),
            Ok(JoinOutcome::Denied(denial)) => Err(denial.reason()),
            Err(never) => match never {},
        }
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Doors")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use tower_ws_auth::Clock;

    #[tokio::test]
    async fn the_lobby_and_rooms_are_for_everybody_and_a_private_channel_for_its_user() {
        let options = crate::Options::try_parse_from(["chat"]).unwrap();
        let credentials = Credentials::new(&options, &Clock::system()).await.unwrap();
        let doors = Doors::new(&credentials).unwrap();
        for open in ["lobby", "room-1", "room-x-y", "private-ada"] {
            assert_eq!(doors.open("ada", open, None).await, Ok(()), "{open}");
        }
        let missing = doors.open("ada", "ticket-1", None).await;
        assert_eq!(missing, Err("credentials_missing"));
        let closed = [
            "",
            "Lobby",
            "room-",
            "room",
            "private-eve",
            "private-",
            "ticket-",
            "x",
        ];
        for closed in closed {
            let denied = doors.open("ada", closed, None).await;
            assert_eq!(denied, Err("forbidden"), "{closed}");
        }
        assert_eq!(doors.open("", "private-", None).await, Err("forbidden"));
    }
}
