//! What is said in the language of the client.

use std::sync::Arc;

use tower_ws_auth_core::Rejection;

use crate::close::config::{ClosingHandshake, Spoken};
use crate::close::convert::Conversion;
use crate::close::trace;
use crate::frame::{Close, write_text};
use crate::protocol::Values;
use crate::upgrade::Telling;

/// A language's messages, or the message of the application, and then the close frame.
pub(crate) fn words(
    message: Option<String>,
    spoken: Option<Box<Spoken>>,
    rejection: &Rejection,
    close: &Close,
) -> Vec<u8> {
    let messages = |spoken: Box<Spoken>| spoken.messages(|| values(rejection, close));
    let mut words = spoken.map_or_else(Vec::new, messages);
    match message {
        // It would break the opening of a language that has messages of its own.
        Some(message) if words.is_empty() => write_text(&message, &mut words),
        _ => {}
    }
    close.write_to(&mut words);
    words
}

pub(super) fn values(rejection: &Rejection, close: &Close) -> Values {
    Values {
        reason: rejection.reason().to_owned(),
        code: close.code().get(),
        retry_after: rejection.retry_after(),
        captured: Vec::new(),
    }
}

impl Conversion {
    /// Starts the script, which ends in the closing handshake.
    pub(crate) fn start_script(self, rejection: &Rejection) {
        let config = Arc::clone(&self.config);
        let most = config.max_closing_handshakes as usize;
        let place = config.places.take(&config.permits, most);
        let runtime = self.runtime.clone();
        let values = values(rejection, &self.close);
        let told = async move {
            let Self {
                close,
                spoken,
                socket,
                permit,
                config,
                ..
            } = self;
            let spoken = spoken.as_deref();
            // It was there a moment ago.
            let Some((spoken, script)) = spoken.and_then(|spoken| Some((spoken, spoken.script()?)))
            else {
                return;
            };
            let telling = Telling {
                values,
                close,
                limits: config.limits,
                give_way: Arc::clone(&place.gives_way),
            };
            let (outcome, ended) = socket.follow(script, telling).await;
            trace::script_ended(&spoken.protocol, ended);
            trace::ended(&outcome);
            drop((place, permit));
        };
        match &config.spawner {
            Some(spawn) => spawn(ClosingHandshake(Box::pin(told))),
            None => drop(runtime.spawn(told)),
        }
    }
}
