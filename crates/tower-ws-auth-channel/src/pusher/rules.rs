/// Why a [`Pusher`](super::Pusher) or a signature could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PusherError {
    /// An invalid key.
    #[error("the key is empty, or has a colon or an unprintable character")]
    Key,
    /// An empty secret.
    #[error("the secret is empty: check the variable that it comes from")]
    Secret,
    /// An invalid socket id.
    #[error("the socket id is not of the form `1234.5678`")]
    SocketId,
    /// A channel name that Pusher does not allow.
    #[error(
        "the channel's name is empty, longer than 164, or has a character beside letters, digits and `_-=@,.;`"
    )]
    Channel,
    /// A presence channel without the data of its member.
    #[error("a presence channel needs `channel_data`")]
    ChannelData,
}

/// The longest name of a channel, in bytes, by Pusher's documentation.
const LONGEST_CHANNEL: usize = 164;

/// The longest accepted socket id, in bytes. Pusher's have about 20.
const LONGEST_SOCKET_ID: usize = 64;

/// Refuses, when signing and verifying, all that would move the borders between the three parts.
pub(super) fn check(
    socket_id: &str,
    channel: &str,
    channel_data: Option<&str>,
) -> Result<(), PusherError> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_socket_id = socket_id.len() <= LONGEST_SOCKET_ID
        && socket_id
            .split_once('.')
            .is_some_and(|(left, right)| is_number(left) && is_number(right));
    if !is_socket_id {
        return Err(PusherError::SocketId);
    }
    let is_good = |b: u8| b.is_ascii_alphanumeric() || b"_-=@,.;".contains(&b);
    if channel.is_empty() || channel.len() > LONGEST_CHANNEL || !channel.bytes().all(is_good) {
        return Err(PusherError::Channel);
    }
    if channel.starts_with("presence-") && channel_data.is_none() {
        return Err(PusherError::ChannelData);
    }
    Ok(())
}
