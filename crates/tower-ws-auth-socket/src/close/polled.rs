//! The refusal of a poll, in the packets of its client, and of packets that the client sends.

use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use tokio::runtime::Handle;
use tower_ws_auth_core::{Rejection, ResponseBody};

use crate::close::config::{Config, REJECT_DELAY};
use crate::close::{OriginalStatus, telling, trace};
use crate::protocol::Cause;

/// The answer to a poll that was refused.
pub(crate) struct Polled {
    packets: String,
    delay: Duration,
}

impl Polled {
    /// `None` where the response has to stay what it is.
    pub(crate) fn of<B>(response: &Response<B>, config: &Config) -> Option<Self> {
        let protocol = config.protocol()?;
        let rejection = response.extensions().get::<Rejection>()?;
        // Nobody could hold it.
        Handle::try_current().ok()?;
        let polled = rejection.look_at_head(|head| {
            let protocol = protocol.of(head);
            let language = protocol.language()?;
            let polling = language.polling.as_ref()?;
            if !polling.carries(head) || !config.converts(rejection, head) {
                return None;
            }
            let cause = Cause::of_response(rejection, response.status());
            let close = protocol.classified(rejection, response.status());
            let values = telling::values(rejection, &close);
            let packets = polling.answer(head, cause, &values)?;
            trace::polled(rejection, protocol);
            let delay = config.reject_delay.or(language.reject_delay);
            let delay = delay.unwrap_or(REJECT_DELAY);
            Some(Self { packets, delay })
        });
        polled.flatten()
    }

    /// How long the answer is held.
    pub(crate) fn reject_delay(&self) -> Duration {
        self.delay
    }

    /// Answers 200, which is the only status whose body such a client reads.
    pub(crate) fn apply<B>(self, mut response: Response<B>) -> Response<ResponseBody<B>> {
        let original = OriginalStatus(response.status());
        response.extensions_mut().insert(original);
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.remove(WWW_AUTHENTICATE);
        let text = const { HeaderValue::from_static("text/plain; charset=UTF-8") };
        headers.insert(CONTENT_TYPE, text);
        response.map(|_| ResponseBody::bytes(self.packets))
    }
}
