use std::time::Duration;

use test_support::{Counting, Counts, Log, PATIENCE};
use tokio::time::{sleep, timeout};

/// The log and the metrics of this thread.
pub(crate) struct Told {
    log: Log,
    counts: Counting,
}

impl Told {
    /// From now on.
    pub(crate) fn capture() -> Self {
        Self {
            log: Log::capture(),
            counts: Counts::capture(),
        }
    }

    /// Waits until it is so many.
    pub(crate) async fn counted(&self, name: &str, expected: f64) {
        let counted = async {
            while (self.count(name) - expected).abs() > 0.1 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = timeout(PATIENCE, counted).await.is_ok();
        assert!(in_time, "not {name} {expected}: {:?}", self.counts);
    }

    /// The one event with these words.
    pub(crate) fn event(&self, words: &str) -> String {
        let log = self.log();
        let events: Vec<_> = log.lines().filter(|line| line.contains(words)).collect();
        assert_eq!(events.len(), 1, "{words} in\n{log}");
        events[0].to_owned()
    }

    pub(crate) fn count(&self, name: &str) -> f64 {
        self.counts.of(name)
    }

    pub(crate) fn log(&self) -> String {
        self.log.text()
    }
}
