//! Frames in both directions through a guarded connection that is cut at some point. For any bytes
//! of the client and any division of the handler's bytes, the client reads whole frames followed by
//! a close frame. The handler reads the client's bytes.
#![no_main]

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::ready;

use arbitrary::Arbitrary;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tower_ws_auth_socket::close::{Close, CloseCode};
use tower_ws_auth_socket::private::{Reason, write_text};
use tower_ws_auth_socket::private::{CloseHandle, Limits, Protocol, UpgradeGuard};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    code: u16,
    reason: &'a str,
    /// Frames of the handler: kind and length.
    frames: Vec<(u8, u16)>,
    /// The lengths of the pieces in which they are written, repeated.
    pieces: Vec<u8>,
    /// The piece before which the connection is cut.
    cut: u8,
    /// Whether the client answers a close frame.
    polite: bool,
    /// The size of the buffers between both sides.
    room: u8,
    from_client: &'a [u8],
}

thread_local! {
    // Time stands still, and jumps when all tasks wait.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
}

fuzz_target!(|input: Input<'_>| {
    let Ok(code) = CloseCode::new(input.code) else {
        return;
    };
    let close = Close::new(code, input.reason.to_owned());
    assert!(input.reason.starts_with(close.reason()));
    assert!(close.reason().len() <= Reason::MAX);
    let words = close.to_bytes();
    assert_eq!(frame(&words), Some(words.len()));
    assert_eq!(words[2..4], code.get().to_be_bytes());

    let (sent, ends) = handlers_frames(&input.frames);
    let talk = Talk {
        pieces: pieces(&sent, &input.pieces),
        close,
        cut: usize::from(input.cut),
    };
    let room = usize::from(input.room) + 16;
    let heard = RUNTIME.with(|runtime| {
        let heard = runtime.block_on(connect(
            talk,
            room,
            input.from_client.to_vec(),
            input.polite,
        ));
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
        heard
    });
    check_client(&heard.by_client, &sent, &ends, &words);
    check_handler(&heard.by_handler, input.from_client, &words);
});

struct Talk {
    pieces: Vec<Vec<u8>>,
    close: Close,
    cut: usize,
}

struct Heard {
    by_client: Vec<u8>,
    by_handler: Vec<u8>,
}

/// The bytes of all frames, and the end of each. Nothing follows a close frame.
fn handlers_frames(frames: &[(u8, u16)]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), vec![0]);
    for &(kind, length) in frames.iter().take(12) {
        let start = bytes.len();
        let length = match kind % 8 {
            0 | 1 => usize::from(length % 126),
            _ => usize::from(length % 300),
        };
        write_text(&"\u{8}".repeat(length), &mut bytes);
        match kind % 8 {
            0 => bytes[start] = 0x88,
            1 => bytes[start] = 0x89,
            2 => bytes[start] = 0x01,
            3 => bytes[start] = 0x80,
            _ => {}
        }
        ends.push(bytes.len());
        if kind % 8 == 0 {
            break;
        }
    }
    (bytes, ends)
}

fn pieces(mut bytes: &[u8], lengths: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut lengths = lengths.iter().cycle();
    while !bytes.is_empty() {
        let length = lengths
            .next()
            .map_or(bytes.len(), |length| usize::from(*length) + 1);
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    pieces
}

/// The length of the first frame, if it is complete.
fn frame(bytes: &[u8]) -> Option<usize> {
    let short = usize::from(*bytes.get(1)?);
    assert!(short < 128, "a server's frame is not masked");
    let (length, head) = match short {
        126 => (
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
            4,
        ),
        127 => unreachable!("no frame is that long"),
        _ => (short, 2),
    };
    (bytes.len() >= head + length).then_some(head + length)
}

/// A close frame that is complete, after other frames.
fn closed(mut bytes: &[u8]) -> bool {
    while let Some(length) = frame(bytes) {
        if bytes[0] == 0x88 {
            return true;
        }
        bytes = &bytes[length..];
    }
    false
}

fn check_client(heard: &[u8], sent: &[u8], ends: &[usize], words: &[u8]) {
    let said_goodbye = ends.iter().any(|end| sent.get(*end) == Some(&0x88));
    let fits = ends
        .iter()
        .any(|end| match heard.strip_prefix(&sent[..*end]) {
            // The handler's own close frame stands.
            Some([]) => said_goodbye && *end == sent.len(),
            Some(rest) => rest == words,
            None => false,
        });
    assert!(
        fits,
        "sent {sent:02x?}, close frame {words:02x?}, heard {heard:02x?}"
    );
}

fn check_handler(heard: &[u8], from_client: &[u8], words: &[u8]) {
    let mut masked = vec![words[0], words[1] | 0x80, 0, 0, 0, 0];
    masked.extend_from_slice(&words[2..]);
    // The client sends its own close frame last.
    let all = [from_client, GOODBYE].concat();
    let fits =
        |end: usize| heard[..end] == all[..end] && (heard.len() == end || heard[end..] == masked);
    let fits = (0..=heard.len().min(all.len())).any(fits);
    assert!(
        fits,
        "from the client {from_client:02x?}, heard {heard:02x?}"
    );
}

const GOODBYE: &[u8] = b"\x88\x80\x01\x02\x03\x04";

async fn connect(talk: Talk, room: usize, from_client: Vec<u8>, polite: bool) -> Heard {
    let (client, server) = duplex(room);
    let (tell, told) = oneshot::channel();
    let once = RefCell::new(Some((talk, tell)));
    let service = service_fn(|request: Request<Incoming>| {
        let (mut head, _) = request.into_parts();
        let (guard, close_handle) =
            UpgradeGuard::interpose(&mut head, Protocol::WebSocket).expect("an upgrade");
        let upgrade: OnUpgrade = head.extensions.remove().expect("another one");
        let (talk, tell) = once.take().expect("one request");
        tokio::spawn(async move {
            let _ = tell.send(handle(talk, upgrade, close_handle).await);
        });
        guard.accept();
        let response = Response::builder()
            .status(101)
            .header("connection", "upgrade");
        let response = response
            .header("upgrade", "websocket")
            .body(Empty::<Bytes>::new());
        ready(Ok::<_, Infallible>(response.expect("a response")))
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let serving = async { connection.with_upgrades().await.expect("an upgrade") };
    let ((), by_client, by_handler) =
        tokio::join!(serving, listen(client, from_client, polite), told);
    // The task of the closing handshake drops it after the last byte.
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    Heard {
        by_client,
        by_handler: by_handler.expect("the handler ends"),
    }
}

async fn handle(talk: Talk, upgrade: OnUpgrade, close_handle: CloseHandle) -> Vec<u8> {
    let io = TokioIo::new(upgrade.await.expect("the connection"));
    let (mut read, mut write) = split(io);
    let cut = || {
        close_handle.cut(&talk.close, Limits::default(), |closing_handshake| {
            tokio::spawn(closing_handshake);
        })
    };
    let writing = async {
        for (number, piece) in talk.pieces.iter().enumerate() {
            if number == talk.cut {
                cut();
            }
            if write.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = write.flush().await;
        cut();
    };
    let mut heard = Vec::new();
    let ((), _) = tokio::join!(writing, read.read_to_end(&mut heard));
    heard
}

async fn listen(client: tokio::io::DuplexStream, from_client: Vec<u8>, polite: bool) -> Vec<u8> {
    let (mut read, mut write) = split(client);
    let (tell, told) = oneshot::channel();
    let mut tell = Some(tell);
    let speaking = async {
        let _ = write
            .write_all(
                b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            )
            .await;
        let _ = write.write_all(&from_client).await;
        if told.await.is_ok() && polite {
            let _ = write.write_all(GOODBYE).await;
        }
    };
    let listening = async {
        let mut heard = Vec::new();
        let mut buffer = [0; 512];
        while let Ok(count @ 1..) = read.read(&mut buffer).await {
            heard.extend_from_slice(&buffer[..count]);
            if tell.is_some() && closed(behind_head(&heard)) {
                tell.take().map(|tell| tell.send(()));
            }
        }
        drop(tell);
        heard
    };
    let ((), heard) = tokio::join!(speaking, listening);
    behind_head(&heard).to_vec()
}

fn behind_head(heard: &[u8]) -> &[u8] {
    let end = heard.windows(4).position(|window| window == b"\r\n\r\n");
    end.map_or(&[], |end| &heard[end + 4..])
}
