use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, LocalRecorderGuard, Metadata,
    Recorder, SharedString, Unit,
};
use test_support::Log;
use tokio::time::{sleep, timeout};

/// What this thread logs and counts.
pub(crate) struct Told {
    log: Log,
    counts: Counts,
    _counting: LocalRecorderGuard<'static>,
}

#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<String, f64>>>);

impl Told {
    /// From now on.
    pub(crate) fn capture() -> Self {
        let counts = Counts::default();
        // A recorder is borrowed by its guard: one that is never freed fits into one value with it.
        let recorder: &'static Counts = Box::leak(Box::new(counts.clone()));
        Self {
            log: Log::capture(),
            counts,
            _counting: metrics::set_default_local_recorder(recorder),
        }
    }

    /// Waits until it is so many.
    pub(crate) async fn counted(&self, name: &str, expected: f64) {
        let counted = async {
            while (self.count(name) - expected).abs() > 0.1 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = timeout(Duration::from_secs(60), counted).await.is_ok();
        let counts = self.counts.0.lock().unwrap();
        assert!(in_time, "not {name} {expected}: {counts:?}");
    }

    /// The one event with these words.
    pub(crate) fn event(&self, words: &str) -> String {
        let log = self.log();
        let events: Vec<_> = log.lines().filter(|line| line.contains(words)).collect();
        assert_eq!(events.len(), 1, "{words} in\n{log}");
        events[0].to_owned()
    }

    pub(crate) fn count(&self, name: &str) -> f64 {
        self.counts
            .0
            .lock()
            .unwrap()
            .get(name)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn log(&self) -> String {
        self.log.text()
    }
}

struct One(String, Counts);

impl One {
    fn of(key: &Key, counts: &Counts) -> Arc<Self> {
        let labels = key
            .labels()
            .map(|label| format!(" {}={}", label.key(), label.value()));
        let name = format!("{}{}", key.name(), labels.collect::<String>());
        Arc::new(Self(name, counts.clone()))
    }

    fn add(&self, value: f64) {
        *self.1.0.lock().unwrap().entry(self.0.clone()).or_default() += value;
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.add(f64::from(u32::try_from(value).unwrap()));
    }
    fn absolute(&self, _: u64) {}
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.add(value);
    }
    fn decrement(&self, value: f64) {
        self.add(-value);
    }
    fn set(&self, _: f64) {}
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(One::of(key, self))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(One::of(key, self))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
