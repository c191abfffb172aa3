/// Why something cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PusherError {
    /// A key that cannot stand before a colon.
    #[error("the key is empty, or has a colon or a character that does not print")]
    Key,
    /// A secret that everybody knows.
    #[error("the secret is empty: is the variable set that it comes from?")]
    Secret,
    /// A socket id of another form.
    #[error("the socket id is not of the form `1234.5678`")]
    SocketId,
    /// A channel's name outside Pusher's rules.
    #[error("the channel's name is empty, longer than 164, or has a character beside `_-=@,.;`")]
    Channel,
    /// A presence channel without its member.
    #[error("a presence channel needs `channel_data`")]
    ChannelData,
}

/// The longest name of a channel, in bytes, by Pusher's documentation.
const LONGEST_CHANNEL: usize = 164;

/// The longest socket id that is looked at, in bytes. Pusher's have about 20.
const LONGEST_SOCKET_ID: usize = 64;

/// What both directions refuse, so that the borders between the three parts are where they seem.
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
