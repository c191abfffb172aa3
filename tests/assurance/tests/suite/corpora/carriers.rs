//! The carriers of a token, and their answers to a malformed one.

use http::{HeaderValue, Method, Request, Version};

use crate::corpora::Bad;
use crate::forge::{b64, percent_encoded};
use crate::stack::{Answer, PAGE};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Query,
    QueryBearer,
    Header,
    Phoenix,
    Kubernetes,
    Cookie,
}

impl Carrier {
    pub(crate) const ALL: [Self; 6] = [
        Self::Query,
        Self::QueryBearer,
        Self::Header,
        Self::Phoenix,
        Self::Kubernetes,
        Self::Cookie,
    ];

    /// The request, if the token can be written there at all.
    pub(crate) fn carry(self, path: &str, token: &[u8]) -> Option<Wire> {
        let mut wire = Wire::to(path);
        match self {
            Self::Query => wire.target = format!("{path}?token={}", percent_encoded(token)),
            Self::QueryBearer => {
                wire.target = format!("{path}?Authorization=Bearer%20{}", percent_encoded(token));
            }
            Self::Header => wire.add("authorization", [b"Bearer ", token].concat()),
            Self::Phoenix => {
                wire.add(
                    "sec-websocket-protocol",
                    format!("phoenix, base64url.bearer.phx.{}", b64(token)),
                );
            }
            Self::Kubernetes => wire.add(
                "sec-websocket-protocol",
                format!("base64url.bearer.authorization.k8s.io.{}, v1", b64(token)),
            ),
            Self::Cookie => {
                wire.add("origin", PAGE);
                wire.add("cookie", [b"theme=dark; jwt=", token].concat());
            }
        }
        let blank = |byte: Option<&u8>| byte.is_some_and(|byte| b" \t".contains(byte));
        // Those would not be in the value, but around it.
        let ambiguous = match self {
            Self::Header => blank(token.first()) || blank(token.last()),
            Self::Cookie => {
                blank(token.first())
                    || blank(token.last())
                    || token.contains(&b';')
                    || (token.first() == Some(&b'"') && token.last() == Some(&b'"'))
            }
            _ => false,
        };
        let writable = wire
            .fields
            .iter()
            .all(|(_, value)| HeaderValue::from_bytes(value).is_ok());
        (!ambiguous && writable && wire.target.len() < 65_000).then_some(wire)
    }
}

/// The required answer for every carrier. Written from RFC 6750 §2.1, not from the code.
pub(crate) fn verdict(bad: &Bad) -> Answer {
    let refusal = match bad.text() {
        Some(text) if is_b64token(text) && text.len() <= 8 * 1024 => bad.refusal,
        _ => "credentials_malformed",
    };
    refused(refusal)
}

pub(crate) fn refused(refusal: &'static str) -> Answer {
    let status = match refusal {
        "credentials_malformed" | "handshake_invalid" => 400,
        "origin_denied" => 403,
        _ => 401,
    };
    Answer {
        status,
        refusal: Some(refusal),
    }
}

fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let known = |letter: char| letter.is_ascii_alphanumeric() || "-._~+/".contains(letter);
    !body.is_empty() && body.chars().all(known)
}

/// A handshake before it is written for one version of HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) target: String,
    pub(crate) fields: Vec<(&'static str, Vec<u8>)>,
}

impl Wire {
    pub(crate) fn to(path: &str) -> Self {
        Self {
            target: path.to_owned(),
            fields: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, name: &'static str, value: impl Into<Vec<u8>>) {
        self.fields.push((name, value.into()));
    }

    pub(crate) fn size(&self) -> usize {
        self.target.len()
            + self
                .fields
                .iter()
                .map(|(name, value)| name.len() + value.len() + 32)
                .sum::<usize>()
    }

    pub(crate) fn request(&self, version: Version) -> Request<()> {
        let mut request = match version {
            Version::HTTP_2 => Request::connect(format!("http://localhost{}", self.target))
                .extension(hyper::ext::Protocol::from_static("websocket")),
            _ => Request::builder()
                .method(Method::GET)
                .uri(&self.target)
                .header("host", "localhost")
                .header("connection", "Upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        };
        request = request
            .version(version)
            .header("sec-websocket-version", "13");
        for (name, value) in &self.fields {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        request.body(()).unwrap()
    }

    /// As it stands on an HTTP/1.1 connection.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!(
            "GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
            self.target
        )
        .into_bytes();
        for (name, value) in &self.fields {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}
