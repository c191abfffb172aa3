use super::*;
use proptest::prelude::*;
use test_support::frame::{masked, unmasked};

/// Everything up to a fault, of a stream in pieces of this size.
fn read(bytes: &[u8], size: usize) -> (Vec<Event>, Option<Fault>) {
    let mut reader = Reader::new(64);
    let mut events = Vec::new();
    for piece in bytes.chunks(size) {
        reader.push(piece);
        loop {
            match reader.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(fault) => return (events, Some(fault)),
            }
        }
    }
    (events, None)
}

#[test]
fn a_message_is_read_whatever_its_pieces() {
    let stream = [
        masked(true, PING, b"a"),
        masked(false, TEXT, b"hel"),
        masked(true, PING, b"b"),
        masked(true, CONTINUATION, b"lo"),
        masked(true, CLOSE, b"\x03\xe8bye"),
    ]
    .concat();
    for size in [1, 2, 3, 7, 1000] {
        let (events, fault) = read(&stream, size);
        let expected = [
            Event::Ping(b"a".to_vec()),
            Event::Ping(b"b".to_vec()),
            Event::Message("hello".to_owned()),
            Event::Close(CloseCode::NORMAL),
        ];
        assert_eq!((&events[..], fault), (&expected[..], None));
    }
}

#[test]
fn each_fault_has_its_own_code() {
    for (bytes, code) in [
        (unmasked(true, TEXT, b"x"), 1002),
        (masked(true, CONTINUATION, b"x"), 1002),
        (
            [masked(false, TEXT, b"x"), masked(true, TEXT, b"y")].concat(),
            1002,
        ),
        (masked(false, PING, b""), 1002),
        (masked(true, CLOSE, b"x"), 1002),
        (masked(true, CLOSE, b"\x03\xed"), 1002),
        (b"\xc1\x80\0\0\0\0".to_vec(), 1002),
        (masked(true, BINARY, b"x"), 1003),
        (masked(true, TEXT, b"\xff"), 1007),
        (masked(true, TEXT, &[b'x'; 65]), 1009),
        (
            [
                masked(false, TEXT, &[b'x'; 40]),
                masked(true, CONTINUATION, &[b'x'; 40]),
            ]
            .concat(),
            1009,
        ),
        (masked(true, PING, &[0; 125]).repeat(40), 1009),
        (
            masked(false, TEXT, b"")
                .into_iter()
                .chain(masked(false, CONTINUATION, b"").repeat(1000))
                .collect(),
            1009,
        ),
    ] {
        for size in [1, 1000] {
            assert_eq!(
                read(&bytes, size).1.map(Fault::code),
                Some(code),
                "{bytes:?}"
            );
        }
    }
}

#[test]
fn the_exact_limit_is_read_and_a_long_one_is_refused_by_its_header() {
    let (events, fault) = read(&masked(true, TEXT, &[b'x'; 64]), 5);
    assert_eq!((events.len(), fault), (1, None));
    assert_eq!(
        read(b"\x81\xff\0\0\0\0\0\x01\0\0\0\0\0\0", 1).1,
        Some(Fault::TooLong)
    );
}

proptest! {
    #[test]
    fn any_bytes_read_the_same_in_any_pieces(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x81), Just(0x80), Just(0x01), Just(0x89)], 0..300),
        size in 1_usize..50,
    ) {
        prop_assert_eq!(read(&bytes, size), read(&bytes, 1));
    }
}
