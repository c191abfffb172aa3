//! Reads the first message out of a byte stream (RFC 6455 §5), before its client is known.

use crate::frame::CloseCode;

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Message(String),
    Ping(Vec<u8>),
    /// With the code to answer.
    Close(CloseCode),
}

/// What ends the wait for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// What no client may send.
    Protocol,
    Binary,
    NotUtf8,
    TooLong,
}

impl Fault {
    /// RFC 6455 §7.4.1.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Binary => 1003,
            Self::NotUtf8 => 1007,
            Self::TooLong => 1009,
        }
    }

    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::Protocol => "a frame that RFC 6455 forbids came before the first message",
            Self::Binary => "the first message is binary",
            Self::NotUtf8 => "the first message is not UTF-8",
            Self::TooLong => "the first message is too long, or too much stands around it",
        }
    }
}

/// So much may stand around a message: headers, pings, and messages that are answered.
const AROUND: usize = 4 * 1024;

/// Collects bytes until a frame is whole. It looks at each byte of a payload once.
#[derive(Debug)]
pub(super) struct Reader {
    bytes: Vec<u8>,
    /// Where the next frame begins.
    at: usize,
    message: Vec<u8>,
    /// A message was begun.
    open: bool,
    longest: usize,
    /// How many bytes may still come.
    left: usize,
}

impl Reader {
    pub(super) fn new(longest: usize) -> Self {
        Self {
            bytes: Vec::new(),
            at: 0,
            message: Vec::new(),
            open: false,
            longest,
            left: AROUND,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// What was read and belongs to no event.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// The next event, if it is whole.
    pub(super) fn next(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            let Some(head) = Head::read(self.rest())? else {
                return Ok(None);
            };
            if head.is_control {
                self.left.checked_sub(head.size + head.length)
            } else {
                self.check_order(&head)?;
                let most = self.longest.saturating_sub(self.message.len());
                self.left
                    .checked_sub(head.size)
                    .filter(|_| head.length <= most)
            }
            .ok_or(Fault::TooLong)?;
            let rest = &self.bytes[self.at..];
            let Some(payload) = rest.get(head.size..head.size + head.length) else {
                return Ok(None);
            };
            let mask = head.mask;
            let plain = payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask);
            if head.is_control {
                let payload = plain.collect();
                self.pass(&head);
                match head.opcode {
                    CLOSE => return close(&payload).map(Some),
                    PING => return Ok(Some(Event::Ping(payload))),
                    _ => continue,
                }
            }
            self.message.extend(plain);
            self.open = true;
            self.pass(&head);
            if head.fin {
                self.open = false;
                let message = std::mem::take(&mut self.message);
                let message = String::from_utf8(message).map_err(|_| Fault::NotUtf8)?;
                return Ok(Some(Event::Message(message)));
            }
        }
    }

    /// A message that was answered counts as what stands around the one that is waited for.
    pub(super) fn answered(&mut self, length: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(length).ok_or(Fault::TooLong)?;
        Ok(())
    }

    fn pass(&mut self, head: &Head) {
        self.at += head.size + head.length;
        // The payload of a message is bounded by itself.
        let spent = if head.is_control { head.length } else { 0 };
        self.left = self.left.saturating_sub(head.size + spent);
    }

    fn check_order(&self, head: &Head) -> Result<(), Fault> {
        match (head.opcode, self.open) {
            (CONTINUATION, true) | (TEXT, false) => Ok(()),
            (BINARY, false) => Err(Fault::Binary),
            _ => Err(Fault::Protocol),
        }
    }
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The header of a frame, mask and all.
struct Head {
    fin: bool,
    opcode: u8,
    is_control: bool,
    mask: [u8; 4],
    size: usize,
    length: usize,
}

impl Head {
    /// `None` while it is not whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        const FIN: u8 = 0x80;
        const RESERVED: u8 = 0x70;
        const MASKED: u8 = 0x80;
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let (fin, opcode) = (first & FIN != 0, first & 0xf);
        let is_control = matches!(opcode, CLOSE | PING | PONG);
        let is_known = is_control || opcode <= BINARY;
        if first & RESERVED != 0 || !is_known || is_control && !fin {
            return Err(Fault::Protocol);
        }
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        let short = second & !MASKED;
        if second & MASKED == 0 || is_control && short > 125 {
            return Err(Fault::Protocol);
        }
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(extension) = bytes.get(2..2 + extended) else {
            return Ok(None);
        };
        let length = match extended {
            0 => u64::from(short),
            _ => extension
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        // RFC 6455 §5.2: the most significant bit must be 0.
        i64::try_from(length).map_err(|_| Fault::Protocol)?;
        let size = 2 + extended + 4;
        let Some(mask) = bytes.get(2 + extended..size) else {
            return Ok(None);
        };
        let mask = mask.try_into().map_err(|_| Fault::Protocol)?;
        // A length that does not fit is longer than any limit.
        let length = usize::try_from(length)
            .unwrap_or(usize::MAX - size)
            .min(usize::MAX - size);
        Ok(Some(Self {
            fin,
            opcode,
            is_control,
            mask,
            size,
            length,
        }))
    }
}

fn close(payload: &Vec<u8>) -> Result<Event, Fault> {
    let code = match payload[..] {
        [] => Ok(CloseCode::NORMAL),
        [high, low, ..] => CloseCode::new(u16::from_be_bytes([high, low])),
        [_] => return Err(Fault::Protocol),
    };
    code.map(Event::Close).map_err(|_| Fault::Protocol)
}

#[cfg(test)]
mod first_message_rfc6455_5 {
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
}
