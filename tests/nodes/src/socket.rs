use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use test_support::PATIENCE;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// An open socket of a chat that has received its welcome.
#[derive(Debug)]
pub struct Socket {
    client: socket_tests::Client,
    /// The first message of the chat.
    pub welcome: Value,
}

impl Socket {
    pub(crate) async fn new(mut client: socket_tests::Client) -> Self {
        let welcome = next(&mut client).await;
        assert_eq!(welcome["type"], "welcome");
        Self { client, welcome }
    }

    /// The answer to a join.
    pub async fn join(&mut self, channel: &str, auth: Option<&str>) -> Value {
        let join = json!({ "type": "join", "channel": channel, "auth": auth });
        let join = Message::text(join.to_string());
        self.client.send(join).await.unwrap();
        next(&mut self.client).await
    }

    /// Sends a message to a channel.
    pub async fn say(&mut self, channel: &str, text: &str) {
        let say = json!({ "type": "say", "channel": channel, "text": text });
        let say = Message::text(say.to_string());
        self.client.send(say).await.unwrap();
    }

    /// The next message of the chat.
    pub async fn heard(&mut self) -> Value {
        next(&mut self.client).await
    }

    /// The text of the next message, if it comes in time.
    pub async fn hears_within(&mut self, time: Duration) -> Option<String> {
        let message = timeout(time, next(&mut self.client)).await.ok()?;
        message["text"].as_str().map(str::to_owned)
    }

    /// Fails unless the chat answers.
    pub async fn is_alive(&mut self) {
        assert_eq!(self.join("lobby", None).await["type"], "joined");
    }

    /// How it ends: close code and reason, or zero for an end without a close frame.
    pub async fn end(self) -> (u16, String) {
        match socket_tests::end_of(Ok(self.client)).await {
            socket_tests::Answer::Closed(code, reason, _) => (code, reason),
            other => (0, format!("{other:?}")),
        }
    }
}

async fn next(client: &mut socket_tests::Client) -> Value {
    let message = timeout(PATIENCE, client.next()).await.expect("no message");
    let message = message.expect("no more messages").unwrap();
    let text = message.to_text().unwrap();
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{message:?} is no message of a chat"))
}
