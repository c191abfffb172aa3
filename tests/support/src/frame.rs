//! Frames (RFC 6455 §5.2), written and read by hand.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// The opcode of all but the first frame of a message.
pub const CONTINUATION: u8 = 0;
/// The opcode of text.
pub const TEXT: u8 = 1;
/// The opcode of bytes.
pub const BINARY: u8 = 2;
/// The opcode of a close frame.
pub const CLOSE: u8 = 8;
/// The opcode of a ping.
pub const PING: u8 = 9;
/// The opcode of the answer to a ping.
pub const PONG: u8 = 10;

/// The mask of a client. Any value would do.
const MASK: [u8; 4] = [0x1f, 0x2e, 0x3d, 0x4c];

/// A frame of a server.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whether it is the last one of its message.
    pub fin: bool,
    /// Its opcode.
    pub opcode: u8,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Reads a frame.
///
/// # Errors
///
/// The connection ended first, or no server may send such a frame.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let first = stream.read_u8().await?;
    let second = stream.read_u8().await?;
    let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
    demand(first & 0x70 == 0, "reserved bits")?;
    demand(second & 0x80 == 0, "a server does not mask")?;
    let is_known = matches!(opcode, CONTINUATION..=BINARY | CLOSE..=PONG);
    demand(is_known, "an opcode without a meaning")?;
    let length = match second {
        126 => stream.read_u16().await?.into(),
        127 => stream.read_u64().await?,
        short => short.into(),
    };
    let is_whole = opcode < CLOSE || (fin && length <= 125);
    demand(is_whole, "a control frame is whole and short")?;
    // A torn frame may have any length.
    demand(length <= 1 << 24, "more than any test sends")?;
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await?;
    Ok(Frame {
        fin,
        opcode,
        payload,
    })
}

fn demand(holds: bool, what: &'static str) -> io::Result<()> {
    if holds {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

impl Frame {
    /// The only one of its message.
    pub fn whole(opcode: u8, payload: &[u8]) -> Self {
        Self {
            fin: true,
            opcode,
            payload: payload.to_owned(),
        }
    }

    /// The code and the reason of a close frame.
    ///
    /// # Panics
    ///
    /// It has no code, or its reason is no text.
    pub fn close(&self) -> Option<(u16, &str)> {
        let is_close = self.opcode == CLOSE;
        is_close.then(|| {
            let (code, reason) = self.payload.split_first_chunk().expect("no code");
            (u16::from_be_bytes(*code), str::from_utf8(reason).unwrap())
        })
    }
}

/// A frame of a client.
pub fn masked(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(fin, opcode, payload.len(), 0x80);
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

/// A frame of a server.
pub fn unmasked(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(fin, opcode, payload.len(), 0);
    frame.extend(payload);
    frame
}

fn head(fin: bool, opcode: u8, length: usize, mask: u8) -> Vec<u8> {
    let mut head = vec![if fin { 0x80 } else { 0 } | opcode];
    match length {
        0..=125 => head.push(mask | u8::try_from(length).unwrap()),
        126..=65_535 => {
            head.push(mask | 0x7e);
            head.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            head.push(mask | 0x7f);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_read_as_written() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![7; length];
            let frame = unmasked(true, BINARY, &payload);
            let read = read(&mut &frame[..]).await.unwrap();
            assert_eq!(read, Frame::whole(BINARY, &payload));
        }
    }

    #[test]
    fn a_masked_frame_is_the_rfcs_but_for_its_mask() {
        let frame = masked(true, CLOSE, b"\x11\x31");
        assert_eq!(frame, [0x88, 0x82, 0x1f, 0x2e, 0x3d, 0x4c, 0x0e, 0x1f]);
    }

    #[tokio::test]
    async fn a_frame_that_no_server_may_send_is_an_error() {
        for bytes in [
            // With a reserved bit, of an unknown kind, masked; a ping in pieces, and a long one.
            &b"\xc2\0"[..],
            b"\x83\0",
            &masked(true, BINARY, b""),
            b"\x09\0",
            b"\x89\x7e\0\x7e",
        ] {
            let error = read(&mut &bytes[..]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_close_frame_has_a_code_and_a_reason() {
        let frame = unmasked(true, CLOSE, b"\x11\x31token_expired");
        let read = read(&mut &frame[..]).await.unwrap();
        assert_eq!(read.close(), Some((4401, "token_expired")));
    }
}
