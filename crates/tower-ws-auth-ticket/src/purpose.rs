use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::ORIGIN;
use http::request::Parts;
use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::TicketKey;
use crate::error::IssueError;
use crate::secret::Secret;

/// The purpose of a ticket.
///
/// It becomes part of the ticket's key in the store. A ticket presented elsewhere is therefore
/// unknown there, and it stays valid for its own purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Purpose {
    place: Place,
    origin: Option<String>,
    address: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Handshake,
    Path(String),
    Channel(String),
}

impl Purpose {
    /// One handshake, on any path that these tickets guard.
    pub fn handshake() -> Self {
        Self::at(Place::Handshake)
    }

    /// One handshake on this path, for tickets that are bound to paths
    /// ([`bind_path`](crate::TicketsBuilder::bind_path)). Compared byte for byte.
    pub fn path(path: impl Into<String>) -> Self {
        Self::at(Place::Path(path.into()))
    }

    /// One join of this channel, on an open socket. It never opens a socket.
    pub fn channel(channel: impl Into<String>) -> Self {
        Self::at(Place::Channel(channel.into()))
    }

    /// The only `Origin` that may use it, for tickets that are bound to origins
    /// ([`bind_origin`](crate::TicketsBuilder::bind_origin)). The ticket endpoint takes it from its
    /// own request.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// The only client address that may use it, for tickets that are bound to addresses
    /// ([`bind_address`](crate::TicketsBuilder::bind_address)). The ticket endpoint takes it from
    /// its own request.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            origin: None,
            address: None,
        }
    }
}

/// The binding of all tickets of one kind.
#[derive(Clone, Default)]
pub(crate) struct Bindings {
    pub(crate) audience: Cow<'static, str>,
    pub(crate) path: bool,
    pub(crate) origin: bool,
    pub(crate) address: Option<AddressOf>,
}

pub(crate) type AddressOf = Arc<dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync>;

impl Bindings {
    /// Adds the origin and the address of the mint request's client.
    pub(crate) fn complete(
        &self,
        mut purpose: Purpose,
        head: &Parts,
    ) -> Result<Purpose, Rejection> {
        if matches!(purpose.place, Place::Channel(_)) {
            return Ok(purpose);
        }
        if self.origin && purpose.origin.is_none() {
            purpose.origin = Some(origin_of(head)?.to_owned());
        }
        if purpose.address.is_none() {
            purpose.address = self.address_of(head)?;
        }
        Ok(purpose)
    }

    /// The key of a ticket that is being minted.
    pub(crate) fn key_to_mint(
        &self,
        secret: &Secret,
        purpose: &Purpose,
    ) -> Result<TicketKey, IssueError> {
        let origin = purpose.origin.as_deref();
        let path = match &purpose.place {
            Place::Channel(_) if origin.is_some() || purpose.address.is_some() => {
                return Err(IssueError::Binding(
                    "a channel ticket is bound to its channel only",
                ));
            }
            Place::Channel(channel) => return Ok(self.key_for_channel(secret, channel)),
            Place::Handshake => None,
            Place::Path(path) => Some(path.as_str()),
        };
        let named = [path.is_some(), origin.is_some(), purpose.address.is_some()];
        for ((bound, named), what) in self.bound().into_iter().zip(named).zip(WHAT) {
            match (bound, named) {
                (true, false) => return Err(IssueError::Binding(what.missing)),
                (false, true) => return Err(IssueError::Binding(what.ignored)),
                (true, true) | (false, false) => {}
            }
        }
        Ok(self.key(secret, path, origin, purpose.address))
    }

    /// The key of a ticket that is presented with this head.
    pub(crate) fn key_to_open(
        &self,
        secret: &Secret,
        head: &Parts,
    ) -> Result<TicketKey, Rejection> {
        let origin = self.origin.then(|| origin_of(head)).transpose()?;
        let path = self.path.then(|| head.uri.path());
        let address = self.address_of(head)?;
        Ok(self.key(secret, path, origin, address))
    }

    /// The key of a ticket for a join.
    pub(crate) fn key_for_channel(&self, secret: &Secret, channel: &str) -> TicketKey {
        let parts: [&[u8]; 3] = [
            self.audience.as_bytes(),
            secret.as_bytes(),
            channel.as_bytes(),
        ];
        TicketKey::digest("tower-ws-auth-ticket channel", &parts)
    }

    fn key(
        &self,
        secret: &Secret,
        path: Option<&str>,
        origin: Option<&str>,
        address: Option<IpAddr>,
    ) -> TicketKey {
        let address = address.map(|address| address.to_canonical().to_string());
        // An unbound part is empty. A bound part never is.
        let parts: [&[u8]; 5] = [
            self.audience.as_bytes(),
            secret.as_bytes(),
            path.unwrap_or_default().as_bytes(),
            origin.unwrap_or_default().as_bytes(),
            address.as_deref().unwrap_or_default().as_bytes(),
        ];
        TicketKey::digest("tower-ws-auth-ticket handshake", &parts)
    }

    fn bound(&self) -> [bool; 3] {
        [self.path, self.origin, self.address.is_some()]
    }

    fn address_of(&self, head: &Parts) -> Result<Option<IpAddr>, Rejection> {
        let Some(address_of) = &self.address else {
            return Ok(None);
        };
        address_of(head).map(Some).ok_or_else(|| {
            Rejection::new(
                RejectionKind::Unavailable,
                "tickets are bound to the client's address, and it is not known",
            )
        })
    }
}

/// The messages for a purpose that does not fit the tickets' binding.
struct Disagreement {
    missing: &'static str,
    ignored: &'static str,
}

const WHAT: [Disagreement; 3] = [
    Disagreement {
        missing: "these tickets are bound to a path: mint for `Purpose::path`",
        ignored: "these tickets are not bound to paths: build them with `bind_path`",
    },
    Disagreement {
        missing: "these tickets are bound to an origin: name it by `Purpose::origin`",
        ignored: "these tickets are not bound to origins: build them with `bind_origin`",
    },
    Disagreement {
        missing: "these tickets are bound to an address: name it by `Purpose::address`",
        ignored: "these tickets are not bound to addresses: build them with `bind_address`",
    },
];

fn origin_of(head: &Parts) -> Result<&str, Rejection> {
    let denied = |detail| Rejection::new(RejectionKind::OriginDenied, detail);
    let mut origins = head.headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) if !origin.is_empty() && origin != "null" => origin
            .to_str()
            .map_err(|_| denied("tickets are bound to an origin, and this is none")),
        _ => Err(denied(
            "tickets are bound to an origin, and the request does not have exactly one",
        )),
    }
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bindings")
            .field("audience", &self.audience)
            .field("path", &self.path)
            .field("origin", &self.origin)
            .field("address", &self.address.is_some())
            .finish()
    }
}
