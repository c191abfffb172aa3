//! The client's side of a connection that no handler has.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response, StatusCode, response};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};
use tower_service::Service;
use tower_ws_auth_core::{Rejection, RejectionKind};

use crate::first_message::config::Config;
use crate::first_message::format::Read;
use crate::first_message::places::{Ended, Place};
use crate::first_message::reader::{Event, Fault, Reader};
use crate::first_message::refusal::Said;
use crate::first_message::trace;
use crate::frame::write_text;
use crate::upgrade::{Io, Words};

pub(super) struct Client {
    io: Io,
    reader: Reader,
}

/// The first message.
pub(super) struct First {
    pub(super) credential: Option<String>,
    /// As the handler is to read it.
    pub(super) replay: Vec<u8>,
}

/// What a connection ends with that no handler gets.
pub(super) enum End {
    /// There is nobody to tell.
    Gone,
    Said(Said),
}

impl End {
    pub(super) fn internal() -> Self {
        Self::Said(Said::internal())
    }

    fn rejected(kind: RejectionKind, detail: &'static str) -> Self {
        let rejection = Rejection::new(kind, detail);
        let status = rejection.status();
        Self::Said(Said::rejected(rejection, status))
    }

    /// The event of a refusal by this layer.
    pub(super) fn trace(&self) {
        match self {
            Self::Said(Said::Rejected { rejection, .. }) => trace::refused(rejection),
            Self::Said(Said::Fault(fault)) => {
                trace::refused(&Rejection::new(
                    RejectionKind::MessageMalformed,
                    fault.detail(),
                ));
            }
            _ => {}
        }
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Said(Said::Fault(fault))
    }
}

impl From<Ended> for End {
    fn from(ended: Ended) -> Self {
        Self::Said(match ended {
            Ended::Crowded => Said::Rejected {
                rejection: Rejection::new(
                    RejectionKind::Unavailable,
                    "its place was needed for another client that waits with its first message",
                ),
                status: StatusCode::SERVICE_UNAVAILABLE,
                hold: false,
            },
            Ended::GoingAway => Said::GoingAway,
        })
    }
}

impl Client {
    pub(super) fn new(io: Io, longest: usize) -> Self {
        let reader = Reader::new(longest);
        Self { io, reader }
    }

    /// Reads the first message, in time.
    pub(super) async fn first(
        &mut self,
        config: &Config,
        until: Instant,
        place: &Place,
    ) -> Result<First, End> {
        let mut message = pin!(self.message(config));
        let mut ended = pin!(place.ended());
        let first = poll_fn(|cx| {
            if let Poll::Ready(first) = message.as_mut().poll(cx) {
                return Poll::Ready(first);
            }
            ended.as_mut().poll(cx).map(|ended| Err(ended.into()))
        });
        timeout_at(until, first).await.unwrap_or_else(|_| {
            let kind = RejectionKind::MessageTimeout;
            Err(End::rejected(
                kind,
                "the client's first message did not come in time",
            ))
        })
    }

    async fn message(&mut self, config: &Config) -> Result<First, End> {
        if let Some(prompt) = &config.format.prompt {
            self.say(text(prompt)).await?;
        }
        loop {
            let message = match self.reader.next()? {
                None => {
                    poll_fn(|cx| self.poll_more(cx)).await?;
                    continue;
                }
                Some(Event::Ping(payload)) => {
                    self.say(pong(&payload)).await?;
                    continue;
                }
                Some(Event::Close(code)) => return Err(End::Said(Said::Closed(code))),
                Some(Event::Message(message)) => message,
            };
            match config.format.read(&message) {
                Read::Credential(credential) => {
                    let replay = masked(&message);
                    return Ok(First { credential, replay });
                }
                Read::Answer(answer) => {
                    self.reader.answered(message.len())?;
                    if !answer.is_empty() {
                        self.say(text(answer)).await?;
                    }
                }
                Read::Malformed => {
                    let kind = RejectionKind::MessageMalformed;
                    return Err(End::rejected(
                        kind,
                        "the first message is not of the format",
                    ));
                }
            }
        }
    }

    /// Asks the service. What the client sends meanwhile is kept, and a service is not asked any
    /// longer for a client that has gone.
    pub(super) async fn ask<S, B, ResBody>(
        &mut self,
        mut service: S,
        request: Request<B>,
        config: &Config,
    ) -> Result<response::Parts, End>
    where
        S: Service<Request<B>, Response = Response<ResBody>>,
    {
        let call = async move {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(drop)?;
            let answer = service.call(request).await.map_err(drop)?;
            Ok(answer.into_parts().0)
        };
        let mut call = pin!(call);
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = call.as_mut().poll(cx) {
                return Poll::Ready(answer.map_err(|()| End::internal()));
            }
            while self.reader.rest().len() < config.ahead {
                ready!(self.poll_more(cx))?;
            }
            Poll::Pending
        });
        timeout(config.answer_time, answer)
            .await
            .unwrap_or_else(|_| {
                let detail = "the service did not answer the first message in time";
                let rejection = Rejection::new(RejectionKind::Unavailable, detail);
                trace::refused(&rejection);
                Err(End::Said(Said::rejected(
                    rejection,
                    StatusCode::GATEWAY_TIMEOUT,
                )))
            })
    }

    /// The connection, on which this is read first, and then what was read already.
    pub(super) fn into_io(self, mut ahead: Vec<u8>) -> Io {
        ahead.extend_from_slice(self.reader.rest());
        self.io.behind(ahead)
    }

    /// Whether the client has taken the message in time.
    pub(super) async fn say_text(&mut self, message: &str, time: Duration) -> bool {
        matches!(timeout(time, self.say(text(message))).await, Ok(Ok(())))
    }

    async fn say(&mut self, frame: Vec<u8>) -> Result<(), End> {
        let mut words = Words::new(frame);
        let said = poll_fn(|cx| words.poll_say(&mut self.io, cx)).await;
        said.map_err(|_| End::Gone)
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        // It lives on the stack of one poll, not in the task.
        let mut bytes = [0; 1024];
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer));
        if read.is_err() || buffer.filled().is_empty() {
            return Poll::Ready(Err(End::Gone));
        }
        self.reader.push(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

fn text(message: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    write_text(message, &mut frame);
    frame
}

/// The payload of a control frame has at most 125 bytes.
fn pong(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or_default();
    [&[0x8a, length], payload].concat()
}

/// The message in one frame, as the client would send it. The mask is zero: it protects proxies, and
/// this frame meets none.
fn masked(message: &str) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut frame = text(message);
    let header = frame.len() - message.len();
    if let Some(length) = frame.get_mut(1) {
        *length |= MASKED;
    }
    frame.splice(header..header, [0; 4]);
    frame
}
