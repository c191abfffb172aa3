//! Extremes after the decision: closing handshakes, leases and channels. The clock of the runtime
//! jumps to the next timer, so that a long wait passes at once.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_ws_auth::channel::{ChannelAuthLayer, Join, JoinOutcome};
use tower_ws_auth::revocation::{DisconnectReason, OverLimit};
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, CloseFrameLayer, Grant, LeaseLayer, MemoryRevocations, Rejection,
    RejectionKind, Revocations,
};

use super::{SIZES, TIMES};

const HANDSHAKE: &str = "GET /?USER HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

type Body = Empty<Bytes>;

/// Lets in who says that he is ada.
fn ada(head: &mut Parts) -> Ready<Result<Grant<()>, Rejection>> {
    ready(if head.uri.query() == Some("ada") {
        Ok(Grant::new(()).revocable_by("user:ada"))
    } else {
        Err(Rejection::new(RejectionKind::TokenInvalid, "not ada"))
    })
}

/// Accepts the socket and holds it until the client is gone.
async fn accept<B>(mut request: Request<B>) -> Result<Response<Body>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let mut bytes = Vec::new();
            // A cut is an end too.
            let _ = TokioIo::new(upgraded).read_to_end(&mut bytes).await;
        }
    });
    let mut response = Response::new(Body::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in [
        (CONNECTION, "Upgrade"),
        (UPGRADE, "websocket"),
        (SEC_WEBSOCKET_ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ] {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(response)
}

/// A client of this service, connected without a socket.
fn connect<S, B>(service: S) -> DuplexStream
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (client, server) = duplex(64 * 1024);
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(server), TowerToHyperService::new(service))
        .with_upgrades();
    tokio::spawn(connection);
    client
}

/// The status of the answer to a handshake.
async fn shake_hands(client: &mut DuplexStream, user: &str) -> u16 {
    let request = HANDSHAKE.replace("USER", user);
    client.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = client.read_u8().await;
        head.push(byte.expect("an answer"));
    }
    let head = String::from_utf8(head).unwrap();
    head[9..12].parse().unwrap()
}

/// The code that the server closes with. The client answers, and the connection ends.
async fn code(mut client: DuplexStream) -> Option<u16> {
    let mut head = [0; 4];
    let read = client.read_exact(&mut head).await;
    let _ = client.write_all(b"\x88\x80\0\0\0\0").await;
    let ended = client.read_to_end(&mut Vec::new()).await;
    read.and(ended).ok()?;
    let [0x88, _, high, low] = head else {
        return None;
    };
    Some(u16::from_be_bytes([high, low]))
}

#[tokio::test(start_paused = true)]
async fn of_a_closing_handshake_work() {
    let layer = CloseFrameLayer::new;
    let mut layers = Vec::new();
    for time in TIMES {
        layers.push(("hold", true, layer().reject_delay(time)));
        layers.push((
            "deadline",
            time > Duration::from_nanos(1),
            layer().deadline(time),
        ));
    }
    for size in SIZES {
        layers.push(("byte_cap", true, layer().byte_cap(size as u64)));
        layers.push((
            "max_closing_handshakes",
            size > 0,
            layer().max_closing_handshakes(size),
        ));
    }
    for (name, told, layer) in layers {
        let service = layer.layer(AuthLayer::new(ada).layer(service_fn(accept)));
        assert_eq!(shake_hands(&mut connect(service.clone()), "ada").await, 101);
        let mut refused = connect(service);
        match shake_hands(&mut refused, "eve").await {
            101 => {
                let code = code(refused).await;
                assert!(code == Some(4401) || !told, "{name}: {code:?}");
            }
            status => assert!(status == 401 && !told, "{name}: {status}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_lease_work() {
    type Setter = Box<dyn Fn(LeaseLayer) -> LeaseLayer>;
    let store = || MemoryRevocations::new(Duration::MAX, 10);
    let layer = |revocations: &Revocations| LeaseLayer::new(revocations.clone());
    let mut setters: Vec<(&str, bool, Setter)> = Vec::new();
    for time in TIMES {
        let told = time > Duration::from_nanos(1);
        setters.push(("grace", true, Box::new(move |layer| layer.grace(time))));
        setters.push((
            "deadline",
            told,
            Box::new(move |layer| layer.deadline(time)),
        ));
    }
    for size in SIZES {
        let cap = size as u64;
        setters.push(("byte_cap", true, Box::new(move |layer| layer.byte_cap(cap))));
        let none = size > 0;
        for over in [OverLimit::RefuseNewest, OverLimit::EndOldest] {
            let set = move |layer: LeaseLayer| layer.max_connections(size, "user:", over);
            setters.push(("max_connections", none, Box::new(set)));
        }
    }
    for (name, told, set) in setters {
        let revocations = Revocations::new(store());
        let lease = set(layer(&revocations));
        let strategy = ada.revocable(revocations.clone());
        let service = AuthLayer::new(strategy).layer(lease.layer(service_fn(accept)));
        let mut refused = connect(service.clone());
        assert_eq!(shake_hands(&mut refused, "eve").await, 401, "{name}");
        let mut accepted = connect(service);
        match shake_hands(&mut accepted, "ada").await {
            101 => {
                let ended = revocations
                    .revoke("user:ada", DisconnectReason::Revoked)
                    .await;
                ended.unwrap();
                let code = code(accepted).await;
                assert!(code.is_some() || !told, "{name}: {code:?}");
            }
            status => assert!(status == 429 && !told, "{name}: {status}"),
        }
    }
}

#[tokio::test]
async fn of_a_channel_work() {
    for size in SIZES {
        let policy = |_: &Join<(), ()>| true;
        let inner = service_fn(async |_: Join<(), ()>| Ok::<_, Infallible>(()));
        let service = ChannelAuthLayer::new(policy)
            .longest_channel(size)
            .layer(inner);
        for (channel, fits) in [("", false), ("a", size > 0), ("ab", size > 1)] {
            let answer = service.clone().oneshot(Join::new((), channel, ())).await;
            let admitted = matches!(answer, Ok(JoinOutcome::Admitted(())));
            assert_eq!(admitted, fits, "{channel:?} of {size}");
        }
    }
}
