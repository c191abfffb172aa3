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
