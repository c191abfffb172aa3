use test_support::{Counting, Counts, Log, until};

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
        let what = || format!("{name} {expected} in {:?}", self.counts);
        until(what, || (self.count(name) - expected).abs() < 0.1).await;
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
