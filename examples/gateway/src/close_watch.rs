//! The close code in a stream of frames (RFC 6455 §5), for the access line.

/// Follows one direction of a connection. It copies no payload.
#[derive(Debug, Default)]
pub(crate) struct CloseWatch {
    /// The bytes of a head that is not complete yet, with the first two of a close frame's payload.
    head: Vec<u8>,
    /// The bytes of the payload that are still to come.
    payload: u64,
    code: Option<u16>,
}

impl CloseWatch {
    pub(crate) fn code(&self) -> Option<u16> {
        self.code
    }

    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while self.code.is_none() && !bytes.is_empty() {
            if self.payload > 0 {
                let here = bytes
                    .len()
                    .min(usize::try_from(self.payload).unwrap_or(usize::MAX));
                self.payload -= u64::try_from(here).unwrap_or_default();
                bytes = &bytes[here..];
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            if let Some(payload) = self.complete() {
                self.payload = payload;
                self.head.clear();
            }
        }
    }

    /// How much payload follows, once the head is complete.
    fn complete(&mut self) -> Option<u64> {
        const CLOSE: u8 = 8;
        let [first, second, rest @ ..] = &*self.head else {
            return None;
        };
        let (is_masked, short) = (second & 0x80 != 0, second & 0x7f);
        let (length, rest) = match short {
            126 => (
                u64::from(u16::from_be_bytes(*rest.first_chunk()?)),
                &rest[2..],
            ),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), &rest[8..]),
            short => (u64::from(short), rest),
        };
        let (mask, rest) = if is_masked {
            (*rest.first_chunk::<4>()?, &rest[4..])
        } else {
            ([0; 4], rest)
        };
        if first & 0xf != CLOSE {
            return Some(length);
        }
        if length < 2 {
            // RFC 6455 §7.1.5: no code was received.
            self.code = Some(1005);
            return Some(length);
        }
        let [high, low] = *rest.first_chunk()?;
        self.code = Some(u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]));
        Some(length - 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> Option<u16> {
        let mut whole = CloseWatch::default();
        whole.read(bytes);
        let mut pieces = CloseWatch::default();
        for byte in bytes {
            pieces.read(&[*byte]);
        }
        assert_eq!(whole.code(), pieces.code());
        whole.code()
    }

    #[test]
    fn is_that_of_the_first_close_frame_and_of_nothing_that_looks_like_one() {
        let close = [0x88, 2, 0x11, 0x31];
        let masked = [0x88, 0x82, 1, 2, 3, 4, 0x11 ^ 1, 0x31 ^ 2];
        let long = [&[0x82, 126, 1, 0][..], &[0x88; 256]].concat();
        let longer = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &vec![0x88; 65536]].concat();
        assert_eq!(code(&close), Some(4401));
        assert_eq!(code(&masked), Some(4401));
        assert_eq!(code(&[&long[..], &longer, &close].concat()), Some(4401));
        assert_eq!(code(&[0x88, 0]), Some(1005));
        assert_eq!(code(&[0x81, 4, 0x88, 2, 3, 0xe8]), None);
        assert_eq!(code(&[&[0x81, 4][..], &close, &close].concat()), Some(4401));
    }
}
