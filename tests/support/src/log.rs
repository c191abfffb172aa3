use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest, Subscriber};
use tracing::{Dispatch, Event, Metadata};
use tracing_subscriber::filter::LevelFilter;

/// The log of this thread at every level, from its capture until it is dropped.
///
/// A test on a `current_thread` runtime captures its own tasks, and none of the tests beside it.
/// Records of the crate `log` are not in it, because the tests' own clients log their credentials
/// there.
#[derive(Debug)]
pub struct Log {
    written: Written,
    _capturing: DefaultGuard,
}

impl Log {
    /// Begins to capture.
    #[must_use]
    pub fn capture() -> Self {
        keep_every_event();
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        Self {
            written,
            _capturing: tracing::subscriber::set_default(subscriber),
        }
    }

    /// Returns the result of `run`, and its log.
    pub fn during<T>(run: impl FnOnce() -> T) -> (T, String) {
        let log = Self::capture();
        let returned = run();
        (returned, log.text())
    }

    /// The whole log so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap()
    }
}

#[derive(Clone, Debug, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// With a single subscriber in a process, tracing asks the first thread at an event whether it is
/// enabled, and caches the answer. A test beside this one without a capture would then switch the
/// event off. With a second subscriber tracing asks all of them.
fn keep_every_event() {
    static SECOND: OnceLock<Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| Dispatch::new(Undecided));
}

/// Belongs to no thread, and makes tracing ask about every event again.
struct Undecided;

impl Subscriber for Undecided {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say() {
        tracing::debug!("said");
    }

    #[test]
    fn an_event_that_another_thread_has_passed_by_is_heard() {
        std::thread::spawn(say).join().unwrap();
        let log = Log::capture();
        std::thread::spawn(say).join().unwrap();
        assert_eq!(log.text(), "", "another thread's event");
        say();
        assert!(log.text().contains("DEBUG"), "{}", log.text());
        assert!(log.text().contains("said"), "{}", log.text());
    }

    #[test]
    fn a_new_event_that_another_thread_passes_by_first_is_heard() {
        fn say() {
            tracing::trace!("said later");
        }

        let log = Log::capture();
        std::thread::spawn(say).join().unwrap();
        say();
        assert_eq!(log.text().matches("said later").count(), 1);
    }

    #[test]
    fn later_events_are_not_in_it() {
        let ((), during) = Log::during(say);
        say();
        assert_eq!(during.lines().count(), 1, "{during}");
    }
}
