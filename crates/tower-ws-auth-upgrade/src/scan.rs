/// Follows a client's frames without reading them, until its close frame has passed.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    header: [u8; 14],
    have: usize,
    /// Payload still to pass.
    payload: u64,
}

impl Scanner {
    /// Whether a close frame has passed completely with these bytes. Ask no further then.
    pub(crate) fn passes_close(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let skipped = usize::try_from(self.payload)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            bytes = &bytes[skipped..];
            self.payload -= skipped as u64;
            if self.payload > 0 {
                return false;
            }
            if self.have > 0 && self.have == self.header_length() {
                if self.header[0] & 0x0f == CLOSE {
                    return true;
                }
                self.have = 0;
            }
            let Some((&byte, rest)) = bytes.split_first() else {
                return false;
            };
            bytes = rest;
            self.header[self.have] = byte;
            self.have += 1;
            if self.have == self.header_length() {
                self.payload = self.payload_length();
            }
        }
    }

    /// RFC 6455 §5.2: two bytes, the extended length, the mask. Unknown before the second byte.
    fn header_length(&self) -> usize {
        if self.have < 2 {
            return self.header.len();
        }
        let extended = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + extended + mask
    }

    fn payload_length(&self) -> u64 {
        let extended = match self.header[1] & 0x7f {
            126 => &self.header[2..4],
            127 => &self.header[2..10],
            short => return short.into(),
        };
        extended
            .iter()
            .fold(0, |length, &byte| length << 8 | u64::from(byte))
    }
}

const CLOSE: u8 = 0x8;

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            short @ 0..=125 => frame.push(0x80 | u8::try_from(short).unwrap()),
            medium @ 126..=65_535 => {
                frame.push(0xfe);
                frame.extend(u16::try_from(medium).unwrap().to_be_bytes());
            }
            long => {
                frame.push(0xff);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend(payload);
        frame
    }

    fn stream() -> Vec<u8> {
        // The payloads look like close frames themselves.
        let mut bytes = masked(0x1, &[0x88; 5]);
        bytes.extend(masked(0x2, &[0x88; 300]));
        bytes.extend(masked(0x9, b""));
        bytes.extend(masked(0x2, &vec![0x88; 70_000]));
        bytes.extend(masked(CLOSE, b"\x03\xe8bye"));
        bytes
    }

    #[test]
    fn the_close_frame_is_found_at_its_last_byte_however_the_stream_is_cut() {
        let stream = stream();
        for size in [1, 2, 3, 7, 1000, 65_536, stream.len()] {
            let mut scanner = Scanner::default();
            let mut chunks = stream[..stream.len() - 1].chunks(size);
            assert!(!chunks.any(|chunk| scanner.passes_close(chunk)), "{size}");
            assert!(scanner.passes_close(&stream[stream.len() - 1..]), "{size}");
        }
    }

    #[test]
    fn a_close_frame_without_payload_or_mask_counts_too() {
        assert!(Scanner::default().passes_close(b"\x88\x80\x01\x02\x03\x04"));
        assert!(Scanner::default().passes_close(b"\x88\x00"));
    }

    #[test]
    fn an_absurd_length_only_swallows_what_follows() {
        let mut scanner = Scanner::default();
        assert!(!scanner.passes_close(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04"));
        assert!(!scanner.passes_close(&vec![0x88; 100_000]));
    }
}
