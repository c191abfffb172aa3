use std::fmt;
use std::mem;
use std::ops::Range;

use http::Uri;
use http::request::Parts;

use super::pairs::{Key, Match, pairs, without_ours};
use super::uri::{remove_query, swap_query};

/// What a [`RedactLayer`](crate::RedactLayer) took out of a request's URI, in the extensions: nothing
/// prints it, and only a [`Carriers`](super::Carriers) further in reads it.
///
/// It dies with its request. A service that copies extensions to somewhere else can remove it.
#[derive(Clone)]
pub struct RedactedPairs {
    /// As it arrived: nothing is copied.
    uri: Uri,
    /// Where the pairs that were redacted stand in its query, in their order.
    at: Vec<Range<usize>>,
}

/// Where a pair stands in the query, and which key it is.
pub(super) type Found<'k> = (Range<usize>, Match<'k>);

impl RedactedPairs {
    /// The query in which the pairs stood, all of it.
    pub(super) fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// Takes the pairs of these keys out, and says where they stand in which URI. Those of
    /// others stay.
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
        // Part of what was a URI always is one; a secret does not stay for the case.
        Err(_) => remove_query(head),
    }
}

impl fmt::Debug for RedactedPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedactedPairs(redacted)")
    }
}
