//! Leases on real sockets: an axum server with handlers that know nothing of them, and clients
//! that read everything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::ws::{Message as AxumMessage, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use http::request::Parts;
use test_support::{bounded, handshake, until};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower_ws_auth_core::{
    Advice, AuthLayer, AuthenticateExt, BoxFuture, Clock, Grant, MemoryRevocations, Rejection,
    RejectionKind, Revocations,
};
use tower_ws_auth_socket::lease::{DisconnectReason, Lease, LeaseLayer, OverLimit};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Nothing in these tests takes longer, on the slowest machine.
const SOON: Duration = Duration::from_secs(60);

/// One clock for all: what is issued after a revocation is good at once.
fn revocations() -> Revocations {
    let store = MemoryRevocations::new(Duration::from_secs(3600), 1000);
    Revocations::builder(store)
        .allowed_skew(Duration::ZERO)
        .build()
}

/// A layer whose deadline is beyond all patience: what ends, ends without it.
fn patient(revocations: &Revocations) -> LeaseLayer {
    LeaseLayer::new(revocations.clone()).deadline(2 * SOON)
}

/// A layer's clock that a test sets forward. The strategies and handlers here know no other than
/// the system's, and are not concerned.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Hands {
    fn clock(&self) -> Clock {
        let ahead = Arc::clone(&self.0);
        Clock::from_fn(move || {
            SystemTime::now() + Duration::from_secs(ahead.load(Ordering::SeqCst))
        })
    }

    fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// `?user=ada&ms=500`: who it is, and for how long; issued at this moment.
fn strategy(
    head: &mut Parts,
) -> impl Future<Output = Result<Grant<String>, Rejection>> + Send + use<> {
    let query = head.uri.query().unwrap_or_default().to_owned();
    let value = move |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(of, _)| *of == name)
            .map(|(_, value)| value.to_owned())
    };
    async move {
        let user =
            value("user").ok_or(Rejection::new(RejectionKind::CredentialsMissing, "no user"))?;
        let now = SystemTime::now();
        let mut grant = Grant::new(user.clone())
            .issued_at(now)
            .revocable_by(format!("user:{user}"));
        if let Some(ms) = value("ms") {
            grant = grant.until(now + Duration::from_millis(ms.parse().unwrap()));
        }
        if value("session").is_some() {
            grant = grant.refused_as(RejectionKind::SessionInvalid);
        }
        Ok(grant)
    }
}

/// A close code and its reason.
type Said = (u16, String);

#[derive(Clone, Default)]
struct Handlers {
    running: Arc<AtomicUsize>,
    began: Arc<AtomicUsize>,
    closes: Arc<std::sync::Mutex<Vec<Option<Said>>>>,
}

impl Handlers {
    /// Echoes; knows nothing of leases.
    async fn echo(self, mut socket: WebSocket) {
        self.begin();
        let mut close = None;
        while let Some(Ok(message)) = socket.recv().await {
            match message {
                AxumMessage::Close(frame) => {
                    close = frame.map(|frame| (frame.code, frame.reason.to_string()));
                }
                AxumMessage::Ping(_) | AxumMessage::Pong(_) => {}
                message => {
                    if socket.send(message).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.closes.lock().unwrap().push(close);
        self.end();
    }

    fn begin(&self) {
        self.began.fetch_add(1, Ordering::SeqCst);
        self.running.fetch_add(1, Ordering::SeqCst);
    }

    fn end(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

struct Server {
    address: SocketAddr,
    handlers: Handlers,
    revocations: Revocations,
    layer: LeaseLayer,
}

impl Server {
    async fn start(configure: impl FnOnce(LeaseLayer) -> LeaseLayer) -> Self {
        let revocations = revocations();
        let layer = configure(patient(&revocations));
        let handlers = Handlers::default();
        let of_route = handlers.clone();
        let handler = any(
            move |upgrade: WebSocketUpgrade, _lease: axum::Extension<Lease>| {
                let handlers = of_route.clone();
                async move { upgrade.on_upgrade(|socket| handlers.echo(socket)) }
            },
        );
        let address = serve(handler, &revocations, &layer).await;
        Self {
            address,
            handlers,
            revocations,
            layer,
        }
    }

    async fn connect(&self, query: &str) -> Socket {
        connect(self.address, query).await.unwrap()
    }

    /// Nothing is left: no handler, no lease, no registration.
    async fn is_empty(&self) {
        let (handlers, leases) = (&self.handlers, self.layer.leases());
        let left = || {
            format!(
                "{} handlers, {leases:?}, {:?}",
                handlers.running(),
                self.revocations
            )
        };
        let empty = || handlers.running() == 0 && leases.is_empty() && self.revocations.is_empty();
        until(left, empty).await;
    }
}

async fn serve(
    handler: axum::routing::MethodRouter,
    revocations: &Revocations,
    layer: &LeaseLayer,
) -> SocketAddr {
    let stack = tower::ServiceBuilder::new()
        .layer(AuthLayer::new(strategy.revocable(revocations.clone())))
        .layer(layer.clone());
    let app = Router::new().route("/", handler.layer(stack));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

async fn connect(address: SocketAddr, query: &str) -> Result<Socket, Error> {
    let url = format!("ws://{address}/?{query}");
    timeout(SOON, connect_async(url))
        .await
        .unwrap()
        .map(|(socket, _)| socket)
}

async fn status(address: SocketAddr, query: &str) -> u16 {
    match connect(address, query).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

/// The close frame that comes, whatever comes before it, and then the end.
async fn close_of(socket: &mut Socket) -> (u16, String) {
    let mut close = None;
    loop {
        match timeout(SOON, socket.next()).await.unwrap() {
            Some(Ok(Message::Close(Some(frame)))) => {
                close = Some((frame.code.into(), frame.reason.as_str().to_owned()));
            }
            Some(Ok(_)) => assert!(close.is_none(), "something after the close frame"),
            None => return close.unwrap(),
            Some(Err(error)) => panic!("{error}"),
        }
    }
}

async fn echoes(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
    let answer = timeout(SOON, socket.next()).await.unwrap().unwrap();
    assert_eq!(answer.unwrap().to_text().unwrap(), text);
}

fn said(code: u16, reason: &str) -> (u16, String) {
    (code, reason.to_owned())
}

mod expiry {
    use super::*;

    #[tokio::test]
    async fn ends_the_connection_with_a_close_frame_and_the_handler_reads_the_same() {
        let server = Server::start(|layer| layer).await;
        let began = Instant::now();
        // Long enough for an echo on any machine.
        let mut socket = server.connect("user=ada&ms=3000").await;
        echoes(&mut socket, "hello").await;
        assert_eq!(close_of(&mut socket).await, said(4401, "token_expired"));
        let took = began.elapsed();
        let right = Duration::from_millis(2990)..Duration::from_secs(30);
        assert!(right.contains(&took), "{took:?}");
        server.is_empty().await;
        let closes = server.handlers.closes.lock().unwrap();
        assert_eq!(*closes, [Some(said(4401, "token_expired"))]);
    }

    #[tokio::test]
    async fn of_a_session_is_told_so() {
        let server = Server::start(|layer| layer).await;
        let mut socket = server.connect("user=ada&ms=100&session=1").await;
        assert_eq!(close_of(&mut socket).await, said(4401, "session_ended"));
    }

    #[tokio::test]
    async fn comes_although_the_applications_function_panics() {
        let server = Server::start(|layer| layer.close_with(|_| panic!("the application's"))).await;
        let expiring = [1, 2].map(|_| server.connect("user=ada&ms=100"));
        for mut socket in futures_util::future::join_all(expiring).await {
            assert_eq!(close_of(&mut socket).await, said(4401, "token_expired"));
        }
        let open = [1, 2].map(|_| server.connect("user=bob"));
        let open = futures_util::future::join_all(open).await;
        let revoked = server
            .revocations
            .revoke("user:bob", DisconnectReason::Revoked);
        revoked.await.unwrap();
        for mut socket in open {
            assert_eq!(close_of(&mut socket).await, said(4403, "revoked"));
        }
        server.is_empty().await;
    }

    #[tokio::test]
    async fn comes_although_the_applications_spawner_panics() {
        let (hands, panics) = (Hands::default(), Arc::new(AtomicBool::new(true)));
        let once = Arc::clone(&panics);
        let spawn = move |task: BoxFuture<()>| {
            assert!(!once.swap(false, Ordering::SeqCst), "the application's");
            drop(tokio::spawn(task));
        };
        let server = Server::start(|layer| layer.clock(hands.clock()).spawn_with(spawn)).await;
        let two = async |query: &str| [server.connect(query).await, server.connect(query).await];
        let ends = async |[mut first, mut second]: [Socket; 2], close: Said| {
            let end = timeout(SOON, first.next()).await.unwrap();
            assert!(!matches!(end, Some(Ok(_))), "{end:?}");
            assert_eq!(close_of(&mut second).await, close);
        };
        let expiring = two("user=ada&ms=600000").await;
        hands.forward(601);
        ends(expiring, said(4401, "token_expired")).await;

        panics.store(true, Ordering::SeqCst);
        let open = two("user=bob").await;
        let revoked = server
            .revocations
            .revoke("user:bob", DisconnectReason::Revoked);
        revoked.await.unwrap();
        ends(open, said(4403, "revoked")).await;
        server.is_empty().await;
    }

    #[tokio::test]
    async fn waits_for_the_grace() {
        let server = Server::start(|layer| layer.grace(Duration::from_millis(400))).await;
        let began = Instant::now();
        let mut socket = server.connect("user=ada&ms=100").await;
        close_of(&mut socket).await;
        assert!(began.elapsed() > Duration::from_millis(490));
    }

    #[tokio::test]
    async fn that_is_not_given_lets_the_connection_be() {
        let server = Server::start(|layer| layer).await;
        let mut socket = server.connect("user=ada").await;
        let mut other = server.connect("user=bob&ms=50").await;
        close_of(&mut other).await;
        echoes(&mut socket, "still here").await;
        socket.close(None).await.unwrap();
        server.is_empty().await;
        assert_eq!(server.handlers.closes.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn of_many_comes_in_their_order_whatever_order_they_came_in() {
        let hands = Hands::default();
        let server = Server::start(|layer| layer.clock(hands.clock())).await;
        let mut open = Vec::new();
        for minutes in [15, 5, 10] {
            let query = format!("user=ada&ms={}", minutes * 60_000);
            open.push((minutes, server.connect(&query).await));
        }
        for now in [5, 10, 15] {
            hands.forward(5 * 60);
            for (_, socket) in open.iter_mut().filter(|(minutes, _)| *minutes == now) {
                assert_eq!(close_of(socket).await, said(4401, "token_expired"));
            }
            for (_, socket) in open.iter_mut().filter(|(minutes, _)| *minutes > now) {
                echoes(socket, "not yet").await;
            }
        }
        server.is_empty().await;
    }

    #[tokio::test]
    async fn of_the_newest_is_not_put_off_to_the_next_look_at_the_clock() {
        let began = Instant::now();
        loop {
            let server = Server::start(|layer| layer).await;
            let round = Instant::now();
            // With it begins the second until the next look.
            let _later = server.connect("user=ada&ms=3600000").await;
            let mut newest = server.connect("user=bob&ms=50").await;
            assert_eq!(close_of(&mut newest).await, said(4401, "token_expired"));
            if round.elapsed() < Duration::from_millis(800) {
                return;
            }
            // A machine that stalls may be late once, but not for ever.
            assert!(began.elapsed() < SOON, "it is late each time");
        }
    }

    #[tokio::test]
    async fn follows_a_clock_that_jumps_forward_within_a_second_or_so() {
        let hands = Hands::default();
        let server = Server::start(|layer| layer.clock(hands.clock())).await;
        let mut socket = server.connect("user=ada&ms=3600000").await;
        echoes(&mut socket, "hello").await;
        let began = Instant::now();
        hands.forward(3601);
        assert_eq!(close_of(&mut socket).await, said(4401, "token_expired"));
        // A second, and as much as a slow machine adds to it.
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn comes_on_another_runtime_than_the_one_that_has_ended() {
        let layer = LeaseLayer::expiry_only();
        // The first runtime is gone with all that ran on it, and leaves an end an hour away.
        for (ms, close) in [(3_600_000, None), (300, Some(said(4401, "token_expired")))] {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let handler = any(async |upgrade: WebSocketUpgrade| {
                    upgrade.on_upgrade(async |mut socket| while socket.recv().await.is_some() {})
                });
                let address = serve(handler, &revocations(), &layer).await;
                let query = format!("user=ada&ms={ms}");
                let mut socket = connect(address, &query).await.unwrap();
                if let Some(close) = close {
                    assert_eq!(close_of(&mut socket).await, close);
                }
            });
        }
    }

    #[test]
    fn comes_although_the_runtime_of_an_earlier_connection_has_ended() {
        let hands = Hands::default();
        let layer = LeaseLayer::expiry_only()
            .clock(hands.clock())
            .deadline(2 * SOON);
        let runtimes = [(); 2].map(|()| tokio::runtime::Runtime::new().unwrap());
        let [first, second] = runtimes.map(|runtime| {
            let socket = runtime.block_on(async {
                let handler = any(async |upgrade: WebSocketUpgrade| {
                    upgrade.on_upgrade(async |mut socket| while socket.recv().await.is_some() {})
                });
                let address = serve(handler, &revocations(), &layer).await;
                connect(address, "user=ada&ms=600000").await.unwrap()
            });
            (runtime, socket)
        });
        drop(first);
        hands.forward(601);
        let (runtime, mut socket) = second;
        let close = runtime.block_on(close_of(&mut socket));
        assert_eq!(close, said(4401, "token_expired"));
    }
}

mod revocation {
    use super::*;

    #[tokio::test]
    async fn ends_every_connection_of_the_key_and_no_other() {
        let server = Server::start(|layer| layer).await;
        let mut ada = Vec::new();
        for _ in 0..20 {
            ada.push(server.connect("user=ada").await);
        }
        let mut bob = server.connect("user=bob").await;
        echoes(&mut bob, "hello").await;
        server
            .revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        for socket in &mut ada {
            assert_eq!(close_of(socket).await, said(4403, "revoked"));
        }
        echoes(&mut bob, "still here").await;
        // A client with a newer credential is let in, and stays.
        let mut again = server.connect("user=ada").await;
        echoes(&mut again, "back").await;
        drop((bob, again));
        server.is_empty().await;
    }

    #[tokio::test]
    async fn can_say_what_the_application_wants_to_say() {
        let server = Server::start(|layer| layer).await;
        let mut socket = server.connect("user=ada").await;
        let reason = DisconnectReason::application(4999, "banned").unwrap();
        server.revocations.revoke("user:ada", reason).await.unwrap();
        assert_eq!(close_of(&mut socket).await, said(4999, "banned"));
    }

    #[tokio::test]
    async fn before_the_upgrade_has_finished_is_the_first_thing_that_the_client_reads() {
        let (revocations, began) = (revocations(), Arc::new(tokio::sync::Notify::new()));
        let layer = patient(&revocations);
        let revoked = Arc::new(tokio::sync::Notify::new());
        let in_handler = (Arc::clone(&began), Arc::clone(&revoked));
        // It has the request, and does not answer before the revocation.
        let handler = any(move |upgrade: WebSocketUpgrade| {
            let (began, revoked) = in_handler.clone();
            async move {
                began.notify_one();
                revoked.notified().await;
                upgrade.on_upgrade(async |mut socket: WebSocket| {
                    let _ = socket.send(AxumMessage::text("welcome")).await;
                    while let Some(Ok(_)) = socket.recv().await {}
                })
            }
        });
        let address = serve(handler, &revocations, &layer).await;
        let connecting = tokio::spawn(connect(address, "user=ada"));
        began.notified().await;
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        revoked.notify_one();
        let mut socket = connecting.await.unwrap().unwrap();
        let first = timeout(SOON, socket.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let Message::Close(Some(close)) = first else {
            panic!("{first:?}")
        };
        assert_eq!(close.reason.as_str(), "revoked");
    }

    #[tokio::test]
    async fn reaches_a_handler_that_sleeps_and_a_client_that_never_answers() {
        let revocations = revocations();
        let layer = LeaseLayer::new(revocations.clone()).deadline(Duration::from_millis(500));
        let handler = any(async |upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async |socket| {
                tokio::time::sleep(2 * SOON).await;
                drop(socket);
            })
        });
        let address = serve(handler, &revocations, &layer).await;
        let mut stream = handshake::open(address, "/?user=ada", "").await;
        let began = Instant::now();
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        let mut rest = Vec::new();
        timeout(SOON, stream.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(rest, b"\x88\x09\x11\x33revoked");
        let took = began.elapsed();
        // Neither at the default deadline, which is 5 s, nor when the handler lets go.
        assert!(
            took > Duration::from_millis(450) && took < Duration::from_millis(4900),
            "{took:?}"
        );
        bounded("the end of all leases", layer.leases().all_ended()).await;
        assert!(revocations.is_empty());
    }
}

mod a_renewal {
    use super::*;

    /// Each text is for whom a new grant is, for how many milliseconds, and of which token:
    /// `ada 500 old`.
    async fn server(layer: LeaseLayer, revocations: &Revocations) -> SocketAddr {
        let started = SystemTime::now();
        let handler = any(async move |upgrade: WebSocketUpgrade, lease: Lease| {
            upgrade.on_upgrade(async move |mut socket: WebSocket| {
                while let Some(Ok(AxumMessage::Text(text))) = socket.recv().await {
                    let mut words = text.split(' ');
                    let [user, ms] = [(); 2].map(|()| words.next().unwrap());
                    let key = words.next().unwrap_or("2");
                    let until = SystemTime::now() + Duration::from_millis(ms.parse().unwrap());
                    let grant = Grant::new(user.to_owned())
                        .issued_at(started)
                        .revocable_by(format!("token:{key}"))
                        .until(until);
                    let renewed = lease.renew(grant, |user| user == "ada").await;
                    let answer = match renewed {
                        Ok(_) => {
                            assert_eq!(lease.until(), Some(until));
                            "renewed"
                        }
                        Err(rejection) => rejection.reason(),
                    };
                    if socket.send(AxumMessage::text(answer)).await.is_err() {
                        break;
                    }
                }
                while let Some(Ok(_)) = socket.recv().await {}
            })
        });
        serve(handler, revocations, &layer).await
    }

    async fn ask(socket: &mut Socket, question: &str) -> String {
        socket.send(Message::text(question)).await.unwrap();
        let answer = timeout(SOON, socket.next()).await.unwrap().unwrap();
        answer.unwrap().to_text().unwrap().to_owned()
    }

    #[tokio::test]
    async fn moves_the_end_and_the_keys() {
        let (revocations, hands) = (revocations(), Hands::default());
        let layer = patient(&revocations).clock(hands.clock());
        let address = server(layer.clone(), &revocations).await;
        let mut socket = connect(address, "user=ada&ms=600000").await.unwrap();
        let mut other = connect(address, "user=bob&ms=600000").await.unwrap();
        assert_eq!(ask(&mut socket, "eve 5000").await, "forbidden");
        assert_eq!(ask(&mut socket, "ada 3600000").await, "renewed");
        hands.forward(600);
        assert_eq!(close_of(&mut other).await, said(4401, "token_expired"));
        assert_eq!(ask(&mut socket, "eve 5000").await, "forbidden");
        hands.forward(3000);
        assert_eq!(close_of(&mut socket).await, said(4401, "token_expired"));

        let mut socket = connect(address, "user=ada").await.unwrap();
        assert_eq!(ask(&mut socket, "ada 50000000").await, "renewed");
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        assert_eq!(ask(&mut socket, "ada 40000000").await, "renewed");
        revocations
            .revoke("token:2", DisconnectReason::SessionEnded)
            .await
            .unwrap();
        assert_eq!(close_of(&mut socket).await, said(4401, "session_ended"));
        bounded("the end of all leases", layer.leases().all_ended()).await;
        assert!(revocations.is_empty());
    }

    #[tokio::test]
    async fn asks_the_revocations_of_the_strategy_which_still_end_the_connection() {
        let revocations = revocations();
        // The layer has none in common with the strategy.
        let layer = LeaseLayer::expiry_only().deadline(2 * SOON);
        let address = server(layer, &revocations).await;
        let mut socket = connect(address, "user=ada").await.unwrap();
        let revoke = |key| revocations.revoke(key, DisconnectReason::Revoked);
        revoke("token:old").await.unwrap();
        assert_eq!(ask(&mut socket, "ada 3600000 old").await, "token_invalid");
        assert_eq!(ask(&mut socket, "ada 3600000").await, "renewed");
        revoke("token:2").await.unwrap();
        assert_eq!(close_of(&mut socket).await, said(4403, "revoked"));
    }

    #[tokio::test]
    async fn with_what_was_revoked_is_refused_and_the_lease_stays() {
        let (revocations, hands) = (revocations(), Hands::default());
        let layer = patient(&revocations).clock(hands.clock());
        let address = server(layer, &revocations).await;
        let mut socket = connect(address, "user=ada&ms=600000").await.unwrap();
        revocations
            .revoke("token:old", DisconnectReason::Revoked)
            .await
            .unwrap();
        assert_eq!(ask(&mut socket, "ada 9000 old").await, "token_invalid");
        assert_eq!(revocations.count("token:old"), 0);
        hands.forward(600);
        assert_eq!(close_of(&mut socket).await, said(4401, "token_expired"));
    }
}

mod max_connections {
    use super::*;

    #[tokio::test]
    async fn the_newest_is_refused_until_one_has_gone() {
        let server =
            Server::start(|layer| layer.max_connections(2, "user:", OverLimit::RefuseNewest)).await;
        let mut open = vec![
            server.connect("user=ada").await,
            server.connect("user=ada").await,
        ];
        assert_eq!(status(server.address, "user=ada").await, 429);
        let mut bob = server.connect("user=bob").await;
        echoes(&mut bob, "another user").await;
        for socket in &mut open {
            echoes(socket, "stays").await;
        }
        assert_eq!(server.revocations.count("user:ada"), 2);
        open.pop().unwrap().close(None).await.unwrap();
        until("a free place", || server.revocations.count("user:ada") == 1).await;
        server.connect("user=ada").await;
    }

    #[tokio::test]
    async fn the_oldest_is_ended() {
        let server =
            Server::start(|layer| layer.max_connections(2, "user:", OverLimit::EndOldest)).await;
        let mut open = Vec::new();
        for _ in 0..4 {
            let mut socket = server.connect("user=ada").await;
            echoes(&mut socket, "hello").await;
            open.push(socket);
        }
        for socket in &mut open[..2] {
            assert_eq!(close_of(socket).await, said(4429, "too_many_connections"));
        }
        for socket in &mut open[2..] {
            echoes(socket, "stays").await;
        }
    }
}

mod a_cooperative_handler {
    use super::*;

    #[tokio::test]
    async fn is_told_and_closes_by_itself() {
        let revocations = revocations();
        let layer = LeaseLayer::new(revocations.clone()).cooperative();
        let handler = any(async |upgrade: WebSocketUpgrade, lease: Lease| {
            upgrade.on_upgrade(async move |mut socket: WebSocket| {
                tokio::select! {
                    reason = lease.ended() => {
                        let text = format!("bye: {reason}");
                        let _ = socket.send(AxumMessage::text(text)).await;
                    }
                    _ = socket.recv() => {}
                }
            })
        });
        let address = serve(handler, &revocations, &layer).await;
        let mut revoked = connect(address, "user=ada").await.unwrap();
        let mut expired = connect(address, "user=bob&ms=100").await.unwrap();
        let text = async |socket: &mut Socket| {
            let message = timeout(SOON, socket.next()).await.unwrap().unwrap();
            message.unwrap().to_text().unwrap().to_owned()
        };
        assert_eq!(text(&mut expired).await, "bye: token_expired");
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        assert_eq!(text(&mut revoked).await, "bye: revoked");
        bounded("the end of all leases", layer.leases().all_ended()).await;
        assert!(revocations.is_empty());
    }
}

mod the_layer {
    use super::*;
    use http::Request;
    use tower::{Layer, Service, ServiceExt};

    #[tokio::test]
    async fn refuses_everything_without_an_auth_layer_outside() {
        let service = tower::service_fn(async |_: Request<()>| {
            panic!("called");
            #[allow(unreachable_code)]
            Ok::<_, std::convert::Infallible>(http::Response::new(()))
        });
        let mut service = LeaseLayer::expiry_only().layer(service);
        let service = service.ready().await.unwrap();
        let response = service.call(Request::new(())).await.unwrap();
        assert_eq!(response.status(), 503);
    }

    #[tokio::test]
    async fn advises_nobody_to_come_back_with_a_credential_that_is_used_up() {
        let strategy = |_: &mut Parts| async { Ok::<_, Rejection>(Grant::new(7).spent()) };
        // It knows the users of another identity, so that it refuses what the strategy has accepted.
        let layer = LeaseLayer::expiry_only().renewable_by(|user: &String| user.clone());
        let stack = tower::ServiceBuilder::new()
            .layer(AuthLayer::new(strategy).any_request())
            .layer(layer);
        let service = stack.service(tower::service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(http::Response::new(()))
        }));
        let response = service.oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), 503);
        let rejection: &Rejection = response.extensions().get().unwrap();
        assert_eq!(rejection.advice(), Advice::RefreshLater);
    }

    #[tokio::test]
    async fn leaves_nothing_of_a_request_that_is_no_upgrade_or_is_answered_otherwise() {
        let revocations = revocations();
        let layer = LeaseLayer::new(revocations.clone());
        let handler = any(async || "no socket here");
        let address = serve(handler, &revocations, &layer).await;
        assert_eq!(status(address, "user=ada").await, 200);
        bounded("the end of all leases", layer.leases().all_ended()).await;
        assert!(revocations.is_empty());
    }

    #[tokio::test]
    async fn ends_all_when_the_server_goes_down() {
        let server = Server::start(|layer| layer).await;
        let mut open = Vec::new();
        for n in 0..50 {
            open.push(server.connect(&format!("user={n}&ms=3600000")).await);
        }
        let leases = server.layer.leases();
        assert_eq!(leases.len(), 50);
        assert_eq!(leases.end_all(&DisconnectReason::GoingAway).await, 50);
        for socket in &mut open {
            assert_eq!(close_of(socket).await, said(1001, "going_away"));
        }
        timeout(SOON, leases.all_ended()).await.unwrap();
        server.is_empty().await;
    }

    #[tokio::test]
    async fn checks_the_revocations_itself_where_the_strategy_has_not() {
        let revocations = revocations();
        let old = |_: &mut Parts| async {
            let grant = Grant::new(()).issued_at(Clock::at(1));
            Ok::<_, Rejection>(grant.revocable_by("user:ada"))
        };
        let stack = tower::ServiceBuilder::new()
            .layer(AuthLayer::new(old).any_request())
            .layer(LeaseLayer::new(revocations.clone()));
        let mut service = stack.service(tower::service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(http::Response::new(()))
        }));
        let mut status = async || {
            let service = service.ready().await.unwrap();
            service
                .call(Request::new(()))
                .await
                .unwrap()
                .status()
                .as_u16()
        };
        assert_eq!(status().await, 200);
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        assert_eq!(status().await, 401);
        assert!(revocations.is_empty());
    }
}
