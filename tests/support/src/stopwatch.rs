use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The interval of the ticks that detect a stalled machine.
const TICK: Duration = Duration::from_millis(5);
/// The longest wait of a runnable thread on a machine that is only busy.
const BUSY: Duration = Duration::from_millis(10);

static STOOD_STILL: OnceLock<Mutex<Ticks>> = OnceLock::new();

/// Measures a duration without the time for which the machine stood still.
///
/// For limits in seconds. A shared machine may stop for a second, or give a process only a part of
/// its time. A thread that only ticks detects such gaps, and they are not counted. Time with
/// regular ticks is counted.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    began: Instant,
    stood_still: Duration,
}

impl Stopwatch {
    /// Begins.
    #[must_use]
    pub fn start() -> Self {
        let ticks = STOOD_STILL.get_or_init(|| {
            // Without the thread nothing is subtracted.
            let _ = thread::Builder::new().spawn(tick);
            Mutex::new(Ticks::new(Instant::now()))
        });
        let now = Instant::now();
        let ticks = ticks.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            began: now,
            stood_still: ticks.stood_still(now),
        }
    }

    /// Since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        let now = Instant::now();
        let stood_still = STOOD_STILL.get().map(|ticks| {
            let ticks = ticks.lock().unwrap_or_else(PoisonError::into_inner);
            ticks.stood_still(now).saturating_sub(self.stood_still)
        });
        (now - self.began).saturating_sub(stood_still.unwrap_or_default())
    }
}

/// The output of a future, and its duration by a [`Stopwatch`].
pub async fn measured<T>(operation: impl Future<Output = T>) -> (T, Duration) {
    let watch = Stopwatch::start();
    let output = operation.await;
    (output, watch.elapsed())
}

#[derive(Debug)]
struct Ticks {
    last: Instant,
    lost: Duration,
}

impl Ticks {
    fn new(now: Instant) -> Self {
        Self {
            last: now,
            lost: Duration::ZERO,
        }
    }

    /// Includes the time since the last tick, because a stall may be going on.
    fn stood_still(&self, now: Instant) -> Duration {
        let gap = now.saturating_duration_since(self.last);
        if gap > TICK + BUSY {
            self.lost + gap.saturating_sub(TICK)
        } else {
            self.lost
        }
    }

    fn tick(&mut self, now: Instant) {
        self.lost = self.stood_still(now);
        self.last = now;
    }
}

fn tick() {
    loop {
        thread::sleep(TICK);
        if let Some(ticks) = STOOD_STILL.get() {
            let mut ticks = ticks.lock().unwrap_or_else(PoisonError::into_inner);
            ticks.tick(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_without_ticks_is_not_counted_and_all_other_is() {
        let began = Instant::now();
        let mut ticks = Ticks::new(began);
        let ms = Duration::from_millis;
        for at in [5, 11, 25] {
            ticks.tick(began + ms(at));
        }
        assert_eq!(ticks.stood_still(began + ms(30)), Duration::ZERO);
        // Still going on, and over.
        assert_eq!(ticks.stood_still(began + ms(1025)), ms(995));
        ticks.tick(began + ms(1025));
        assert_eq!(ticks.stood_still(began + ms(1030)), ms(995));
    }

    #[test]
    fn it_runs_while_the_machine_does() {
        let watch = Stopwatch::start();
        let wall = Instant::now();
        while watch.elapsed() < Duration::from_millis(100) {
            thread::sleep(TICK);
        }
        assert!(wall.elapsed() >= Duration::from_millis(100));
    }
}
