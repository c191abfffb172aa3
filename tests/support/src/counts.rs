use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard,
    Metadata, Recorder, SharedString, Unit,
};

/// The counted metrics, by name and labels: `name label=value`. A histogram has the number of its
/// values, and a description is `# name`.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<Mutex<BTreeMap<String, f64>>>);

/// Records the metrics of this thread, until it is dropped.
pub struct Counting {
    counts: Counts,
    _recording: LocalRecorderGuard<'static>,
}

impl Counts {
    /// Begins to record on this thread.
    #[must_use]
    pub fn capture() -> Counting {
        let counts = Self::default();
        // A recorder is borrowed by its guard. A leaked one fits into one value with it.
        let recorder: &'static Self = Box::leak(Box::new(counts.clone()));
        Counting {
            counts,
            _recording: metrics::set_default_local_recorder(recorder),
        }
    }

    /// The metrics of `run`, in the order of their names.
    pub fn during(run: impl FnOnce()) -> Vec<(String, f64)> {
        let counting = Self::capture();
        run();
        counting.all().into_iter().collect()
    }

    /// The count of this name; zero if there is none.
    pub fn of(&self, name: &str) -> f64 {
        self.0
            .lock()
            .unwrap()
            .get(name)
            .copied()
            .unwrap_or_default()
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<String, f64> {
        self.0.lock().unwrap().clone()
    }

    fn add(&self, name: &str, value: f64) {
        *self.0.lock().unwrap().entry(name.to_owned()).or_default() += value;
    }

    fn one(&self, key: &Key) -> Arc<One> {
        let labels = key
            .labels()
            .map(|label| format!(" {}={}", label.key(), label.value()));
        let name = format!("{}{}", key.name(), labels.collect::<String>());
        Arc::new(One(name, self.clone()))
    }
}

impl Deref for Counting {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        &self.counts
    }
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts.fmt(f)
    }
}

struct One(String, Counts);

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.1
            .add(&self.0, f64::from(u32::try_from(value).unwrap()));
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.1.add(&self.0, value);
    }

    fn decrement(&self, value: f64) {
        self.1.add(&self.0, -value);
    }

    fn set(&self, _: f64) {}
}

impl HistogramFn for One {
    /// For times in seconds. No test takes a minute.
    fn record(&self, seconds: f64) {
        assert!((0.0..60.0).contains(&seconds), "{}: {seconds}", self.0);
        self.1.add(&self.0, 1.0);
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.add(&format!("# {}", name.as_str()), 1.0);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe_counter(name, unit, text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe_counter(name, unit, text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}
