//! An arbitrary client before it has shown a credential, behind hyper: it ends in time, the credential is
//! the message that it sent, and the handler reads what came behind that.
#![no_main]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tower::{ServiceBuilder, service_fn};
use tower_ws_auth::credential::MessageCredential;
use tower_ws_auth::first_message::{FirstMessageLayer, MessageFormat};
use tower_ws_auth::{AuthLayer, Authenticated, Grant, Rejection, RejectionKind};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    acts: Vec<Act<'a>>,
    /// The size of the buffers between both sides.
    room: u8,
    /// The longest message that is read.
    most: u8,
}

#[derive(Arbitrary, Debug)]
enum Act<'a> {
    Bytes(&'a [u8]),
    Frame {
        first: u8,
        mask: [u8; 4],
        payload: &'a [u8],
    },
    /// In milliseconds.
    Pause(u16),
}

impl Act<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Frame {
                first,
                mask,
                payload,
            } => {
                let payload = &payload[..payload.len().min(125)];
                let length = u8::try_from(payload.len()).expect("at most 125");
                let mut frame = vec![*first, 0x80 | length];
                frame.extend_from_slice(mask);
                let masked = payload.iter().zip(mask.iter().cycle());
                frame.extend(masked.map(|(byte, mask)| byte ^ mask));
                frame
            }
            Self::Pause(_) => Vec::new(),
        }
    }
}

thread_local! {
    // Time stands still, and jumps when all tasks wait.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
}

/// For the message, and for the closing handshake.
const DEADLINE: Duration = Duration::from_secs(5);

/// The credential, and what the handler has read.
type Accepted = (String, Vec<u8>);

fuzz_target!(|input: Input<'_>| {
    RUNTIME.with(|runtime| {
        let (sent, accepted) = runtime.block_on(talk(&input));
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
        if let Some((credential, rest)) = accepted {
            assert!(credential.len() <= most(&input));
            let first = sent.strip_suffix(&*rest);
            let first = first.expect("the handler reads what the client has sent last");
            let message = message(first).map(String::from_utf8);
            let message = message.expect("a whole message").expect("UTF-8");
            let before = message.strip_suffix(&*credential).expect("its end");
            let scheme = before.trim_matches(' ');
            assert!(scheme.is_empty() || scheme.eq_ignore_ascii_case("bearer"));
        }
    });
});

fn most(input: &Input<'_>) -> usize {
    usize::from(input.most) * 2
}

/// Leaves the credential as it is: another one is a credential of no carrier.
fn auth(head: &mut Parts) -> Ready<Result<Grant<String>, Rejection>> {
    let found = head.extensions.remove::<MessageCredential>();
    let missing = || Rejection::new(RejectionKind::CredentialsMissing, "none");
    let found = found.ok_or_else(missing);
    ready(found.map(|found| Grant::new(found.as_str().to_owned())))
}

/// What the client has sent behind its handshake, and what became of it.
async fn talk(input: &Input<'_>) -> (Vec<u8>, Option<Accepted>) {
    let (tell, mut told) = mpsc::unbounded_channel();
    let layer = FirstMessageLayer::new(MessageFormat::plain())
        .timeout(DEADLINE)
        .deadline(DEADLINE)
        .reject_delay(Duration::ZERO)
        .max_bytes(most(input));
    let early = layer.early();
    let service = ServiceBuilder::new()
        .layer(layer)
        .layer(AuthLayer::new(auth))
        .service(service_fn(move |mut request: Request<Incoming>| {
            let user = request.extensions().get::<Authenticated<String>>();
            let user = user.expect("an identity").clone().into_inner();
            let upgrade = hyper::upgrade::on(&mut request);
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.expect("the connection"));
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                let _ = tell.send((user, rest));
            });
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            ready(Ok::<_, Infallible>(response))
        }));
    let (client, server) = duplex(usize::from(input.room) + 256);
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(server), TowerToHyperService::new(service))
        .with_upgrades();
    let (mut read, mut write) = split(client);
    let speaking = async move {
        let mut sent = Vec::new();
        let _ = write
            .write_all(
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )
            .await;
        for act in input.acts.iter().take(64) {
            if let Act::Pause(time) = act {
                sleep(Duration::from_millis((*time).into())).await;
            }
            let bytes = act.bytes();
            if write.write_all(&bytes).await.is_err() {
                break;
            }
            sent.extend(bytes);
        }
        let _ = write.shutdown().await;
        sent
    };
    let listening = async {
        let mut heard = Vec::new();
        let _ = read.read_to_end(&mut heard).await;
        heard
    };
    let (sent, _, _) = tokio::join!(speaking, listening, connection);
    tokio::time::timeout(DEADLINE * 3, early.wait())
        .await
        .expect("it never ends");
    // All that answers the handshake is gone, and so the handler has said what it read.
    (sent, told.recv().await)
}

/// The payload of the one text message that these bytes are, beside control frames. They are valid.
fn message(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        let (&first, rest) = bytes.split_first()?;
        let (&second, rest) = rest.split_first()?;
        let size = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let (extended, rest) = rest.split_at_checked(size)?;
        let length = extended
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        let length = if size == 0 {
            usize::from(second & 0x7f)
        } else {
            length
        };
        let (mask, rest) = rest.split_at_checked(4)?;
        let (payload, rest) = rest.split_at_checked(length)?;
        let plain = payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask);
        if first & 0xf < 8 {
            text.extend(plain);
            if first & 0x80 != 0 {
                return rest.is_empty().then_some(text);
            }
        }
        bytes = rest;
    }
}
