//! Waiting for something that a test can only look at.
//!
//! An event that a peer or a handler can report is better than any of these.

use std::fmt::Debug;
use std::panic::Location;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{PATIENCE, bounded};

/// Waits until a condition holds, for [`PATIENCE`] at most.
///
/// # Panics
///
/// It does not come to hold. The message names it, and the line that waits.
#[track_caller]
pub fn until(what: impl What, holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    within(PATIENCE).until(what, holds)
}

/// Looks until the answer is `true`, `Some` or `Ok`, for [`PATIENCE`] at most, and returns what is
/// in it.
///
/// # Panics
///
/// No look succeeds. The message names what was awaited, and the line that waits.
#[track_caller]
pub fn until_ok<A: Success>(
    what: impl What,
    look: impl AsyncFnMut() -> A,
) -> impl Future<Output = A::Value> {
    within(PATIENCE).until_ok(what, look)
}

/// Looks until the answer is `Ok`. Each `Err` that differs from the one before is progress, and
/// the [`PATIENCE`] begins again with it.
///
/// # Panics
///
/// Nothing goes on. The message names what was awaited, the line that waits, and the last `Err`.
#[track_caller]
pub fn until_done<T, P: PartialEq + Debug>(
    what: impl What,
    mut look: impl AsyncFnMut() -> Result<T, P>,
) -> impl Future<Output = T> {
    let mut patience = Patience::new(PATIENCE);
    async move {
        let mut last = None;
        loop {
            match patience.bound(&what, look()).await {
                Ok(done) => return done,
                Err(now) if last.as_ref() == Some(&now) => {}
                Err(now) => {
                    last = Some(now);
                    patience.began = Instant::now();
                }
            }
            let what = || format!("{} after {last:?}", what.text());
            patience.pause(&what).await;
        }
    }
}

/// Waits until a value has not changed for this time, and returns it: for instance the number of
/// bytes that have been written, once all buffers are full.
///
/// # Panics
///
/// It changes for longer than [`PATIENCE`]. The message names it, and the line that waits.
#[track_caller]
pub fn stands_still<T: PartialEq>(
    what: impl What,
    time: Duration,
    mut value: impl FnMut() -> T,
) -> impl Future<Output = T> {
    let patience = Patience::new(PATIENCE);
    async move {
        let mut last = (Instant::now(), value());
        while last.0.elapsed() < time {
            patience.pause(&what).await;
            let now = value();
            if last.1 != now {
                last = (Instant::now(), now);
            }
        }
        last.1
    }
}

/// Waits until something has arrived, and then nothing more: every buffer on the way is full.
/// It reads nothing.
///
/// # Panics
///
/// The connection breaks, or nothing arrives.
pub async fn arrives_no_more(stream: &TcpStream) {
    bounded("the first byte", stream.peek(&mut [0]))
        .await
        .unwrap();
    let mut buffer = vec![0; 16 << 20];
    let unread = || {
        let peek = pin!(stream.peek(&mut buffer));
        match peek.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(unread) => unread.unwrap(),
            Poll::Pending => 0,
        }
    };
    stands_still("the unread bytes", Duration::from_millis(100), unread).await;
}

/// Looks during the whole time whether a condition still holds.
///
/// # Panics
///
/// It does not at one of the looks. The message names it, and the line that looks.
#[track_caller]
pub fn stays(
    what: impl What,
    time: Duration,
    mut holds: impl FnMut() -> bool,
) -> impl Future<Output = ()> {
    let at = Location::caller();
    async move {
        let began = Instant::now();
        loop {
            let passed = began.elapsed();
            assert!(holds(), "{at}: {}: no more after {passed:?}", what.text());
            // The last look comes after the whole time.
            if passed >= time {
                return;
            }
            sleep(pause(passed).min(time.saturating_sub(passed))).await;
        }
    }
}

/// Lets all other tasks of a `current_thread` runtime go on until they wait.
pub async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

/// Waits for another time than [`PATIENCE`]: for a promise about time.
#[must_use]
pub fn within(time: Duration) -> Within {
    Within(time)
}

/// The longest time that is waited.
#[derive(Clone, Copy, Debug)]
pub struct Within(Duration);

impl Within {
    /// As [`until`](fn@until) does.
    ///
    /// # Panics
    ///
    /// The condition does not come to hold in time.
    #[track_caller]
    pub fn until(
        self,
        what: impl What,
        mut holds: impl FnMut() -> bool,
    ) -> impl Future<Output = ()> {
        let patience = Patience::new(self.0);
        async move {
            while !holds() {
                patience.pause(&what).await;
            }
        }
    }

    /// As [`until_ok`] does.
    ///
    /// # Panics
    ///
    /// No look succeeds in time.
    #[track_caller]
    pub fn until_ok<A: Success>(
        self,
        what: impl What,
        mut look: impl AsyncFnMut() -> A,
    ) -> impl Future<Output = A::Value> {
        let patience = Patience::new(self.0);
        async move {
            loop {
                if let Some(value) = patience.bound(&what, look()).await.success() {
                    return value;
                }
                patience.pause(&what).await;
            }
        }
    }
}

/// The time of one wait.
struct Patience {
    at: &'static Location<'static>,
    began: Instant,
    time: Duration,
}

impl Patience {
    #[track_caller]
    fn new(time: Duration) -> Self {
        Self {
            at: Location::caller(),
            began: Instant::now(),
            time,
        }
    }

    /// The answer of a look, which may hang.
    async fn bound<A>(&self, what: &impl What, look: impl Future<Output = A>) -> A {
        let answer = timeout_at(self.began + self.time, look).await;
        answer.unwrap_or_else(|_| self.over(what))
    }

    /// Between two looks.
    async fn pause(&self, what: &impl What) {
        let passed = self.began.elapsed();
        if passed >= self.time {
            self.over(what);
        }
        sleep(pause(passed)).await;
    }

    fn over(&self, what: &impl What) -> ! {
        panic!("{}: {}: not within {:?}", self.at, what.text(), self.time)
    }
}

/// The pause between two looks: short at first, and never long beside the wait so far.
fn pause(passed: Duration) -> Duration {
    (passed / 10).clamp(Duration::from_millis(1), Duration::from_millis(20))
}

/// The name of what is awaited. A closure can tell how far it has come.
pub trait What {
    /// Its text, in a panic.
    fn text(&self) -> String;
}

impl What for &str {
    fn text(&self) -> String {
        (*self).to_owned()
    }
}

impl<F: Fn() -> String> What for F {
    fn text(&self) -> String {
        self()
    }
}

/// The answer of one look.
pub trait Success {
    /// What a successful look brings.
    type Value;

    /// The value, or `None` if it is too early.
    fn success(self) -> Option<Self::Value>;
}

impl Success for bool {
    type Value = ();

    fn success(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Success for Option<T> {
    type Value = T;

    fn success(self) -> Self {
        self
    }
}

impl<T, E> Success for Result<T, E> {
    type Value = T;

    fn success(self) -> Option<T> {
        self.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A count, which rises once a second.
    fn seconds() -> impl Fn() -> u64 {
        let began = Instant::now();
        move || began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn until_waits_no_longer_than_it_must() {
        let began = Instant::now();
        let passed = seconds();
        until("a condition that holds", || true).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        until("three seconds", || passed() == 3).await;
        assert_eq!(passed(), 3);
        assert!(began.elapsed() < SECOND.mul_f64(3.1));
        let four = until_ok("an error", async || {
            (passed() == 4).then_some(4).ok_or("no")
        })
        .await;
        assert_eq!(four, 4);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "the leases: 2 are left: not within 60s")]
    async fn until_names_what_does_not_come() {
        let left = 2;
        until(|| format!("the leases: {left} are left"), || left == 0).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "wait.rs:")]
    async fn until_names_the_line_that_waits() {
        within(SECOND).until("a condition", || false).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "an answer: not within 1s")]
    async fn a_look_that_hangs_is_bounded() {
        let look = async || std::future::pending::<bool>().await;
        within(SECOND).until_ok("an answer", look).await;
    }

    #[tokio::test(start_paused = true)]
    async fn progress_renews_the_patience() {
        let passed = seconds();
        let done = until_done("a hundred", async || match passed() {
            100.. => Ok("done"),
            less => Err(less / 50),
        });
        assert_eq!(done.await, "done");
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "a hundred after Some(99): not within 60s")]
    async fn without_progress_the_patience_ends() {
        let passed = seconds();
        until_done("a hundred", async || Err::<(), _>(passed().min(99))).await;
    }

    #[tokio::test(start_paused = true)]
    async fn stands_still_waits_for_the_time_since_the_last_change() {
        let began = Instant::now();
        let passed = seconds();
        let last = stands_still("a count", SECOND * 2, || passed().min(5)).await;
        assert_eq!(last, 5);
        let took = began.elapsed().as_secs_f64();
        assert!((7.0..7.2).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "a count: not within")]
    async fn what_goes_on_does_not_stand_still() {
        let passed = seconds();
        stands_still("a count", SECOND * 2, passed).await;
    }

    #[tokio::test(start_paused = true)]
    async fn stays_looks_during_the_whole_time() {
        let looks = Cell::new(0);
        let began = Instant::now();
        stays("a condition", SECOND, || {
            looks.set(looks.get() + 1);
            true
        })
        .await;
        assert!(began.elapsed() >= SECOND);
        assert!(looks.get() > 50, "{}", looks.get());
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "a moment: no more after")]
    async fn stays_sees_a_breach_that_is_over_at_the_end() {
        let began = Instant::now();
        let breach = SECOND.mul_f64(0.5)..SECOND.mul_f64(0.6);
        stays("a moment", SECOND, || !breach.contains(&began.elapsed())).await;
    }
}
