//! Which paths stay below the upstream's base.

/// Whether a server might resolve a segment of it to the one above. Servers decode more than once,
/// take `\\` for `/`, and do not count what stands behind `;` to the segment.
pub(crate) fn leads_upwards(path: &str) -> bool {
    let path = decoded(path);
    path.split(|byte| b"/\\".contains(byte)).any(|segment| {
        let mut parts = segment.split(|byte| b";\0".contains(byte));
        matches!(parts.next(), Some(b"." | b".."))
    })
}

/// Percent-decoded until nothing is left to decode, in one pass: what an escape yields may complete
/// the escape that it stands in, and nothing before that.
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
