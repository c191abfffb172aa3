//! A fair share of the one task that carries all commands to a cluster.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Lets commands onto a line in the order in which they come.
///
/// The client polls all commands under way in one task. When that has used its budget of steps up,
/// Tokio wakes the others last in, first out, and what is in the middle of a thousand meets that
/// again and again: near the most that the client bears, some waited for half a second. This many
/// bear as much, and no command waits noticeably longer than another.
pub(crate) struct Turns(Semaphore);

const MOST: usize = 192;
/// A command without an answer does not hold up the others longer.
const LONGEST: Duration = Duration::from_millis(50);
/// Nor do many of them, or a caller that polls none of its own: a command goes on without a turn.
const PATIENCE: Duration = Duration::from_millis(250);

impl Turns {
    pub(crate) const fn new() -> Self {
        Self(Semaphore::const_new(MOST))
    }

    /// Sends it when its turn comes, or after a quarter of a second.
    pub(crate) async fn take<T>(&self, sending: impl Future<Output = T>) -> T {
        let turn = timeout(PATIENCE, self.0.acquire()).await;
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_a_thousand_two_hundred_are_under_way_and_nobody_waits_longer_than_patience() {
        let turns = Turns::new();
        let begun = AtomicUsize::new(0);
        let silent = (0..1000).map(|_| {
            turns.take(async {
                begun.fetch_add(1, Ordering::Relaxed);
                pending::<()>().await;
            })
        });
        let mut all = pin!(join_all(silent));
        assert!(timeout(LONGEST / 2, &mut all).await.is_err());
        assert!(begun.load(Ordering::Relaxed) < 300);
        let healthy = timeout(2 * PATIENCE, turns.take(ready(1)));
        let (healthy, _) = tokio::join!(healthy, timeout(2 * PATIENCE, &mut all));
        assert_eq!(healthy, Ok(1));
        assert_eq!(begun.load(Ordering::Relaxed), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_not_polled_holds_up_nobody_for_ever() {
        let turns = Turns::new();
        let mut unpolled: Vec<_> = (0..MOST)
            .map(|_| Box::pin(turns.take(pending::<()>())))
            .collect();
        for unpolled in &mut unpolled {
            assert!(unpolled.now_or_never().is_none());
        }
        assert_eq!(timeout(2 * PATIENCE, turns.take(ready(1))).await, Ok(1));
        drop(unpolled);
    }

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
