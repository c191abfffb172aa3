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
    /// The first byte of the last frame with data, inverted: zero before there was one.
    data: u8,
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
            data: 0,
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

    /// Whether a message is half passed: its last frame with data was not its final one.
    pub(crate) fn in_message(&self) -> bool {
        const FIN: u8 = 0x80;
        self.data & FIN != 0
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
                    if byte & CONTROL == 0 {
                        self.data = !byte;
                    }
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

// Named, because the bench of growth includes this file.
#[cfg(test)]
#[path = "scanner/tests.rs"]
mod tests;
