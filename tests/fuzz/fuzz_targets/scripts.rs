//! An arbitrary client against an arbitrary script, behind hyper: it ends in time, in whole frames and
//! a close frame, and says nothing of the client's but what a pattern captures.
#![no_main]

use std::convert::Infallible;
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};
use tower::{ServiceBuilder, service_fn};
use tower_ws_auth::protocol::{ClientProtocol, Message, Pattern, Script};
use tower_ws_auth::{AuthLayer, CloseFrameLayer, Grant, Rejection, RejectionKind};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    steps: Vec<Step>,
    acts: Vec<Act<'a>>,
    /// The size of the buffers between both sides.
    room: u8,
    /// Whether the client reads what it is told.
    listens: bool,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Send(u8),
    Wait { pattern: u8, time: u16 },
    Each { pattern: u8, time: u16 },
}

#[derive(Arbitrary, Debug)]
enum Act<'a> {
    Bytes(&'a [u8]),
    Frame {
        first: u8,
        mask: [u8; 4],
        payload: &'a [u8],
    },
    Pause(u16),
}

/// The names that its patterns capture, so that a message may repeat them.
fn pattern(kind: u8) -> (Pattern, Option<&'static str>) {
    match kind % 6 {
        0 => {
            let pattern = Pattern::starts_with("40").optional("ns", '/', ',');
            (pattern, Some("ns"))
        }
        1 => (Pattern::contains("\"id\":").digits("id"), Some("id")),
        2 => {
            let pattern = Pattern::starts_with("[\"").json_string("join");
            (pattern.then("\",\""), Some("join"))
        }
        3 => (Pattern::contains("x"), None),
        4 => (Pattern::starts_with(""), None),
        _ => (Pattern::starts_with("\u{10}"), None),
    }
}

/// The script, and how long it may wait.
fn script(steps: &[Step]) -> (Script, Duration) {
    let (mut script, mut waits) = (Script::new(), Duration::ZERO);
    let mut captured: Vec<&'static str> = Vec::new();
    for step in steps.iter().take(Script::MAX_STEPS) {
        script = match step {
            Step::Send(kind) => {
                let name = captured.get(usize::from(*kind) % captured.len().max(1));
                script.send(match (kind % 3, name) {
                    (0, Some(name)) => Message::text(format!("s${{{name}}}")),
                    (1, Some(name)) => Message::text_in_binary(format!("s${{{name}}}")),
                    (2, _) => Message::binary(vec![*kind; 200]),
                    _ => Message::text("s${reason} ${code} ${retry_after} ${random}"),
                })
            }
            Step::Wait {
                pattern: kind,
                time,
            } => {
                let (pattern, name) = pattern(*kind);
                captured.extend(name);
                let time = Duration::from_millis((*time).into());
                waits += time;
                script.wait_for(pattern, time)
            }
            Step::Each {
                pattern: kind,
                time,
            } => {
                let (pattern, name) = pattern(*kind);
                let answer = match name {
                    Some(name) => format!("s${{{name}}}"),
                    None => "s${reason}".to_owned(),
                };
                captured.extend(name);
                let time = Duration::from_millis((*time).into());
                waits += time;
                script.answer_each([(pattern, Message::text(answer))], time)
            }
        };
    }
    (script, waits)
}

thread_local! {
    // Time stands still, and jumps when all tasks wait.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
}

/// Beside the waits of the script: one deadline for the upgrade, for each write of each step, and
/// for the closing handshake.
const DEADLINE: Duration = Duration::from_secs(5);
const BYTES: u64 = 16 * 1024;

fuzz_target!(|input: Input<'_>| {
    let (script, waits) = script(&input.steps);
    let protocol = ClientProtocol::builder("fuzz")
        .refusals(move |_| script.clone().into())
        .also_without_origin()
        .build();
    let Ok(protocol) = protocol else {
        assert!(waits > Script::MAX_TIME);
        return;
    };
    assert!(waits <= Script::MAX_TIME);
    let pauses: u64 = input.acts.iter().map(Act::pause).sum();
    RUNTIME.with(|runtime| {
        let (heard, took) = runtime.block_on(talk(&input, protocol));
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
        let most = waits + DEADLINE * 3 + Duration::from_millis(pauses) + Duration::from_secs(2);
        assert!(took <= most, "{took:?} of {most:?}");
        if input.listens {
            check(&heard);
        }
    });
});

impl Act<'_> {
    fn pause(&self) -> u64 {
        match self {
            Self::Pause(time) => u64::from(*time),
            _ => 0,
        }
    }

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

/// What the client has heard behind the head, and how long all of it took.
async fn talk(input: &Input<'_>, protocol: ClientProtocol) -> (Vec<u8>, Duration) {
    let began = Instant::now();
    let refused = |_: &mut Parts| {
        let rejection = Rejection::new(RejectionKind::Forbidden, "always");
        std::future::ready(Err::<Grant<()>, _>(rejection))
    };
    let layer = CloseFrameLayer::new()
        .client_protocol(protocol)
        .reject_delay(Duration::ZERO)
        .deadline(DEADLINE)
        .byte_cap(BYTES);
    let service = ServiceBuilder::new()
        .layer(layer)
        .layer(AuthLayer::new(refused))
        .service(service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }));
    let (client, server) = duplex(usize::from(input.room) + 256);
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(server), TowerToHyperService::new(service))
        .with_upgrades();
    let (mut read, mut write) = split(client);
    let speaking = async {
        let _ = write
            .write_all(
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )
            .await;
        for act in input.acts.iter().take(64) {
            sleep(Duration::from_millis(act.pause())).await;
            if write.write_all(&act.bytes()).await.is_err() {
                break;
            }
        }
        write
    };
    let listening = async {
        let mut heard = Vec::new();
        if input.listens {
            let _ = read.read_to_end(&mut heard).await;
        }
        heard
    };
    let (write, heard, _) = tokio::join!(speaking, listening, connection);
    // The task of the closing handshake goes last.
    let mut took = began.elapsed();
    let runtime = tokio::runtime::Handle::current();
    while runtime.metrics().num_alive_tasks() > 0 {
        sleep(Duration::from_millis(500)).await;
        took = began.elapsed();
        assert!(took < Duration::from_secs(3600), "it never ends");
    }
    drop((write, read));
    let end = heard.windows(4).position(|window| window == b"\r\n\r\n");
    let behind = end.map_or(&[][..], |end| &heard[end + 4..]);
    (behind.to_vec(), took)
}

/// Whole frames that the script may send, and one close frame at the end.
fn check(heard: &[u8]) {
    let mut rest = heard;
    let mut count = 0;
    while let [first, short, ..] = rest {
        let (length, head) = match short {
            126 => (usize::from(u16::from_be_bytes([rest[2], rest[3]])), 4),
            short => (usize::from(*short), 2),
        };
        assert!(length <= 2048, "{heard:02x?}");
        let payload = &rest[head..head + length];
        rest = &rest[head + length..];
        match first {
            0x88 => {
                assert_eq!(payload, b"\x11\x33forbidden", "{heard:02x?}");
                assert!(rest.is_empty(), "{heard:02x?}");
                return;
            }
            0x81 => {
                let text = str::from_utf8(payload).expect("UTF-8");
                assert!(text.starts_with('s'), "{text}");
                assert!(!text.chars().any(char::is_control), "{text:?}");
            }
            0x82 => {}
            other => panic!("a frame {other:02x} in {heard:02x?}"),
        }
        count += 1;
        assert!(count <= 16 * 64);
    }
    panic!("no close frame in {heard:02x?}");
}
