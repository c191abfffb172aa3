//! With `--redis`, messages of one node also reach the members on the others.
//!
//! They are published and not kept: a node that is cut off misses the messages of others meanwhile.

use std::time::Duration;

use futures_util::StreamExt;
use redis::{AsyncCommands, Client, RedisResult};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep};

use crate::hub::{Here, Hub};

/// The channel of the messages.
const SAID: &str = "chat:said";
/// The pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);
/// The interval of checks for a live connection.
const LOOK: Duration = Duration::from_secs(1);
/// The maximum of waiting messages. Further ones reach this node only.
const QUEUE: usize = 1024;

/// A published message.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    /// The node that has already delivered it.
    node: u64,
    channel: String,
    message: String,
}

/// Joins this hub to those of the other nodes, until it is dropped.
pub(crate) fn connect(hub: &Hub, client: Client) -> Result<(), getrandom::Error> {
    let (sender, mut outbox) = mpsc::channel(QUEUE);
    let node = getrandom::u64()?;
    let here = hub.relay_to(sender);
    tokio::spawn(async move {
        loop {
            match relay(&client, node, &mut outbox, &here).await {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "the other nodes cannot be heard"),
            }
            sleep(PAUSE).await;
        }
    });
    Ok(())
}

/// Returns `Ok` when the hub is gone.
async fn relay(
    client: &Client,
    node: u64,
    outbox: &mut mpsc::Receiver<(String, String)>,
    here: &Here,
) -> RedisResult<()> {
    let mut publisher = client.get_multiplexed_async_connection().await?;
    let (mut sink, mut heard) = client.get_async_pubsub().await?.split();
    sink.subscribe(SAID).await?;
    let mut look = interval(LOOK);
    loop {
        tokio::select! {
            said = outbox.recv() => {
                let Some((channel, message)) = said else { return Ok(()) };
                let said = Said { node, channel, message };
                let said = serde_json::to_string(&said).unwrap_or_default();
                let _: () = publisher.publish(SAID, said).await?;
            }
            message = heard.next() => {
                let Some(message) = message else {
                    return Err((redis::ErrorKind::Io, "the connection has ended").into());
                };
                let said = serde_json::from_slice(message.get_payload_bytes()).ok();
                if let Some(said) = said.filter(|said: &Said| said.node != node) {
                    here.deliver(&said.channel, &said.message.into()).await;
                }
            }
            _ = look.tick() => {
                let _: () = sink.ping().await?;
            }
        }
    }
}
