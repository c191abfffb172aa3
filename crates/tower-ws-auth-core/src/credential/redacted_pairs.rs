use std::fmt;
use std::mem;
use std::ops::Range;

use http::Uri;
use http::request::Parts;

use super::pairs::{Key, Match, pairs, without_ours};
use super::uri::{remove_query, swap_query};

/// The pairs that a [`RedactLayer`](crate::RedactLayer) took out of a request's URI, in the
/// extensions. Nothing prints them, and only a [`Carriers`](super::Carriers) further in reads them.
///
/// It is dropped with its request. A service that copies extensions elsewhere can remove it.
#[derive(Clone)]
pub struct RedactedPairs {
    /// The URI as it arrived, so that nothing is copied.
    uri: Uri,
    /// The positions of the redacted pairs in its query, in order.
    at: Vec<Range<usize>>,
}

/// The position of a pair in the query, and its key.
pub(super) type Found<'k> = (Range<usize>, Match<'k>);

impl RedactedPairs {
    /// The whole query of the redacted pairs.
    pub(super) fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// Takes the pairs of these keys, with their URI and positions. Pairs of other keys stay.
    pub(super) fn take<'k>(head: &mut Parts, keys: &'k [Key]) -> Option<(Uri, Vec<Found<'k>>)> {
        let redacted: &mut Self = head.extensions.get_mut()?;
        let uri = redacted.uri.clone();
        let query = uri.query().unwrap_or_default();
        let mut ours = Vec::new();
        let mut others = Vec::new();
        for at in mem::take(&mut redacted.at) {
            match query.get(at.clone()).and_then(|pair| Match::of(pair, keys)) {
                Some(found) => ours.push((at, found)),
                None => others.push(at),
            }
        }
        if others.is_empty() {
            head.extensions.remove::<Self>();
        } else {
            redacted.at = others;
        }
        Some((uri, ours))
    }
}

/// Moves the pairs of these keys from the URI into a [`RedactedPairs`].
pub(crate) fn redact(head: &mut Parts, keys: &[Key]) {
    let query = head.uri.query().unwrap_or_default();
    let ours = |at: &Range<usize>| {
        let pair = query.get(at.clone()).unwrap_or_default();
        Match::of(pair, keys).is_some()
    };
    let at: Vec<_> = pairs(query).filter(ours).collect();
    if at.is_empty() {
        return;
    }
    let others = without_ours(query, keys);
    match swap_query(head, &others) {
        Ok(uri) => {
            head.extensions.insert(RedactedPairs { uri, at });
        }
        // Cannot fail, since part of a URI is a URI. Removing the whole query is the safe answer.
        Err(_) => remove_query(head),
    }
}

impl fmt::Debug for RedactedPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedactedPairs(redacted)")
    }
}
