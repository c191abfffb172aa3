//! Finds the close frame in a stream that passes.
//!
//! By hand, because tungstenite and fastwebsockets want to own the stream and copy its payload.

/// Follows one direction of a connection from frame to frame (RFC 6455 §5.2). It reads headers only
/// and passes the payload by arithmetic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scanner {
    /// Bytes still to pass: mask and payload. While an extended length is read, what is read of it.
    left: u64,
    first: u8,
    at: At,
}

#[derive(Clone, Copy, Debug, Default)]
enum At {
    #[default]
    Boundary,
    Length,
    Extended {
        bytes: u8,
        masked: bool,
    },
    Payload,
    /// A close frame has passed: no frame follows it (RFC 6455 §5.5.1).
    Closed,
}

const CLOSE: u8 = 0x8;
const CONTROL: u8 = 0x8;

impl Scanner {
    /// One that sees no frames, for what is no WebSocket.
    pub(crate) fn blind() -> Self {
        Self {
            left: u64::MAX,
            first: 0,
            at: At::Payload,
        }
    }

    /// Passes these bytes.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let passed = self.pass_frame(bytes);
            bytes = &bytes[passed..];
        }
    }

    /// Whether a close frame has passed completely.
    pub(crate) fn closed(&self) -> bool {
        matches!(self.at, At::Closed)
    }

    /// Whether no frame is half passed.
    pub(crate) fn at_boundary(&self) -> bool {
        matches!(self.at, At::Boundary | At::Closed)
    }

    /// How many of these bytes belong to the frame that is half passed.
    pub(crate) fn within(mut self, bytes: &[u8]) -> usize {
        if self.at_boundary() {
            0
        } else {
            self.pass_frame(bytes)
        }
    }

    /// At least so many bytes are missing to the next boundary.
    pub(crate) fn missing(&self) -> u64 {
        match self.at {
            At::Boundary | At::Closed => 0,
            At::Length => 1,
            At::Extended { bytes, .. } => bytes.into(),
            At::Payload => self.left,
        }
    }

    /// Passes whole control frames and the rest of a half passed one, until a data frame begins;
    /// returns how many bytes that is.
    pub(crate) fn pass_control(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while let Some(&first) = bytes.get(passed) {
            if self.closed() || (self.at_boundary() && first & CONTROL == 0) {
                break;
            }
            passed += self.pass_frame(&bytes[passed..]);
        }
        passed
    }

    /// Passes bytes until the end of a frame; returns how many.
    fn pass_frame(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        loop {
            if let At::Payload = self.at {
                let skipped = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(rest.len());
                rest = &rest[skipped..];
                self.left -= skipped as u64;
                if self.left == 0 {
                    self.at = match self.first & 0x0f {
                        CLOSE => At::Closed,
                        _ => At::Boundary,
                    };
                }
                return bytes.len() - rest.len();
            }
            let Some((&byte, after)) = rest.split_first() else {
                return bytes.len();
            };
            rest = after;
            self.at = match self.at {
                At::Closed => return bytes.len(),
                At::Boundary => {
                    self.first = byte;
                    At::Length
                }
                At::Length => self.begin(byte & 0x7f, byte & 0x80 != 0),
                At::Extended { bytes, masked } => {
                    self.left = self.left << 8 | u64::from(byte);
                    match bytes {
                        0 | 1 => self.begin_payload(self.left, masked),
                        more => At::Extended {
                            bytes: more - 1,
                            masked,
                        },
                    }
                }
                At::Payload => At::Payload,
            };
        }
    }

    fn begin(&mut self, length: u8, masked: bool) -> At {
        self.left = 0;
        match length {
            126 => At::Extended { bytes: 2, masked },
            127 => At::Extended { bytes: 8, masked },
            short => self.begin_payload(short.into(), masked),
        }
    }

    fn begin_payload(&mut self, length: u64, masked: bool) -> At {
        const MASK: u64 = 4;
        self.left = length.saturating_add(if masked { MASK } else { 0 });
        At::Payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Scanner {
        fn passes_close(&mut self, bytes: &[u8]) -> bool {
            self.pass(bytes);
            self.closed()
        }
    }

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

    mod property {
        use super::*;
        use proptest::prelude::*;

        fn frames() -> impl Strategy<Value = Vec<(u8, bool, usize)>> {
            let size = prop_oneof![
                0..130_usize,
                0..130_usize,
                65_530..65_545_usize,
                126..3000_usize
            ];
            let opcode = prop_oneof![Just(0_u8), Just(1), Just(2), Just(9), Just(10)];
            prop::collection::vec((opcode, any::<bool>(), size), 1..12)
        }

        fn wire(frames: &[(u8, bool, usize)]) -> (Vec<u8>, Vec<usize>) {
            let (mut bytes, mut boundaries) = (Vec::new(), vec![0]);
            for &(opcode, mask, size) in frames {
                let mut frame = masked(opcode, &vec![0x88; size]);
                if !mask {
                    frame[1] &= 0x7f;
                    let header = frame.len() - size - 4;
                    frame.drain(header..header + 4);
                }
                bytes.extend(frame);
                boundaries.push(bytes.len());
            }
            (bytes, boundaries)
        }

        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

            #[test]
            fn every_boundary_is_known_however_the_stream_is_cut(
                frames in frames(),
                chunks in prop::collection::vec(1..5000_usize, 1..40),
            ) {
                let (bytes, boundaries) = wire(&frames);
                let (mut scanner, mut at) = (Scanner::default(), 0);
                let mut chunks = chunks.into_iter().cycle();
                while at < bytes.len() {
                    let next = *boundaries.iter().find(|&&boundary| boundary >= at).unwrap();
                    prop_assert_eq!(scanner.at_boundary(), next == at);
                    prop_assert_eq!(scanner.within(&bytes[at..]), next - at);
                    prop_assert!(scanner.missing() <= (next - at) as u64);
                    prop_assert_eq!(scanner.missing() == 0, next == at);
                    let chunk = chunks.next().unwrap().min(bytes.len() - at);
                    scanner.pass(&bytes[at..at + chunk]);
                    at += chunk;
                }
                prop_assert!(scanner.at_boundary() && !scanner.closed());
            }

            #[test]
            fn control_frames_pass_until_data_begins(frames in frames(), chunk in 1..700_usize) {
                let (bytes, boundaries) = wire(&frames);
                let data = frames.iter().position(|frame| frame.0 < 8).unwrap_or(frames.len());
                let (mut scanner, mut at) = (Scanner::default(), 0);
                for piece in bytes.chunks(chunk) {
                    let passed = scanner.pass_control(piece);
                    at += passed;
                    if passed < piece.len() {
                        break;
                    }
                }
                prop_assert_eq!(at, boundaries[data]);
            }

            #[test]
            fn no_bytes_upset_it(bytes in prop::collection::vec(any::<u8>(), 0..300), split in 0..300_usize) {
                let mut whole = Scanner::default();
                whole.pass(&bytes);
                let (first, second) = bytes.split_at(split.min(bytes.len()));
                let mut parts = Scanner::default();
                parts.pass(first);
                parts.pass(second);
                prop_assert_eq!(whole.at_boundary(), parts.at_boundary());
                prop_assert_eq!(whole.closed(), parts.closed());
                prop_assert_eq!(whole.missing(), parts.missing());
            }
        }
    }

    #[test]
    fn the_close_frame_ends_where_tungstenite_ends_it() {
        use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
        use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

        let opcodes = [
            OpCode::Data(Data::Continue),
            OpCode::Data(Data::Text),
            OpCode::Data(Data::Binary),
            OpCode::Control(Control::Ping),
            OpCode::Control(Control::Pong),
            OpCode::Control(Control::Close),
        ];
        let lengths = proptest::sample::select(&[0, 1, 125, 126, 127, 65_535, 65_536][..]);
        let frame = (
            proptest::sample::select(opcodes.to_vec()),
            lengths,
            proptest::bool::ANY,
        );
        let frames =
            proptest::collection::vec((frame, proptest::arbitrary::any::<Option<[u8; 4]>>()), 0..8);
        let config = proptest::test_runner::Config::with_cases(64);
        proptest::proptest!(config, |(frames in frames, cut in 1..100_usize)| {
            let (mut stream, mut end) = (Vec::new(), None);
            for ((opcode, length, last), mask) in frames {
                let length = if let OpCode::Control(_) = opcode { length.min(125) } else { length };
                let header = FrameHeader { is_final: last, opcode, mask, ..FrameHeader::default() };
                let frame = Frame::from_payload(header, vec![0x88; length].into());
                frame.format(&mut stream).unwrap();
                if opcode == OpCode::Control(Control::Close) {
                    end = end.or(Some(stream.len()));
                }
            }
            let mut scanner = Scanner::default();
            let mut passed = 0;
            for part in stream.chunks(cut) {
                passed += part.len();
                let closed = scanner.passes_close(part);
                assert_eq!(closed, end.is_some_and(|end| passed >= end));
            }
        });
    }
}
