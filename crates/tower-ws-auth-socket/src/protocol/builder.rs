use std::sync::Arc;
use std::time::Duration;

use crate::frame::{CloseCode, CloseCodeError};
use crate::protocol::client_protocol::{Kind, Language, Told};
use crate::protocol::{Cause, ClientProtocol, Mark, Message, Polling, Refusal, Script};

/// Builds the protocol of a client that is not built in; see [`ClientProtocol::builder`].
///
/// Its functions are called here, once for each [`Cause`], and never inside a request.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientProtocolBuilder {
    name: &'static str,
    codes: [Option<u16>; Cause::COUNT],
    refusals: Vec<Refusal>,
    endings: Vec<Vec<Message>>,
    subprotocols: Vec<String>,
    reject_delay: Option<Duration>,
    marks: Vec<Mark>,
    without_origin: bool,
    polling: Option<Polling>,
}

/// A protocol that cannot be spoken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientProtocolError {
    /// A code that may not be sent.
    #[error(transparent)]
    Code(#[from] CloseCodeError),
    /// A message beyond [`Message::MAX`].
    #[error("a message of {0} bytes is too long: use at most {max}", max = Message::MAX)]
    LongMessage(usize),
    /// A place without its end.
    #[error("message {0:?}: a place has no `}}`")]
    OpenPlace(String),
    /// A place that nothing fills.
    #[error("message {message:?}: nothing has captured `{name}` before it")]
    UnknownPlace {
        /// The message.
        message: String,
        /// The name in the place.
        name: String,
    },
    /// More steps, answers or messages than [`Script::MAX_STEPS`].
    #[error("{0} steps are too many: use at most {max}", max = Script::MAX_STEPS)]
    ManySteps(usize),
    /// Waits beyond [`Script::MAX_TIME`].
    #[error("the steps of a script wait for {0:?}: use at most {max:?}", max = Script::MAX_TIME)]
    LongWait(Duration),
}

impl ClientProtocolBuilder {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            codes: [None; Cause::COUNT],
            refusals: vec![Script::new().into(); Cause::REFUSALS.len()],
            endings: vec![Vec::new(); Cause::ENDINGS.len()],
            subprotocols: Vec::new(),
            reject_delay: None,
            marks: Vec::new(),
            without_origin: false,
            polling: None,
        }
    }

    /// The close codes. Where `f` returns `None` it is that of [`ClientProtocol::plain`]. A
    /// [reason of the application](Cause::Application) keeps its own code.
    pub fn close_codes(mut self, f: impl Fn(Cause) -> Option<u16>) -> Self {
        for cause in Cause::all() {
            self.codes[cause.index()] = f(cause);
        }
        self
    }

    /// What a refused client gets: by default a close frame alone.
    pub fn refusals(mut self, f: impl Fn(Cause) -> Refusal) -> Self {
        self.refusals = Cause::REFUSALS.into_iter().map(f).collect();
        self
    }

    /// The messages that an open connection gets before its close frame: by default none.
    ///
    /// They are sent between two messages of the handler, after the protocol's own opening.
    pub fn endings(mut self, f: impl Fn(Cause) -> Vec<Message>) -> Self {
        self.endings = Cause::ENDINGS.into_iter().map(f).collect();
        self
    }

    /// The subprotocols of such clients, best first. One that a refused client offers is
    /// selected; Chromium fails the handshake otherwise.
    pub fn subprotocols<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// How long such a client waits for its refusal, unless the layer
    /// [says otherwise](crate::close::CloseFrameLayer::reject_delay).
    pub fn reject_delay(mut self, delay: Duration) -> Self {
        self.reject_delay = Some(delay);
        self
    }

    /// A mark by which such a client is [detected](ClientProtocol::detect). A client with a mark
    /// is told without an `Origin` too. Can be said several times.
    pub fn marked_by(mut self, mark: Mark) -> Self {
        self.marks.push(mark);
        self
    }

    /// Clients without an `Origin` are told too, even without a mark. Otherwise they keep the
    /// HTTP answer.
    pub fn also_without_origin(mut self) -> Self {
        self.without_origin = true;
        self
    }

    pub(crate) fn polling(mut self, polling: Option<Polling>) -> Self {
        self.polling = polling;
        self
    }

    /// The protocol.
    ///
    /// # Errors
    ///
    /// A code that may not be sent, or a script or a message beyond its limits.
    pub fn build(self) -> Result<ClientProtocol, ClientProtocolError> {
        let code = |cause: Cause| {
            let code = self.codes[cause.index()].map(CloseCode::new);
            code.transpose()
        };
        let mut told = Vec::with_capacity(Cause::COUNT);
        for (cause, refusal) in Cause::REFUSALS.into_iter().zip(&self.refusals) {
            told.push(Told {
                code: code(cause)?,
                script: match refusal {
                    Refusal::Http => None,
                    Refusal::Script(script) => Some(script.compile()?),
                },
            });
        }
        for (cause, messages) in Cause::ENDINGS.into_iter().zip(&self.endings) {
            let messages = messages.iter().cloned();
            let script = messages.fold(Script::new(), Script::send);
            told.push(Told {
                code: code(cause)?,
                script: Some(script.compile()?),
            });
        }
        Ok(ClientProtocol(Some(Arc::new(Kind::One(Language {
            name: self.name,
            told,
            subprotocols: self.subprotocols,
            reject_delay: self.reject_delay,
            marks: self.marks,
            without_origin: self.without_origin,
            polling: self.polling,
        })))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_may_not_be_sent_is_an_error_of_the_configuration() {
        let protocol = ClientProtocol::builder("acme").close_codes(|_| Some(1006));
        let error = protocol.build().unwrap_err().to_string();
        assert!(
            error.starts_with("close code 1006 may not be sent"),
            "{error}"
        );
    }

    #[test]
    fn messages_before_an_ending_have_the_limits_of_a_script() {
        let endings = |message: Message| {
            ClientProtocol::builder("acme").endings(move |_| vec![message.clone(); 17])
        };
        let error = endings(Message::text("")).build().unwrap_err();
        assert_eq!(error, ClientProtocolError::ManySteps(17));
    }
}
