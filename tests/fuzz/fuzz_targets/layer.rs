//! A whole stack of layers behind hyper, over a stream in memory: the client's bytes one by one.
//!
//! A few bytes stand for values that the fuzzer cannot guess: 1 for a valid token, 2 for the same
//! in base64url, 3 for the value of a valid session cookie, 4 for the fields of a valid handshake.
#![no_main]

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use fuzz::{NOW, SECRET, b64, token};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::runtime::{Builder, Runtime};
use tower::{ServiceBuilder, service_fn};
use tower_ws_auth::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth::jwt::{Key, Keys};
use tower_ws_auth::session::{MemorySessions, Secrets};
use tower_ws_auth::{
    AuthLayer, AuthenticateExt, Authenticated, Clock, CloseFrameLayer, Jwt, MissingOrigin,
    OriginLayer, Origins, RedactLayer, Sessions,
};

const PAGE: &str = "https://app.example";

struct World {
    runtime: Runtime,
    sessions: Sessions<Value>,
    token: String,
    cookie: String,
}

impl World {
    fn new() -> Self {
        // Time stands still, and jumps when all tasks wait.
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.expect("a runtime");
        let clock = Clock::fixed(NOW.into());
        let store = MemorySessions::with_clock(10, clock.clone());
        let secrets = Secrets::express([SECRET]).expect("long enough");
        let sessions: Sessions<Value> = Sessions::builder(secrets, store)
            .clock(clock)
            .build()
            .expect("a good configuration");
        let created = runtime.block_on(sessions.create(&json!({ "user": "ada" })));
        let (_, cookie) = created.expect("there is room");
        let cookie = cookie
            .to_str()
            .expect("ASCII")
            .split(';')
            .next()
            .expect("a pair");
        let (_, cookie) = cookie.split_once('=').expect("a pair");
        let claims = json!({ "sub": "ada", "exp": NOW + 600 }).to_string();
        Self {
            runtime,
            token: token(br#"{"alg":"HS256"}"#, claims.as_bytes()),
            cookie: cookie.to_owned(),
            sessions,
        }
    }

    fn spoken(&self, input: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &byte in input.iter().take(4_096) {
            match byte {
                1 => bytes.extend_from_slice(self.token.as_bytes()),
                2 => bytes.extend_from_slice(b64(&self.token).as_bytes()),
                3 => bytes.extend_from_slice(self.cookie.as_bytes()),
                4 => bytes.extend_from_slice(
                    b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
                ),
                byte => bytes.push(byte),
            }
        }
        bytes
    }

    /// All bytes of the server, and the number of calls of the service.
    async fn ask(&self, words: &[u8]) -> (Vec<u8>, u32) {
        let called = Rc::new(Cell::new(0));
        let count = called.clone();
        let inner = service_fn(move |request: Request<Incoming>| {
            count.set(count.get() + 1);
            assert!(request.extensions().get::<Authenticated<Value>>().is_some());
            async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
        });
        let origins = || Origins::new([PAGE]).expect("an origin");
        let carriers = Carriers::builder()
            .query_bearer("token")
            .bearer_header()
            .subprotocol(SubprotocolFormat::Phoenix)
            .cookie("jwt");
        let key = Key::hs256(SECRET).expect("long enough");
        let jwt: Jwt<Value> = Jwt::builder(Keys::from(key))
            .carriers(carriers.build().expect("places"))
            .clock(Clock::fixed(NOW.into()))
            .build()
            .expect("a good configuration");
        let user = |record: &Value| record["user"].as_str().map(Value::from);
        let session = self.sessions.strategy(origins(), user);
        let service = ServiceBuilder::new()
            .layer(RedactLayer::new(["token"], ["/*"]).expect("a good configuration"))
            .layer(CloseFrameLayer::new())
            .layer(OriginLayer::new(origins(), MissingOrigin::Allow))
            .layer(AuthLayer::new(jwt.or(session)))
            .service(inner);
        let (client, server) = duplex(1_024);
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(server), TowerToHyperService::new(service))
            .with_upgrades();
        let (mut read, mut write) = split(client);
        let speaking = async {
            let _ = write.write_all(words).await;
            let _ = write.shutdown().await;
        };
        let mut heard = Vec::new();
        // hyper reports a bad request as an error.
        let ((), _, _) = tokio::join!(speaking, read.read_to_end(&mut heard), connection);
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        (heard, called.get())
    }
}

thread_local! {
    static WORLD: World = World::new();
}

fuzz_target!(|input: &[u8]| {
    WORLD.with(|world| {
        let words = world.spoken(input);
        let (heard, called) = world.runtime.block_on(world.ask(&words));
        assert_eq!(world.runtime.metrics().num_alive_tasks(), 0);
        // A credential cannot be guessed.
        let may = input.iter().any(|byte| (1..=3).contains(byte));
        assert!(may || called == 0);
        check(&heard, world);
    });
});

fn check(heard: &[u8], world: &World) {
    let text = String::from_utf8_lossy(heard);
    // A subprotocol that the client offers in plain text may be selected, whatever its text is.
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("sec-websocket-protocol: "));
    let told = lines.collect::<String>();
    for secret in [&world.token, &b64(&world.token), &world.cookie] {
        assert!(!told.contains(secret.as_str()), "{text}");
    }
    let Some(end) = heard.windows(4).position(|window| window == b"\r\n\r\n") else {
        assert!(heard.is_empty(), "{text}");
        return;
    };
    let status = &heard[9..12];
    assert!(matches!(status[0], b'1'..=b'4'), "{text}");
    if status == b"101" {
        // Only a closing handshake upgrades here: one close frame, and nothing behind it.
        let frame = &heard[end + 4..];
        assert_eq!(frame[0], 0x88, "{text}");
        assert_eq!(frame.len(), 2 + usize::from(frame[1]), "{text}");
    }
}
