//! Credentials in the first message of a connection.

use std::net::IpAddr;
use std::time::Duration;

use http::header::{COOKIE, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::{Request, Response};
use tower_ws_auth::credential::{Carriers, MessageCredential};
use tower_ws_auth::{ClientProtocol, FirstMessageLayer, MessageFormat};

use crate::body::Body;
use crate::failure::Failure;
use crate::headers::Kept;
use crate::options::{JwtOptions, Options, Protocol, Strategy};
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
    let in_handshake = InHandshake::new(options)?;
    let layer = FirstMessageLayer::new(format)
        .when(move |head| !in_handshake.may_hold(head))
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
struct InHandshake {
    carriers: Carriers,
    /// Their names: a page has other cookies too.
    cookies: Vec<String>,
}

impl InHandshake {
    fn new(options: &Options) -> Result<Self, Error> {
        if options.strategy == Strategy::Ticket {
            return Ok(Self {
                carriers: Carriers::builder().query("ticket").build()?,
                cookies: Vec::new(),
            });
        }
        let jwt = JwtOptions {
            jwt_cookie: None,
            ..options.jwt.clone()
        };
        let mut cookies: Vec<_> = options.jwt.jwt_cookie.iter().cloned().collect();
        if options.strategy == Strategy::Any {
            cookies.push(options.session.session_cookie.clone());
        }
        Ok(Self {
            carriers: tokens::carriers(&jwt)?,
            cookies,
        })
    }

    fn may_hold(&self, head: &Parts) -> bool {
        let lines = head.headers.get_all(COOKIE).iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let mut names = pairs.filter_map(|pair| pair.split(|byte| *byte == b'=').next());
        self.carriers.may_hold(head)
            || names.any(|name| {
                let name = name.trim_ascii();
                self.cookies.iter().any(|cookie| cookie.as_bytes() == name)
            })
    }
}

/// The layer has answered the client that it waited for, and removed what it did not select.
/// The upstream must not read that in what is kept either.
pub(crate) fn answered<B>(request: Request<B>) -> Request<B> {
    let (mut head, body) = request.into_parts();
    if head.extensions.get::<MessageCredential>().is_some()
        && let Some(kept) = head.extensions.get_mut::<Kept>()
    {
        for name in [SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL] {
            kept.headers.remove(&name);
            for offer in head.headers.get_all(&name) {
                kept.headers.append(&name, offer.clone());
            }
        }
    }
    Request::from_parts(head, body)
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
