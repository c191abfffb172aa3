use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeSliceError, Engine as _};
use tower_ws_auth_core::Rejection;

use crate::invalid;

/// A token taken apart (RFC 7515 §7.1), nothing of it decoded.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'t> {
    pub(crate) header: &'t str,
    pub(crate) payload: &'t str,
    pub(crate) signature: &'t str,
    /// Header and payload with the dot between them: what is signed.
    pub(crate) signed: &'t str,
}

impl<'t> Compact<'t> {
    /// A token of no more bytes than `longest`.
    pub(crate) fn split(token: &'t str, longest: usize) -> Result<Self, Rejection> {
        if token.len() > longest {
            return Err(invalid(
                "the token is longer than its carrier allows (8 KiB by default)",
            ));
        }
        let parts = token.rsplit_once('.').and_then(|(signed, signature)| {
            let (header, payload) = signed.split_once('.')?;
            (!has_dot(payload)).then_some((header, payload, signature, signed))
        });
        let Some((header, payload, signature, signed)) = parts else {
            return Err(invalid(if token.matches('.').count() == 4 {
                "the token has five parts: it is encrypted (JWE), and only signed ones are read"
            } else {
                "the token does not have three parts"
            }));
        };
        // In the middle of a part it is no base64url, either.
        if [header, payload, signature]
            .iter()
            .any(|part| part.ends_with('='))
        {
            return Err(invalid(
                "the token has `=` padding, which a JWS never has (RFC 7515 §2)",
            ));
        }
        Ok(Self {
            header,
            payload,
            signature,
            signed,
        })
    }
}

/// Without an early end in a chunk, so that the compiler looks at sixteen bytes at a time.
fn has_dot(text: &str) -> bool {
    let all = text.as_bytes();
    let is_dot = |byte: &u8| u8::from(*byte == b'.');
    let found = |bytes: &[u8]| bytes.iter().fold(0, |any, byte| any | is_dot(byte)) != 0;
    let (chunks, _) = all.as_chunks::<16>();
    match all.last_chunk::<16>() {
        // The rest that fills no chunk is looked at with the bytes before it.
        Some(last) => chunks.iter().any(|chunk| found(chunk)) || found(last),
        None => found(all),
    }
}

/// Base64url, strictly: no padding, no stray bits, no character outside the alphabet
/// (RFC 7515 §2).
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Like [`decode`], into a place that is given, if it is large enough.
pub(crate) fn decode_slice<'b>(text: &str, place: &'b mut [u8]) -> Option<&'b [u8]> {
    let length = URL_SAFE_NO_PAD.decode_slice(text, place).ok()?;
    place.get(..length)
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A place for decoded text: on the stack up to about `N` bytes, on the heap beyond.
pub(crate) struct Buffer<const N: usize> {
    stack: [u8; N],
    heap: Vec<u8>,
}

impl<const N: usize> Buffer<N> {
    pub(crate) fn new() -> Self {
        Self {
            stack: [0; N],
            heap: Vec::new(),
        }
    }

    /// What base64url says, which must be UTF-8.
    pub(crate) fn decode(&mut self, text: &str) -> Option<&str> {
        let bytes = match URL_SAFE_NO_PAD.decode_slice(text, &mut self.stack) {
            Ok(length) => self.stack.get(..length)?,
            Err(DecodeSliceError::OutputSliceTooSmall) => {
                self.heap = decode(text)?;
                &self.heap
            }
            Err(DecodeSliceError::DecodeError(_)) => return None,
        };
        str::from_utf8(bytes).ok()
    }
}
