//! The clients whose first message has not come.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Why a client that waits is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its place was needed for another client.
    Crowded,
    GoingAway,
}

/// The places, in the order in which they were taken.
#[derive(Debug)]
pub(super) struct Places {
    taken: Mutex<Taken>,
    most: usize,
    most_by_address: usize,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    all: BTreeMap<u64, (Option<IpAddr>, Arc<Told>)>,
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Told {
    reason: Mutex<Option<Ended>>,
    notify: Notify,
}

impl Told {
    fn tell(&self, reason: Ended) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        self.notify.notify_one();
    }
}

impl Places {
    pub(super) fn new(most: usize, most_by_address: usize) -> Self {
        Self {
            taken: Mutex::default(),
            most: most.max(1),
            most_by_address: most_by_address.max(1),
        }
    }

    /// Takes a place. One too many takes that of the client that has waited the longest: of the same
    /// address, if that one has too many, else of all.
    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Place {
        let address = address.map(network);
        let told = Arc::new(Told::default());
        let mut taken = self.lock();
        let of_address = address.and_then(|address| taken.by_address.get(&address));
        let crowded = match of_address {
            Some(of_address) if of_address.len() >= self.most_by_address => {
                of_address.first().copied()
            }
            _ if taken.all.len() >= self.most => taken.all.keys().next().copied(),
            _ => None,
        };
        let evicted = crowded.and_then(|number| taken.remove(number));
        let number = taken.next;
        taken.next += 1;
        if taken.ended {
            told.tell(Ended::GoingAway);
        } else {
            taken.all.insert(number, (address, Arc::clone(&told)));
            if let Some(address) = address {
                taken.by_address.entry(address).or_default().insert(number);
            }
        }
        drop(taken);
        if let Some(evicted) = evicted {
            evicted.tell(Ended::Crowded);
        }
        Place {
            number,
            told,
            places: Arc::clone(self),
        }
    }

    /// Ends every client that waits, and each that comes later.
    pub(super) fn end_all(&self) {
        let mut taken = self.lock();
        taken.ended = true;
        let all = std::mem::take(&mut taken.all);
        taken.by_address.clear();
        drop(taken);
        for (_, told) in all.into_values() {
            told.tell(Ended::GoingAway);
        }
    }

    pub(super) fn are_ended(&self) -> bool {
        self.lock().ended
    }

    pub(super) fn count(&self) -> usize {
        self.lock().all.len()
    }

    /// Nothing under the lock panics.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn remove(&mut self, number: u64) -> Option<Arc<Told>> {
        let (address, told) = self.all.remove(&number)?;
        if let Some(address) = address
            && let Some(of_address) = self.by_address.get_mut(&address)
        {
            of_address.remove(&number);
            if of_address.is_empty() {
                self.by_address.remove(&address);
            }
        }
        Some(told)
    }
}

/// One who has an IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !(u64::MAX as u128);
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// One of them, free when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    told: Arc<Told>,
    places: Arc<Places>,
}

impl Place {
    /// Ready when the client has to go.
    pub(super) async fn ended(&self) -> Ended {
        loop {
            let reason = *self
                .told
                .reason
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match reason {
                Some(reason) => return reason,
                None => self.told.notify.notified().await,
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.places.lock().remove(self.number);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ended(place: &Place) -> Option<Ended> {
        *place.told.reason.lock().unwrap()
    }

    #[test]
    fn one_too_many_takes_the_place_of_the_oldest() {
        let places = Arc::new(Places::new(2, 9));
        let [first, second, third] = [(); 3].map(|()| places.take(None));
        assert_eq!(is_ended(&first), Some(Ended::Crowded));
        assert_eq!([&second, &third].map(is_ended), [None, None]);
        drop(second);
        let fourth = places.take(None);
        assert_eq!([&third, &fourth].map(is_ended), [None, None]);
        drop((first, third, fourth));
        assert_eq!(places.count(), 0);
        assert!(places.lock().by_address.is_empty());
    }

    #[test]
    fn one_address_evicts_nobody_else() {
        let places = Arc::new(Places::new(9, 2));
        let other = places.take(Some("192.0.2.1".parse().unwrap()));
        let of_one: Vec<_> = (1..5)
            .map(|host| places.take(Some(format!("2001:db8::{host}").parse().unwrap())))
            .collect();
        let ended: Vec<_> = of_one.iter().map(is_ended).collect();
        let crowded = Some(Ended::Crowded);
        assert_eq!(ended, [crowded, crowded, None, None]);
        assert_eq!(is_ended(&other), None);
        drop((of_one, other));
        assert!(places.lock().by_address.is_empty());
    }

    #[test]
    fn after_the_end_nobody_waits() {
        let places = Arc::new(Places::new(9, 2));
        let before = places.take(None);
        places.end_all();
        let after = places.take(None);
        assert_eq!([&before, &after].map(is_ended), [Some(Ended::GoingAway); 2]);
    }
}
