//! Credentials in the first message of a connection.

use std::net::IpAddr;
use std::time::Duration;

use http::Response;
use http::request::Parts;
use tower_ws_auth::credential::Carriers;
use tower_ws_auth::{ClientProtocol, FirstMessageLayer, MessageFormat};

use crate::body::Body;
use crate::failure::Failure;
use crate::options::{Options, Protocol, Strategy};
use crate::tasks::{Peer, Tasks};
use crate::{forwarded, tokens};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// `None` without `--first-message`.
pub(crate) fn layer(options: &Options, tasks: &Tasks) -> Result<Option<FirstMessageLayer>, Error> {
    let message = &options.message;
    let Some(format) = &message.first_message else {
        return Ok(None);
    };
    let mut format = MessageFormat::from(format);
    if options.http.keep_credential {
        format = format.replayed();
    }
    let tasks = tasks.clone();
    let in_handshake = in_handshake(options)?;
    let layer = FirstMessageLayer::new(format)
        .when(move |head| !in_handshake.iter().any(|carriers| carriers.may_hold(head)))
        .address(address)
        .subprotocols(message.first_message_subprotocol.iter().cloned())
        .timeout(message.first_message_timeout)
        .max_waiting_by_address(message.first_message_per_address.into())
        // The upstream's own time limit is over then.
        .answer_timeout(options.connect_timeout + Duration::from_secs(5))
        .reject_delay(Duration::from_millis(options.hold_ms))
        .spawn_with(move |connection| tasks.spawn(connection));
    Ok(Some(match options.client_protocol {
        // The format knows better.
        Protocol::Http => layer,
        protocol => layer.client_protocol(ClientProtocol::from(protocol)),
    }))
}

fn address(head: &Parts) -> Option<IpAddr> {
    let peer = head.extensions.get::<Peer>()?;
    Some(forwarded::client(peer.address, &head.headers))
}

/// Where the strategy looks for a credential in a handshake.
fn in_handshake(options: &Options) -> Result<Vec<Carriers>, Error> {
    let mut carriers = Vec::new();
    if options.strategy == Strategy::Ticket {
        carriers.push(Carriers::builder().query("ticket").build()?);
    } else {
        carriers.push(tokens::carriers(&options.jwt)?);
    }
    if options.strategy == Strategy::Any {
        let cookie = Carriers::builder().cookie(options.session.session_cookie.clone());
        carriers.push(
            cookie
                .build()
                .map_err(|error| format!("--session-cookie: {error}"))?,
        );
    }
    Ok(carriers)
}

/// The client has its 101 already. So each failure is told by a close frame.
pub(crate) fn told(mut response: Response<Body>) -> Response<Body> {
    let failure = response.extensions().get::<Failure>();
    if let Some(rejection) = failure.and_then(|failure| failure.rejection()) {
        response.extensions_mut().insert(rejection);
    }
    response
}

/// The carriers of the name that a client gives its connection.
pub(crate) fn connection_id(key: &str) -> Result<Carriers, Error> {
    let carriers = Carriers::builder().query(key.to_owned()).build();
    Ok(carriers.map_err(|error| format!("--renew-query: {error}"))?)
}
