//! A connection from its handshake until a handler has it.

use std::sync::Arc;

use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use http::{Method, Request, Response, StatusCode, response};
use hyper::upgrade::OnUpgrade;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tower_service::Service;
use tower_ws_auth_core::Rejection;
use tower_ws_auth_core::credential::MessageCredential;

use crate::close::by_status;
use crate::first_message::client::{Client, End};
use crate::first_message::config::Config;
use crate::first_message::detach::Waiting;
use crate::first_message::places::Place;
use crate::first_message::refusal::{Refusing, Said};
use crate::frame::{Close, CloseCode};
use crate::protocol::ClientProtocol;
use crate::upgrade::{AtHand, Io};

/// One of them.
pub(super) struct Early<S, B> {
    pub(super) service: S,
    pub(super) head: Waiting,
    /// Whether the connection is a stream of another one.
    pub(super) is_shared: bool,
    pub(super) body: B,
    pub(super) subprotocol: Option<String>,
    pub(super) protocol: ClientProtocol,
    pub(super) until: Instant,
    pub(super) place: Place,
    pub(super) running: Option<OwnedSemaphorePermit>,
    pub(super) config: Arc<Config>,
}

/// Who has the connection now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opens {
    Handler,
    /// A layer further in that tells a refused client why.
    Refusal,
}

impl<S, B, ResBody> Early<S, B>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
{
    /// Ends when the handler has the connection, or it is over.
    pub(super) async fn run(mut self, upgrade: OnUpgrade) {
        let Ok(Ok(upgraded)) = timeout_at(self.until, upgrade).await else {
            return;
        };
        let _running = self.running.take();
        let config = Arc::clone(&self.config);
        let protocol = self.protocol.clone();
        let shared = self.is_shared;
        let mut client = Client::new(Io::new(upgraded), config.bytes);
        let first = client.first(&config, self.until, &self.place).await;
        let mut replay = Vec::new();
        let decided = match first {
            Ok(first) => {
                replay = first.replay;
                // In a box: a client that waits has no room for what comes later.
                Box::pin(self.decide(&mut client, first.credential)).await
            }
            Err(end) => {
                drop(self);
                end.trace();
                Err(end)
            }
        };
        match decided {
            Ok((at_hand, opens)) => {
                if opens == Opens::Handler {
                    if let Some(accepted) = &config.format.accepted
                        && !client.say_text(accepted, config.limits.deadline).await
                    {
                        return;
                    }
                    if !config.format.replayed {
                        replay.clear();
                    }
                }
                at_hand.open(client.into_io(replay));
            }
            Err(End::Gone) => {}
            Err(End::Said(said)) => {
                let refusing = Refusing {
                    config: &config,
                    protocol: &protocol,
                    shared,
                };
                Box::pin(refusing.say(client.into_io(replay), said)).await;
            }
        }
    }

    /// Asks the service, which is promised the connection.
    async fn decide(
        self,
        client: &mut Client,
        credential: Option<String>,
    ) -> Result<(AtHand, Opens), End> {
        let Self {
            service,
            head,
            body,
            subprotocol,
            place,
            config,
            ..
        } = self;
        // The next client finds room.
        drop(place);
        let mut head = head.into_head();
        if let Some(credential) = credential {
            head.extensions.insert(MessageCredential::new(credential));
        }
        let is_connect = head.method == Method::CONNECT;
        let at_hand = AtHand::promise(&mut head).ok_or_else(End::internal)?;
        let request = Request::from_parts(head, body);
        let answer = client.ask(service, request, &config).await?;
        let opens = judge(&answer, is_connect, subprotocol.as_deref())?;
        Ok((at_hand, opens))
    }
}

/// What becomes of the connection after this response.
fn judge(
    answer: &response::Parts,
    is_connect: bool,
    subprotocol: Option<&str>,
) -> Result<Opens, End> {
    let status = answer.status;
    let rejection = answer.extensions.get::<Rejection>();
    let upgrades = if is_connect {
        status.is_success()
    } else {
        status == StatusCode::SWITCHING_PROTOCOLS
    };
    if upgrades {
        let selected = answer.headers.get(SEC_WEBSOCKET_PROTOCOL);
        // The client has read another answer.
        let differs = selected
            .is_some_and(|selected| Some(selected.as_bytes()) != subprotocol.map(str::as_bytes))
            || answer.headers.contains_key(SEC_WEBSOCKET_EXTENSIONS);
        return match rejection {
            Some(_) => Ok(Opens::Refusal),
            None if differs => Err(End::internal()),
            None => Ok(Opens::Handler),
        };
    }
    let (nothing, ()) = Request::new(()).into_parts();
    let rejection = match rejection {
        Some(rejection) => {
            // It holds the promise of the connection.
            drop(rejection.take_head());
            Some(rejection.clone())
        }
        None => by_status(answer, &nothing),
    };
    Err(match rejection {
        Some(rejection) => End::Said(Said::rejected(rejection, status)),
        None if status.is_server_error() => End::internal(),
        None => {
            let reason = status.canonical_reason().unwrap_or_default();
            End::Said(Said::Close(Close::new(
                CloseCode::from_status(status),
                reason,
            )))
        }
    })
}
