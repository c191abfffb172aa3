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
            if head.is_control {
                let mut plain = Vec::new();
                unmask(payload, head.mask, &mut plain);
                let payload = plain;
                self.pass(&head);
                match head.opcode {
                    CLOSE => return close(&payload).map(Some),
                    PING => return Ok(Some(Event::Ping(payload))),
                    _ => continue,
                }
            }
            unmask(payload, head.mask, &mut self.message);
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

/// Appends the payload of a frame (RFC 6455 §5.3), four bytes at a time.
fn unmask(payload: &[u8], mask: [u8; 4], plain: &mut Vec<u8>) {
    let key = u32::from_ne_bytes(mask);
    let begins = plain.len();
    plain.extend_from_slice(payload);
    let (words, rest) = plain[begins..].as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

fn close(payload: &[u8]) -> Result<Event, Fault> {
    let code = match *payload {
        [] => Ok(CloseCode::NORMAL),
        [high, low, ..] => CloseCode::new(u16::from_be_bytes([high, low])),
        [_] => return Err(Fault::Protocol),
    };
    code.map(Event::Close).map_err(|_| Fault::Protocol)
}

#[cfg(test)]
mod first_message_rfc6455_5;
