//! The list of subprotocols once a layer has answered the handshake: it has selected one of them.

use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::is_credential_subprotocol;
use crate::handshake::{is_token, list};

/// The list as the client has sent it, in the extensions. Nothing prints it, and only a
/// [`Carriers`](super::Carriers) further in reads it.
#[derive(Clone)]
pub(crate) struct Offered {
    lines: Vec<HeaderValue>,
    pub(super) selected: Option<String>,
}

impl Offered {
    /// Leaves the selected subprotocol in the head. A [`Carriers`](super::Carriers) further in finds
    /// its credential among the others all the same. Entries that carry one in a known form stay, for
    /// a strategy without carriers.
    pub(crate) fn put_aside(head: &mut Parts, selected: Option<String>) {
        let lines = head.headers.get_all(SEC_WEBSOCKET_PROTOCOL);
        let lines: Vec<_> = lines.iter().map(copy).collect();
        if lines.is_empty() {
            return;
        }
        let stays = |entry: &&str| {
            selected.as_deref() == Some(entry)
                || !is_token(entry)
                || is_credential_subprotocol(entry)
        };
        let entries = list(&head.headers, &SEC_WEBSOCKET_PROTOCOL).filter(stays);
        let entries = entries.collect::<Vec<_>>().join(", ");
        replace_subprotocols(&mut head.headers, &entries);
        head.extensions.insert(Self { lines, selected });
    }

    pub(super) fn is_in(head: &Parts) -> bool {
        head.extensions.get::<Self>().is_some()
    }

    /// Puts the list back into the head.
    pub(super) fn bring_back(head: &mut Parts) -> Option<Self> {
        let mut offered: Self = head.extensions.remove()?;
        head.headers.remove(SEC_WEBSOCKET_PROTOCOL);
        for line in offered.lines.drain(..) {
            head.headers.append(SEC_WEBSOCKET_PROTOCOL, line);
        }
        Some(offered)
    }
}

/// A value of its own. A client that waits must not pin the buffer into which its head was read.
fn copy(line: &HeaderValue) -> HeaderValue {
    let mut copy = HeaderValue::from_bytes(line.as_bytes()).unwrap_or_else(|_| line.clone());
    copy.set_sensitive(line.is_sensitive());
    copy
}

/// Leaves these entries of the list, as sensitive as it was.
pub(crate) fn replace_subprotocols(headers: &mut HeaderMap, entries: &str) {
    let mut lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let is_sensitive = lines.any(HeaderValue::is_sensitive);
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    let entries = HeaderValue::from_str(entries).ok();
    if let Some(mut entries) = entries.filter(|entries| !entries.is_empty()) {
        entries.set_sensitive(is_sensitive);
        headers.insert(SEC_WEBSOCKET_PROTOCOL, entries);
    }
}
