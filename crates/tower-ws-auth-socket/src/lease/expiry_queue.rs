//! In which order what is open comes to its end: no clock, no lock, no task.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// What is open, in the order of its ends.
pub(crate) struct ExpiryQueue<T> {
    by_end: BTreeMap<Place, T>,
    next: u64,
}

/// Where something stands in the order: what has no end comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// In nanoseconds since the Unix epoch, which are compared faster than a `SystemTime`.
    end: u64,
    id: u64,
}

/// No end; every other one is before the year 2555.
const NEVER: u64 = u64::MAX;

impl<T> Default for ExpiryQueue<T> {
    fn default() -> Self {
        Self {
            by_end: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T: Clone> ExpiryQueue<T> {
    pub(crate) fn len(&self) -> usize {
        self.by_end.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.by_end.values()
    }

    pub(crate) fn add(&mut self, end: Option<SystemTime>, one: T) -> Place {
        self.next += 1;
        self.put(end, self.next, one)
    }

    /// Takes it out, whether its end has come or not.
    pub(crate) fn remove(&mut self, place: Place) {
        if self.by_end.remove(&place).is_none() {
            self.by_end.remove(&place.told());
        }
    }

    /// Moves it to another end; `None` if its end has come, or it is not there any more.
    pub(crate) fn shift(&mut self, place: Place, end: Option<SystemTime>) -> Option<Place> {
        let one = self.by_end.remove(&place)?;
        Some(self.put(end, place.id, one))
    }

    pub(crate) fn is_first(&self, place: Place) -> bool {
        let first = self.by_end.first_key_value();
        first.is_some_and(|(first, _)| *first == place)
    }

    /// What has ended by now, up to so many, and how long it is to the next end. What it returns
    /// stays, and has no end any more.
    pub(crate) fn due(&mut self, now: SystemTime, most: usize) -> (Vec<T>, Option<Duration>) {
        let now = nanos(now);
        let mut due = Vec::new();
        while let Some((&place, one)) = self.by_end.first_key_value() {
            if !place.has_end() {
                break;
            }
            let left = Duration::from_nanos(place.end.saturating_sub(now));
            if !left.is_zero() || due.len() == most {
                return (due, Some(left));
            }
            due.push(one.clone());
            // It is open until its client has gone.
            let one = self.by_end.pop_first().map(|(_, one)| one);
            self.by_end.extend(one.map(|one| (place.told(), one)));
        }
        (due, None)
    }

    fn put(&mut self, end: Option<SystemTime>, id: u64, one: T) -> Place {
        let end = end.map_or(NEVER, nanos);
        let place = Place { end, id };
        self.by_end.insert(place, one);
        place
    }
}

impl Place {
    pub(crate) fn has_end(self) -> bool {
        self.end != NEVER
    }

    /// Whether its end comes later than this moment.
    pub(crate) fn ends_after(self, moment: SystemTime) -> bool {
        nanos(moment) < self.end
    }

    /// Where something stands whose end has come.
    fn told(self) -> Self {
        Self { end: NEVER, ..self }
    }
}

fn nanos(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    let nanos = since.unwrap_or_default().as_nanos();
    u64::try_from(nanos).map_or(NEVER - 1, |nanos| nanos.min(NEVER - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 2;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_due_comes_in_its_order_and_in_batches() {
        let mut order = ExpiryQueue::default();
        for (end, name) in [
            (None, "never"),
            (Some(3), "c"),
            (Some(1), "a"),
            (Some(2), "b"),
        ] {
            order.add(end.map(at), name);
        }
        assert_eq!(
            order.due(at(0), MOST),
            (vec![], Some(Duration::from_secs(1)))
        );
        assert_eq!(
            order.due(at(5), MOST),
            (vec!["a", "b"], Some(Duration::ZERO))
        );
        assert_eq!(order.due(at(5), MOST), (vec!["c"], None));
        assert_eq!(order.due(at(5), MOST), (vec![], None));
        // All of them are open until somebody takes them out.
        assert_eq!(order.len(), 4);
    }

    #[test]
    fn what_was_due_is_not_moved_any_more_and_can_be_taken_out() {
        let mut order = ExpiryQueue::default();
        let place = order.add(Some(at(1)), "a");
        let late = order.add(Some(at(9)), "b");
        assert_eq!(order.due(at(1), MOST).0, ["a"]);
        assert_eq!(order.shift(place, Some(at(5))), None);
        order.remove(place);
        let moved = order.shift(late, None).unwrap();
        assert_eq!(order.due(at(99), MOST), (vec![], None));
        assert!(order.is_first(moved) && !moved.has_end());
        order.remove(moved);
        assert_eq!(order.len(), 0);
    }

    #[test]
    fn of_two_with_the_same_end_the_older_comes_first() {
        let mut order = ExpiryQueue::default();
        let first = order.add(Some(at(1)), "first");
        let second = order.add(Some(at(1)), "second");
        assert!(order.is_first(first) && !order.is_first(second));
        assert_eq!(order.due(at(1), MOST).0, ["first", "second"]);
    }

    #[test]
    fn an_end_before_all_time_has_come_and_one_after_it_is_an_end() {
        let mut order = ExpiryQueue::default();
        let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        order.add(Some(early), "early");
        let far = Duration::from_secs(u64::from(u32::MAX) * 8);
        let far = order.add(Some(SystemTime::UNIX_EPOCH + far), "far");
        assert_eq!(order.due(at(0), MOST).0, ["early"]);
        assert!(far.has_end());
    }
}
