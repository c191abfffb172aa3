use std::fmt;
use std::future::{Ready, ready};

use super::Pusher;
use crate::policy::missing;
use crate::{Decision, Evidence, Join, Policy};

/// The signed parts beside the channel.
#[derive(Clone, Copy, Debug)]
pub struct PusherSigned<'j> {
    /// The id that the server gave this connection.
    pub socket_id: &'j str,
    /// The message's `channel_data`, byte for byte as it came.
    pub channel_data: Option<&'j str>,
}

/// Admits a join that was signed for this socket and channel. Made by [`Pusher::policy`].
#[derive(Clone)]
pub struct PusherPolicy<F> {
    pusher: Pusher,
    signed: F,
}

impl<F> PusherPolicy<F> {
    pub(super) fn new(pusher: Pusher, signed: F) -> Self {
        Self { pusher, signed }
    }
}

impl<F, I, M> Policy<I, M> for PusherPolicy<F>
where
    F: for<'j> Fn(&'j Join<I, M>) -> PusherSigned<'j>,
{
    type Future = Ready<Decision>;

    fn decide(&self, join: &Join<I, M>) -> Self::Future {
        let signed = (self.signed)(join);
        ready(join.credential().ok_or_else(missing).and_then(|auth| {
            let PusherSigned {
                socket_id,
                channel_data,
            } = signed;
            self.pusher
                .verify(auth, socket_id, join.channel(), channel_data)?;
            Ok(Evidence::new())
        }))
    }
}

impl<F> fmt::Debug for PusherPolicy<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PusherPolicy")
            .field("pusher", &self.pusher)
            .finish_non_exhaustive()
    }
}
