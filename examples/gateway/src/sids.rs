//! The Engine.IO sessions of Socket.IO, and whose they are.
//!
//! Engine.IO takes the `sid` of its polling requests for a credential. Behind the gateway it is none:
//! it belongs to the user who has used it first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use tokio::time::Instant;

/// How many of one user are known. A page has one at a time.
const PER_USER: usize = 64;
/// How long one is known after its last request. Engine.IO forgets it within a minute.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// A longer one is none of Engine.IO's, which has 20 characters.
const MAX_LENGTH: usize = 128;

/// The known ones.
#[derive(Debug, Default)]
pub(crate) struct Sids(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    owners: HashMap<String, (String, Instant)>,
    /// In the order of their first request.
    of_user: HashMap<String, VecDeque<String>>,
    swept: Option<Instant>,
}

impl Sids {
    /// Whether this user may use the `sid` of this target, if it has one. `None` is nobody.
    pub(crate) fn admits(&self, uri: &Uri, user: Option<&str>) -> bool {
        let mut sids = Vec::new();
        let mut is_engine_io = false;
        for (key, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match &*key {
                "sid" => sids.push(value.into_owned()),
                "EIO" => is_engine_io = true,
                _ => {}
            }
        }
        if sids.is_empty() {
            return true;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.sweep(now);
        let others = sids.iter().any(|sid| match known.owners.get_mut(sid) {
            Some((owner, last)) if Some(owner.as_str()) == user => {
                *last = now;
                false
            }
            owner => owner.is_some(),
        });
        if others {
            return false;
        }
        if let (true, [sid], Some(user)) = (is_engine_io, &*sids, user)
            && sid.len() <= MAX_LENGTH
        {
            known.note(sid, user, now);
        }
        true
    }
}

impl Known {
    fn note(&mut self, sid: &str, user: &str, now: Instant) {
        if self.owners.contains_key(sid) {
            return;
        }
        let mine = self.of_user.entry(user.to_owned()).or_default();
        if mine.len() >= PER_USER
            && let Some(oldest) = mine.pop_front()
        {
            self.owners.remove(&oldest);
        }
        mine.push_back(sid.to_owned());
        self.owners.insert(sid.to_owned(), (user.to_owned(), now));
    }

    /// Once a minute.
    fn sweep(&mut self, now: Instant) {
        let pause = Duration::from_secs(60);
        if self.swept.is_some_and(|swept| now - swept < pause) {
            return;
        }
        self.swept = Some(now);
        self.owners.retain(|_, (_, last)| now - *last < REMEMBERED);
        let owners = &self.owners;
        self.of_user.retain(|_, sids| {
            sids.retain(|sid| owners.contains_key(sid));
            !sids.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(sids: &Sids, query: &str, user: Option<&str>) -> bool {
        sids.admits(&format!("/socket.io/?{query}").parse().unwrap(), user)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_user_of_a_sid_is_its_only_one() {
        let sids = Sids::default();
        let engine = "EIO=4&transport=polling";
        assert!(admits(&sids, engine, Some("ada")));
        assert!(admits(&sids, &format!("{engine}&sid=a1"), Some("ada")));
        assert!(admits(&sids, &format!("{engine}&sid=a1"), Some("ada")));
        for query in [
            "EIO=4&transport=polling&sid=a1",
            "sid=a1",
            "%73id=%61%31",
            "sid=b2&sid=a1",
            "sid=a1&sid=b2",
        ] {
            for other in [Some("eve"), None] {
                assert!(!admits(&sids, query, other), "{query}");
            }
        }
        // Other programs use this key for what several users share.
        assert!(admits(&sids, "sid=room", Some("ada")));
        assert!(admits(&sids, "sid=room", Some("eve")));
        tokio::time::advance(REMEMBERED).await;
        assert!(admits(&sids, "sid=a1", Some("eve")));
    }

    #[test]
    fn one_user_displaces_none_of_another() {
        let sids = Sids::default();
        assert!(admits(&sids, "EIO=4&sid=of-ada", Some("ada")));
        for n in 0..1000 {
            assert!(admits(&sids, &format!("EIO=4&sid={n}"), Some("eve")));
        }
        assert!(!admits(&sids, "EIO=4&sid=of-ada", Some("eve")));
        let known = sids.0.lock().unwrap();
        assert_eq!(known.owners.len(), PER_USER + 1);
    }
}
