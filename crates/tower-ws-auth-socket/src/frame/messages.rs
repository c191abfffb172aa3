//! Reads a client's messages out of a byte stream (RFC 6455 §5), no more than their first bytes.

/// Follows the frames of a client and keeps the beginning of each message.
pub(crate) struct Messages {
    /// The header of the frame that is read, as far as it has come.
    head: [u8; MAX_HEAD],
    had: u8,
    /// Payload of that frame that is still to come; `None` while its header is read.
    left: Option<u64>,
    /// Where the mask stands.
    masked: usize,
    /// A message was begun, and its last frame has not ended.
    open: bool,
    most: usize,
    prefix: Vec<u8>,
}

/// What has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A message has ended: [`Messages::prefix`] is its beginning.
    Message,
    /// A close frame has ended.
    Close,
    /// What no client may send.
    Violation,
}

const MAX_HEAD: usize = 14;
const MASK: usize = 4;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const CONTROL: u8 = 0x8;

impl Messages {
    /// Keeps at most so many bytes of a message.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            head: [0; MAX_HEAD],
            had: 0,
            left: None,
            masked: 0,
            open: false,
            most,
            prefix: Vec::new(),
        }
    }

    /// The beginning of the message that has ended.
    pub(crate) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Reads up to the next event; returns how many bytes that took.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> (usize, Option<Event>) {
        let mut read = 0;
        loop {
            let Some(left) = self.left else {
                let Some(&byte) = bytes.get(read) else {
                    return (read, None);
                };
                read += 1;
                if self.read_head(byte).is_none() {
                    return (read, Some(Event::Violation));
                }
                continue;
            };
            let rest = &bytes[read..];
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            self.read_payload(&rest[..now]);
            read += now;
            let left = left - now as u64;
            self.left = Some(left);
            if left > 0 {
                return (read, None);
            }
            if let Some(event) = self.end_frame() {
                return (read, Some(event));
            }
        }
    }

    /// `None` for what no client may send.
    fn read_head(&mut self, byte: u8) -> Option<()> {
        let had = usize::from(self.had);
        *self.head.get_mut(had)? = byte;
        self.had += 1;
        match had {
            0 => self.check_first(byte),
            1 => {
                let is_whole = self.opcode() & CONTROL == 0 || byte & !MASKED <= 125;
                (byte & MASKED != 0 && is_whole).then_some(())
            }
            _ => {
                let extended = self.extended();
                if had + 1 < 2 + extended + MASK {
                    return Some(());
                }
                let length = match extended {
                    0 => u64::from(self.head[1] & !MASKED),
                    _ => self.head[2..2 + extended]
                        .iter()
                        .fold(0, |length, byte| length << 8 | u64::from(*byte)),
                };
                self.left = Some(length);
                // RFC 6455 §5.2: the most significant bit must be 0.
                i64::try_from(length).ok().map(|_| ())
            }
        }
    }

    fn check_first(&mut self, byte: u8) -> Option<()> {
        const RESERVED: u8 = 0x70;
        let is_control = byte & CONTROL != 0;
        let is_valid = byte & RESERVED == 0
            && match byte & 0xf {
                0 => self.open,
                1 | 2 => !self.open,
                8..=10 => byte & FIN != 0,
                _ => false,
            };
        if !is_control && !self.open {
            self.prefix.clear();
        }
        self.open |= !is_control;
        is_valid.then_some(())
    }

    fn read_payload(&mut self, bytes: &[u8]) {
        if self.opcode() & CONTROL == 0 {
            let room = self.most.saturating_sub(self.prefix.len()).min(bytes.len());
            let mask = 2 + self.extended();
            for (at, byte) in (self.masked..).zip(&bytes[..room]) {
                self.prefix.push(byte ^ self.head[mask + at % MASK]);
            }
        }
        self.masked = (self.masked + bytes.len() % MASK) % MASK;
    }

    fn end_frame(&mut self) -> Option<Event> {
        let first = self.head[0];
        self.left = None;
        self.had = 0;
        self.masked = 0;
        if first & CONTROL != 0 {
            return (first & 0xf == CONTROL).then_some(Event::Close);
        }
        if first & FIN == 0 {
            return None;
        }
        self.open = false;
        Some(Event::Message)
    }

    fn opcode(&self) -> u8 {
        self.head[0] & 0xf
    }

    /// How many bytes the extended length has.
    fn extended(&self) -> usize {
        match self.head[1] & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use test_support::frame::{BINARY, CLOSE, CONTINUATION, PING, TEXT, masked, unmasked};

    /// What is read of a stream that comes in pieces of this size.
    fn read(bytes: &[u8], size: usize, most: usize) -> Vec<(Event, Vec<u8>)> {
        let mut messages = Messages::new(most);
        let mut events = Vec::new();
        for mut piece in bytes.chunks(size) {
            while !piece.is_empty() {
                let (read, event) = messages.read(piece);
                piece = &piece[read..];
                if let Some(event) = event {
                    events.push((event, messages.prefix().to_vec()));
                }
                if event == Some(Event::Violation) {
                    return events;
                }
            }
        }
        events
    }

    #[test]
    fn messages_are_read_whatever_their_pieces() {
        let long = vec![b'x'; 70_000];
        let stream = [
            masked(true, TEXT, b"one"),
            masked(false, BINARY, b"tw"),
            masked(true, PING, b"ping"),
            masked(true, CONTINUATION, b"o"),
            masked(true, TEXT, b""),
            masked(true, TEXT, &long[..300]),
            masked(true, TEXT, &long),
            masked(true, CLOSE, b""),
        ]
        .concat();
        for size in [1, 2, 3, 7, 1000, 100_000] {
            let events = read(&stream, size, 301);
            let messages: Vec<_> = events.iter().map(|(_, prefix)| &prefix[..]).collect();
            assert_eq!(messages[..3], [b"one", &b"two"[..], b""]);
            assert_eq!(messages[3..5], [&long[..300], &long[..301]]);
            assert_eq!(events.len(), 6);
            assert_eq!(events[5].0, Event::Close);
        }
    }

    #[test]
    fn what_no_client_may_send_is_a_violation_rfc6455_5() {
        for bytes in [
            unmasked(true, TEXT, b"x"),
            masked(true, CONTINUATION, b"x"),
            [masked(false, TEXT, b"x"), masked(true, TEXT, b"y")].concat(),
            masked(false, PING, b""),
            masked(true, PING, &[0; 126]),
            masked(true, 3, b""),
            masked(true, 11, b""),
            b"\xc1\x80\0\0\0\0".to_vec(),
            b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        ] {
            let events = read(&bytes, 1, 64);
            assert_eq!(
                events.last().map(|(event, _)| *event),
                Some(Event::Violation)
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic_and_within_the_prefix(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            size in 1_usize..50,
        ) {
            for (_, prefix) in read(&bytes, size, 16) {
                prop_assert!(prefix.len() <= 16);
            }
        }
    }
}
