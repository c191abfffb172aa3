//! A fair share of the one task that carries all commands to a cluster.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Lets commands onto a line in the order in which they come.
///
/// The client polls the commands under way in one task, and puts two of them last whenever the
/// task has used its budget up. With a thousand under way a command met that again and again, and
/// some waited for half a second. With this many no master idles either.
pub(crate) struct Turns(Semaphore);

const MOST: usize = 192;
/// A node that does not answer holds the commands for others up no longer than this.
const LONGEST: Duration = Duration::from_millis(50);

impl Turns {
    pub(crate) const fn new() -> Self {
        Self(Semaphore::const_new(MOST))
    }

    /// Sends it when its turn comes.
    pub(crate) async fn take<T>(&self, sending: impl Future<Output = T>) -> T {
        let turn = self.0.acquire().await;
        let mut sending = pin!(sending);
        if let Ok(answer) = timeout(LONGEST, &mut sending).await {
            return answer;
        }
        drop(turn);
        sending.await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_under_way_and_those_without_an_answer_not_for_long() {
        let turns = Turns::new();
        let mut silent: Vec<_> = (0..MOST)
            .map(|_| Box::pin(turns.take(pending::<()>())))
            .collect();
        for silent in &mut silent {
            assert!(silent.now_or_never().is_none());
        }
        let mut next = pin!(turns.take(ready(1)));
        assert!((&mut next).now_or_never().is_none());
        tokio::time::advance(2 * LONGEST).await;
        for silent in &mut silent {
            assert!(silent.now_or_never().is_none());
        }
        assert_eq!(timeout(LONGEST, next).await, Ok(1));
    }

    #[tokio::test]
    async fn an_answer_makes_room_for_the_next_one_and_so_does_a_caller_that_leaves() {
        let turns = Turns::new();
        for _ in 0..=MOST {
            assert_eq!(turns.take(ready(1)).await, 1);
            assert!(turns.take(pending::<()>()).now_or_never().is_none());
        }
    }
}
