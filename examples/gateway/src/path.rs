//! Checks that a path stays below the upstream's base.

/// Whether a server might resolve a segment to its parent. Servers decode more than once, take `\\`
/// for `/`, and ignore the part of a segment after `;`.
pub(crate) fn leads_upwards(path: &str) -> bool {
    let path = decoded(path);
    path.split(|byte| b"/\\".contains(byte)).any(|segment| {
        let mut parts = segment.split(|byte| b";\0".contains(byte));
        matches!(parts.next(), Some(b"." | b".."))
    })
}

/// The segments as a lenient server reads them: decoded, in small letters, without empty ones and
/// without parameters.
pub(crate) fn segments(path: &str) -> impl Iterator<Item = String> {
    let path = decoded(path).to_ascii_lowercase();
    let path = String::from_utf8_lossy(&path).into_owned();
    let segments = path.split(['/', '\\']).filter_map(|segment| {
        let name = segment.split([';', '\0']).next()?;
        (!name.is_empty()).then(|| name.to_owned())
    });
    segments.collect::<Vec<_>>().into_iter()
}

/// Percent-decodes until nothing is left to decode, in one pass: a decoded character can only
/// complete the escape that contains it.
fn decoded(path: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    for byte in path.bytes() {
        decoded.push(byte);
        while let [.., b'%', high, low] = decoded[..]
            && let Some(byte) = hex(high).zip(hex(low)).map(|(high, low)| high << 4 | low)
        {
            decoded.truncate(decoded.len() - 3);
            decoded.push(byte);
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}
