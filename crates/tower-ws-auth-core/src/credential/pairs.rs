use std::borrow::Cow;
use std::ops::Range;

/// A key of the query whose value is a credential.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: Cow<'static, str>,
    /// Whether the value may begin with the scheme `Bearer`.
    pub(crate) scheme: bool,
}

impl Key {
    /// A key whose value is nothing but the credential.
    pub(crate) fn plain(name: Cow<'static, str>) -> Self {
        let scheme = false;
        Self { name, scheme }
    }
}

/// Whether a query key or a cookie can have this name without being escaped.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// The relation of a query's pair to our keys.
#[derive(Clone, Copy)]
pub(crate) enum Match<'a> {
    Key(&'a Key),
    /// `token[]=…`, or `a=1;token=…`: another parser might see our key here.
    Disguised,
}

impl<'a> Match<'a> {
    pub(crate) fn of(pair: &str, keys: &'a [Key]) -> Option<Self> {
        if pair.contains(';') {
            let hit = pair.split(';').any(|part| Self::of(part, keys).is_some());
            return hit.then_some(Self::Disguised);
        }
        let name = name_of(pair);
        keys.iter()
            .find_map(|key| match name.strip_prefix(&*key.name)? {
                "" => Some(Self::Key(key)),
                rest => rest.starts_with('[').then_some(Self::Disguised),
            })
    }
}

/// Whether a query certainly has none of our pairs: nothing in it is encoded or divided in an
/// uncommon way, and no pair begins with one of the keys.
pub(super) fn is_clear(query: &str, keys: &[Key]) -> bool {
    let query = query.as_bytes();
    let is_ours = |pair: &[u8]| keys.iter().any(|key| pair.starts_with(key.name.as_bytes()));
    // A credential is nearly always in the first pair.
    !is_ours(query)
        && query.iter().enumerate().all(|(at, byte)| match byte {
            b'&' => !is_ours(&query[at + 1..]),
            b';' | b'%' | b'+' => false,
            _ => true,
        })
}

/// Whether one of the bytes is wanted. Sixteen at a time, if `wanted` has no branches, and of many
/// four times sixteen.
pub(super) fn any(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> bool {
    let any = |bytes: &[u8]| bytes.iter().fold(false, |any, &byte| any | wanted(byte));
    let (wide, rest) = bytes.as_chunks::<64>();
    if wide.iter().any(|chunk| any(chunk)) {
        return true;
    }
    let (chunks, _) = rest.as_chunks::<16>();
    match bytes.last_chunk::<16>() {
        // The rest that fills no chunk is looked at with the bytes before it.
        Some(last) => chunks.iter().any(|chunk| any(chunk)) || any(last),
        None => any(bytes),
    }
}

/// The key of a pair, decoded only if it is encoded.
fn name_of(pair: &str) -> Cow<'_, str> {
    let raw = pair.split('=').next().unwrap_or_default();
    if raw.contains(['%', '+']) {
        form_urlencoded::parse(raw.as_bytes())
            .next()
            .map(|(name, _)| name)
            .unwrap_or_default()
    } else {
        Cow::Borrowed(raw)
    }
}

/// The positions of the `&`-separated pairs.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    query.split('&').map(move |pair| {
        let at = start..start + pair.len();
        start = at.end + 1;
        at
    })
}

/// The query without our pairs. The other pairs keep their text and their order.
pub(crate) fn without_ours(query: &str, keys: &[Key]) -> String {
    let mut kept = String::new();
    let others = query
        .split('&')
        .filter(|pair| Match::of(pair, keys).is_none());
    for (n, pair) in others.enumerate() {
        if n > 0 {
            kept.push('&');
        }
        kept.push_str(pair);
    }
    kept
}
