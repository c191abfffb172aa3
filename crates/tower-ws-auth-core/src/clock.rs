use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The time of day for every rule about expiry: the system's, or one that a test injects.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// Starts at the system's time and only goes forward: it ignores later changes of the system's
    /// time. Use it for data in memory, which a step back would keep too long.
    pub fn steady() -> Self {
        let (began, at) = (Instant::now(), SystemTime::now());
        Self::from_fn(move || at + began.elapsed())
    }

    /// A clock that stands still at `seconds` since the Unix epoch.
    pub fn fixed(seconds: u64) -> Self {
        let now = Self::at(seconds);
        Self::from_fn(move || now)
    }

    /// A clock that returns the result of `now`.
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(now)))
    }

    /// The present moment.
    pub fn now(&self) -> SystemTime {
        self.0.as_ref().map_or_else(SystemTime::now, |now| now())
    }

    /// Whole seconds since the Unix epoch; 0 for a clock set before it.
    pub fn unix_seconds(&self) -> u64 {
        self.now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }

    /// The moment `seconds` after the Unix epoch, at most the end of the year 9999. Every
    /// platform's [`SystemTime`] can hold that.
    pub fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(LATEST))
    }
}

/// 9999-12-31T23:59:59Z.
const LATEST: u64 = 253_402_300_799;

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Clock(injected)"
        } else {
            "Clock(system)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_clock_begins_with_the_systems_and_only_goes_forward() {
        let steady = Clock::steady();
        let first = steady.now();
        let apart = SystemTime::now().duration_since(first).unwrap_or_default();
        assert!(apart < Duration::from_secs(60), "{apart:?}");
        std::thread::sleep(Duration::from_millis(20));
        let passed = steady.now().duration_since(first).unwrap();
        assert!(passed >= Duration::from_millis(20), "{passed:?}");
    }

    #[test]
    fn a_time_that_is_too_late_is_the_end_of_the_year_9999() {
        let latest = Clock::at(u64::MAX)
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        assert_eq!(latest.as_secs(), LATEST);
        assert_eq!(Clock::fixed(u64::MAX).unix_seconds(), LATEST);
    }
}
