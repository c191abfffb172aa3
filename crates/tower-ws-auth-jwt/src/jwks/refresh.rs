use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::document::{Place, Skipped, read_configuration};
use super::error::Failed;
use super::fetch::{Document, Fetch};
use super::flight::Shared;
use crate::{Keys, trace};

/// What the task does that keeps the keys up to date.
pub(crate) struct Refresh {
    pub(crate) location: Location,
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) plain: bool,
    pub(crate) shared: Arc<Shared>,
    pub(crate) last: Option<Last>,
}

/// Where the keys are.
pub(crate) enum Location {
    At(Uri),
    Discovered {
        issuer: String,
        configuration: Uri,
        /// Where they were found and when, until a fetch fails.
        keys: Option<(Place, Instant)>,
    },
}

/// The document that is in force.
pub(crate) struct Last {
    body: Vec<u8>,
    keys: Arc<Keys>,
    count: usize,
    skipped: Vec<Skipped>,
}

/// For how long an issuer's configuration is believed. A set that moved may still stand where it
/// was, and be kept up to date no more.
const CONFIGURED: Duration = Duration::from_secs(24 * 60 * 60);

/// The first pause after a failure, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Refresh {
    pub(crate) async fn run(mut self) {
        let times = self.shared.times().clone();
        let mut failures = 0;
        loop {
            let began = self.shared.take_off();
            let fetched = self.once().await;
            let pause = if let Some((_, max_age)) = &fetched {
                failures = 0;
                // A longer one than `refresh` would keep a withdrawn key alive.
                let pause = max_age.unwrap_or(times.refresh).min(times.refresh);
                jittered(pause, 0.9).max(times.cooldown)
            } else {
                let pause = RETRY.0.min(times.cooldown).saturating_mul(1 << failures);
                failures = (failures + 1).min(16);
                jittered(pause.min(RETRY.1).min(times.refresh), 0.5)
            };
            self.shared.land(fetched.map(|(keys, _)| keys), began);
            // Over means that it is time anyway.
            let _ = timeout(pause, self.shared.wanted()).await;
        }
    }

    /// The keys and for how long they say they are fresh; `None` after a failure, which is logged.
    async fn once(&mut self) -> Option<(Arc<Keys>, Option<Duration>)> {
        let (url, fetched) = match self.locate().await {
            Ok(place) => {
                let fetched = self.keys_at(&place).await;
                (place.uri, fetched)
            }
            Err(failed) => (self.location.first().clone(), Err(failed)),
        };
        match fetched {
            Ok(fetched) => Some(fetched),
            Err(failed) => {
                if let Location::Discovered { keys, .. } = &mut self.location {
                    *keys = None;
                }
                trace::failed(&url, &failed, self.shared.age());
                None
            }
        }
    }

    async fn locate(&mut self) -> Result<Place, Failed> {
        let (issuer, at) = match &self.location {
            Location::At(url) => return Ok(Place::own(url)),
            Location::Discovered {
                keys: Some((place, found)),
                ..
            } if found.elapsed() < CONFIGURED => return Ok(place.clone()),
            Location::Discovered {
                issuer,
                configuration,
                ..
            } => (issuer, configuration),
        };
        let document = self.get(&Place::own(at)).await?;
        let found = read_configuration(&document.body, issuer, at, self.plain)?;
        if let Location::Discovered { keys, .. } = &mut self.location {
            *keys = Some((found.clone(), Instant::now()));
        }
        Ok(found)
    }

    async fn keys_at(&mut self, place: &Place) -> Result<(Arc<Keys>, Option<Duration>), Failed> {
        let Document { body, max_age } = self.get(place).await?;
        let url = &place.uri;
        // The same document needs no second look, nor a second complaint about its keys.
        if let Some(last) = self.last.as_ref().filter(|last| last.body == body) {
            trace::fetched(url, last.count, false);
            return Ok((Arc::clone(&last.keys), max_age));
        }
        let mut skipped = Vec::new();
        let read = self.shared.limits.read_set(&body, |key| skipped.push(key));
        let (keys, count) = read?;
        let before = self.last.as_ref().map_or(&[][..], |last| &last.skipped);
        let known = |key: &Skipped| {
            let mut before = before.iter();
            before.any(|known| known.kid == key.kid && known.reason == key.reason)
        };
        for key in skipped.iter().filter(|key| !known(key)) {
            trace::skipped(url, key);
        }
        // An issuer without keys has no users: what it had before is likelier.
        if count == 0 && self.last.as_ref().is_some_and(|last| last.count > 0) {
            return Err(Failed::Empty);
        }
        trace::fetched(url, count, true);
        let keys = Arc::new(keys);
        let last = Arc::clone(&keys);
        self.last = Some(Last {
            body,
            keys: last,
            count,
            skipped,
        });
        Ok((keys, max_age))
    }

    async fn get(&self, place: &Place) -> Result<Document, Failed> {
        let limit = self.shared.limits.bytes;
        let (fetch, place) = (Arc::clone(&self.fetch), place.clone());
        // A task of its own, so that a panic ends this fetch and not all that follow. Dropping
        // the set ends it.
        let mut task = JoinSet::new();
        task.spawn(async move {
            let Place { uri, foreign } = &place;
            match foreign {
                true => fetch.fetch_public(uri, limit).await,
                false => fetch.fetch(uri, limit).await,
            }
        });
        let document = timeout(self.shared.times().timeout, task.join_next())
            .await
            .map_err(|_| Failed::Timeout)?
            .and_then(Result::ok)
            .ok_or(Failed::Panicked)?
            .map_err(Failed::Fetch)?;
        if document.body.len() > limit {
            return Err(Failed::TooLarge);
        }
        Ok(document)
    }
}

impl Location {
    fn first(&self) -> &Uri {
        match self {
            Self::At(url) => url,
            Self::Discovered { configuration, .. } => configuration,
        }
    }
}

/// From `least` of it to all of it, so that many nodes do not ask at the same moment.
fn jittered(pause: Duration, least: f64) -> Duration {
    // Randomly keyed by std: enough to spread, and no secret.
    let random = RandomState::new().build_hasher().finish() >> 32;
    let part = u32::try_from(random).map_or(0.0, |random| f64::from(random) / f64::from(u32::MAX));
    let part = pause.as_secs_f64() * (least + (1.0 - least) * part);
    // What is too long to be counted needs no spreading.
    Duration::try_from_secs_f64(part).unwrap_or(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_spread_between_the_least_part_and_the_whole() {
        let pause = Duration::from_secs(1000);
        for (least, from) in [(0.5, 500.0), (0.9, 900.0)] {
            let pauses = (0..200).map(|_| jittered(pause, least).as_secs_f64());
            let bounds = |(least, most): (f64, f64), it: f64| (least.min(it), most.max(it));
            let (shortest, longest) = pauses.fold((f64::MAX, 0.0), bounds);
            assert!(
                shortest >= from && longest <= 1000.0,
                "{shortest} {longest}"
            );
            // Of two hundred some lie near either end.
            let room = (1000.0 - from) / 4.0;
            assert!(shortest < from + room && longest > 1000.0 - room);
        }
        assert_eq!(jittered(Duration::MAX, 1.0), Duration::MAX);
    }
}
