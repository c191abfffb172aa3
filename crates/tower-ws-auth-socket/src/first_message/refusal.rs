//! What a client is told that no handler gets.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::io::AsyncWrite;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tower_ws_auth_core::{DisconnectReason, Rejection};

use crate::close::REJECT_DELAY;
use crate::first_message::config::Config;
use crate::first_message::reader::Fault;
use crate::first_message::trace;
use crate::frame::{Close, CloseCode, write_text};
use crate::protocol::{Cause, ClientProtocol, Compiled, Values};
use crate::upgrade::{Io, Limits, Outcome, Telling, Words, follow};

/// What is said.
pub(super) enum Said {
    Rejected {
        rejection: Rejection,
        status: StatusCode,
        /// The storm brake of a refusal.
        hold: bool,
    },
    Fault(Fault),
    Close(Close),
    GoingAway,
    /// The client has closed: its code comes back.
    Closed(CloseCode),
}

impl Said {
    pub(super) fn rejected(rejection: Rejection, status: StatusCode) -> Self {
        Self::Rejected {
            rejection,
            status,
            hold: true,
        }
    }

    /// RFC 6455 §7.4.1: what the client did was no mistake.
    pub(super) fn internal() -> Self {
        let code = CloseCode::new(1011).unwrap_or(CloseCode::POLICY);
        Self::Close(Close::new(code, "internal_error"))
    }
}

/// How it is said.
pub(super) struct Refusing<'a> {
    pub(super) config: &'a Config,
    pub(super) protocol: &'a ClientProtocol,
    pub(super) shared: bool,
}

impl Refusing<'_> {
    /// Says it, and waits for the client's own close frame. What the client has sent before is read
    /// from `io` again: a script may answer it.
    pub(super) async fn say(&self, io: Io, said: Said) {
        const HURRIED: Duration = Duration::from_millis(100);
        let permit = Arc::clone(&self.config.closing_handshakes).try_acquire_owned();
        let mut limits = self.config.limits;
        if permit.is_err() {
            // The next one finds room.
            self.config.listened_to.free_one();
            limits.deadline = limits.deadline.min(HURRIED);
        }
        let outcome = match said {
            Said::Rejected {
                rejection,
                status,
                hold,
            } => {
                if hold && permit.is_ok() {
                    sleep(self.reject_delay()).await;
                }
                let hurried = permit.is_err();
                self.refuse(io, &rejection, status, limits, hurried).await
            }
            Said::Fault(fault) => {
                let code = CloseCode::new(fault.code()).unwrap_or(CloseCode::POLICY);
                self.close(io, Close::new(code, "message_malformed"), limits)
                    .await
            }
            Said::Close(close) => self.close(io, close, limits).await,
            Said::GoingAway => {
                let close = self.protocol.disconnect(&DisconnectReason::GoingAway);
                self.close(io, close, limits).await
            }
            Said::Closed(code) => {
                let close = Close::new(code, "");
                let ended = timeout(limits.deadline, answer(io, &close)).await;
                ended.map_or(Outcome::Deadline, |ended| {
                    ended.map_or_else(Outcome::Broken, |()| Outcome::PeerClosed)
                })
            }
        };
        trace::told(&outcome);
    }

    fn reject_delay(&self) -> Duration {
        let of_the_protocol = || self.protocol.language()?.reject_delay;
        let delay = self.config.reject_delay.or_else(of_the_protocol);
        delay.unwrap_or(REJECT_DELAY)
    }

    async fn refuse(
        &self,
        mut io: Io,
        rejection: &Rejection,
        status: StatusCode,
        limits: Limits,
        hurried: bool,
    ) -> Outcome {
        let close = self.protocol.classified(rejection, status);
        if let Some(message) = self.config.format.refused(rejection) {
            let mut frame = Vec::new();
            write_text(&message, &mut frame);
            let mut words = Words::new(frame);
            let said = poll_fn(|cx| words.poll_say(&mut io, cx));
            match timeout(limits.deadline, said).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Outcome::Broken(error),
                Err(_) => return Outcome::Deadline,
            }
        }
        let cause = Cause::of_response(rejection, status);
        let language = self.protocol.language();
        let told = language.and_then(|language| language.told(cause)?.script.as_ref());
        let values = Values {
            reason: rejection.reason().to_owned(),
            code: close.code().get(),
            retry_after: rejection.retry_after(),
            captured: Vec::new(),
        };
        let telling = telling(values, close, limits);
        match told {
            Some(script) if script.listens() => self.listen(io, script, telling, hurried).await,
            Some(script) => follow(io, self.shared, script, telling).await.0,
            // Where the protocol keeps the HTTP answer it is too late for that.
            None => {
                follow(io, self.shared, &Compiled::default(), telling)
                    .await
                    .0
            }
        }
    }

    /// Follows a script that waits for the client, which gives way where others need its place.
    async fn listen(
        &self,
        io: Io,
        script: &Compiled,
        mut telling: Telling,
        hurried: bool,
    ) -> Outcome {
        let config = self.config;
        if !hurried {
            let most = config.max_closing_handshakes;
            let place = config.listened_to.take(&config.closing_handshakes, most);
            telling.give_way = Arc::clone(&place.gives_way);
            // After the place was taken: it is told of a shutdown, or sees it here.
            if config.places.are_ended() {
                place.gives_way.notify_one();
            }
            return follow(io, self.shared, script, telling).await.0;
        }
        let deadline = telling.limits.deadline;
        let give_way = Arc::clone(&telling.give_way);
        let mut told = pin!(follow(io, self.shared, script, telling));
        if let Ok((outcome, _)) = timeout(deadline, &mut told).await {
            return outcome;
        }
        give_way.notify_one();
        let told = timeout(deadline, told).await;
        told.map_or(Outcome::Deadline, |(outcome, _)| outcome)
    }

    async fn close(&self, io: Io, close: Close, limits: Limits) -> Outcome {
        let telling = telling(Values::default(), close, limits);
        follow(io, self.shared, &Compiled::default(), telling)
            .await
            .0
    }
}

fn telling(values: Values, close: Close, limits: Limits) -> Telling {
    Telling {
        values,
        close,
        limits,
        give_way: Arc::new(Notify::new()),
    }
}

/// RFC 6455 §7.1.1: the server ends the stream first.
async fn answer(mut io: Io, close: &Close) -> io::Result<()> {
    let mut words = Words::new(close.to_bytes());
    poll_fn(|cx| words.poll_say(&mut io, cx)).await?;
    poll_fn(|cx| Pin::new(&mut io).poll_shutdown(cx)).await
}
