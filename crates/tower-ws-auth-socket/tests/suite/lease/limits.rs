//! A limit on connections counts those that were accepted and upgraded, and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::Request;
use axum::extract::ws::{Message as AxumMessage, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use http::request::Parts;
use test_support::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower_ws_auth_core::revocation::Recorded;
use tower_ws_auth_core::{
    AuthLayer, AuthenticateExt, BoxFuture, Clock, Grant, MemoryRevocations, Rejection, Revocation,
    RevocationKey, RevocationStore, Revocations, StoreError,
};
use tower_ws_auth_socket::lease::{DisconnectReason, Lease, LeaseLayer, OverLimit};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Nothing in these tests takes longer, on the slowest machine.
const SOON: Duration = Duration::from_secs(60);

/// What the client asks for: `?user=ada&token=old&room=1`. An old token was issued long ago.
#[derive(Clone, Debug, Default)]
struct Asked {
    user: String,
    token: String,
    room: Option<String>,
}

impl Asked {
    fn parse(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "user" => value.clone_into(&mut asked.user),
                "token" => value.clone_into(&mut asked.token),
                "room" => asked.room = Some(value.to_owned()),
                _ => panic!("{name}"),
            }
        }
        asked
    }

    fn grant(&self) -> Grant<String> {
        let issued_at = match &*self.token {
            "old" => Clock::at(1),
            _ => SystemTime::now(),
        };
        let grant = Grant::new(self.user.clone())
            .issued_at(issued_at)
            .revocable_by(format!("user:{}", self.user))
            .revocable_by(format!("token:{}", self.token));
        match &self.room {
            Some(room) => grant.revocable_by(format!("room:{room}")),
            None => grant,
        }
    }
}

fn strategy(
    head: &mut Parts,
) -> impl Future<Output = Result<Grant<String>, Rejection>> + Send + use<> {
    let grant = Asked::parse(head.uri.query().unwrap_or_default()).grant();
    async move { Ok(grant) }
}

/// Answers at once, except about the keys of old tokens: those wait until the gate is opened.
struct Gated {
    memory: MemoryRevocations,
    asked: Arc<Semaphore>,
    gate: watch::Receiver<bool>,
}

/// The test's end of the [`Gated`] store.
struct Gate {
    /// One permit for each answer that waits.
    asked: Arc<Semaphore>,
    gate: watch::Sender<bool>,
}

impl Gate {
    fn store() -> (Self, Gated) {
        let asked = Arc::new(Semaphore::new(0));
        let (sender, receiver) = watch::channel(false);
        let store = Gated {
            memory: MemoryRevocations::new(Duration::from_secs(3600), 1000),
            asked: Arc::clone(&asked),
            gate: receiver,
        };
        let gate = Self {
            asked,
            gate: sender,
        };
        (gate, store)
    }

    async fn waiting(&self, handshakes: u32) {
        let asked = self.asked.acquire_many(handshakes);
        timeout(SOON, asked).await.unwrap().unwrap().forget();
    }

    fn open(&self) {
        self.gate.send(true).unwrap();
    }
}

impl RevocationStore for Gated {
    fn find(
        &self,
        keys: Vec<RevocationKey>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>> {
        let (answer, mut gate) = (self.memory.find(keys), self.gate.clone());
        self.asked.add_permits(1);
        Box::pin(async move {
            gate.wait_for(|open| *open).await.unwrap();
            answer.await
        })
    }

    fn find_now(&self, keys: &[RevocationKey]) -> Option<Vec<Option<Revocation>>> {
        let waits = keys.iter().any(|key| key.name() == "token:old");
        if waits {
            return None;
        }
        self.memory.find_now(keys)
    }

    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Recorded, StoreError>> {
        self.memory.record(key, revocation)
    }
}

/// `/` echoes, `/plain` answers without a socket, `/held` upgrades when its handler is let go.
struct Server {
    address: SocketAddr,
    revocations: Revocations,
    /// One permit for each handler of `/held` that has begun.
    began: Arc<Semaphore>,
    /// One permit lets one of them go on.
    go: Arc<Semaphore>,
}

impl Server {
    async fn start(configure: impl FnOnce(LeaseLayer) -> LeaseLayer) -> Self {
        let store = MemoryRevocations::new(Duration::from_secs(3600), 1000);
        Self::on(store, configure).await
    }

    async fn on(
        store: impl RevocationStore + 'static,
        configure: impl FnOnce(LeaseLayer) -> LeaseLayer,
    ) -> Self {
        // What comes after a revocation is good at once.
        let revocations = Revocations::builder(store)
            .allowed_skew(Duration::ZERO)
            .build();
        let lease = configure(LeaseLayer::new(revocations.clone()));
        let began = Arc::new(Semaphore::new(0));
        let go = Arc::new(Semaphore::new(0));
        let in_handler = (Arc::clone(&began), Arc::clone(&go));
        let held = any(move |upgrade: WebSocketUpgrade, lease: Lease| {
            let (began, go) = in_handler.clone();
            async move {
                began.add_permits(1);
                go.acquire().await.unwrap().forget();
                upgrade.on_upgrade(move |socket| converse(socket, lease))
            }
        });
        let echo = any(async |upgrade: WebSocketUpgrade, lease: Lease| {
            upgrade.on_upgrade(move |socket| converse(socket, lease))
        });
        let plain = any(async |request: Request| -> Response {
            drop(request);
            "no socket here".into_response()
        });
        let guarded = AuthLayer::new(strategy.revocable(revocations.clone())).any_request();
        let stack = tower::ServiceBuilder::new().layer(guarded).layer(lease);
        let app = Router::new()
            .route("/", echo)
            .route("/plain", plain)
            .route("/held", held)
            .layer(stack);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            revocations,
            began,
            go,
        }
    }

    async fn connect(&self, target: &str) -> Result<Socket, u16> {
        connect(self.address, target).await
    }

    /// A request that is no handshake, and the status of its answer.
    async fn get(&self, target: &str) -> u16 {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        timeout(SOON, read).await.unwrap().unwrap();
        let status = answer.get(9..12).unwrap();
        std::str::from_utf8(status).unwrap().parse().unwrap()
    }

    /// Handlers of `/held` have begun.
    async fn holds(&self, handlers: u32) {
        let began = self.began.acquire_many(handlers);
        timeout(SOON, began).await.unwrap().unwrap().forget();
    }

    /// Everybody's registration is gone.
    async fn is_empty(&self) {
        until("registrations", || self.revocations.is_empty()).await;
    }
}

/// Echoes; a text of the form `renew user=ada&token=2` renews the lease.
async fn converse(mut socket: WebSocket, lease: Lease) {
    while let Some(Ok(message)) = socket.recv().await {
        let AxumMessage::Text(text) = message else {
            continue;
        };
        let answer = match text.strip_prefix("renew ") {
            None => text,
            Some(query) => {
                let renewed = lease.renew(Asked::parse(query).grant(), |_| true).await;
                let answer = renewed.map_or_else(|refused| refused.reason(), |_| "renewed");
                answer.into()
            }
        };
        if socket.send(AxumMessage::Text(answer)).await.is_err() {
            break;
        }
    }
}

async fn connect(address: SocketAddr, target: &str) -> Result<Socket, u16> {
    let connecting = connect_async(format!("ws://{address}{target}"));
    match timeout(SOON, connecting).await.unwrap() {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

async fn ask(socket: &mut Socket, text: &str) -> String {
    socket.send(Message::text(text)).await.unwrap();
    let answer = timeout(SOON, socket.next()).await.unwrap().unwrap();
    answer.unwrap().to_text().unwrap().to_owned()
}

async fn stays(socket: &mut Socket) {
    assert_eq!(ask(socket, "still here").await, "still here");
}

/// It was told that there are too many.
async fn is_ended(socket: &mut Socket) {
    loop {
        match timeout(SOON, socket.next()).await.unwrap() {
            Some(Ok(Message::Close(Some(close)))) => {
                let said = (u16::from(close.code), close.reason.as_str());
                assert_eq!(said, (4429, "too_many_connections"));
                return;
            }
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

mod a_handshake_under_way {
    use super::*;

    #[tokio::test]
    async fn with_a_revoked_token_ends_nobodys_socket() {
        let (gate, store) = Gate::store();
        let server = Server::on(store, |layer| {
            layer.max_connections(3, "user:", OverLimit::EndOldest)
        })
        .await;
        let revoked = server
            .revocations
            .revoke("user:ada", DisconnectReason::Revoked);
        revoked.await.unwrap();
        let mut open = Vec::new();
        for _ in 0..2 {
            open.push(server.connect("/?user=ada&token=new").await.unwrap());
        }
        let flood = (0..10).map(|_| connect(server.address, "/?user=ada&token=old"));
        let flood = tokio::spawn(join_all(flood));
        gate.waiting(10).await;
        // The third of three that may be open, whatever is under way.
        open.push(server.connect("/?user=ada&token=new").await.unwrap());
        for socket in &mut open {
            stays(socket).await;
        }
        gate.open();
        for refused in timeout(SOON, flood).await.unwrap().unwrap() {
            assert_eq!(refused.err(), Some(401));
        }
        for socket in &mut open {
            stays(socket).await;
        }
    }

    #[tokio::test]
    async fn with_a_revoked_token_keeps_nobody_out() {
        let (gate, store) = Gate::store();
        let server = Server::on(store, |layer| {
            layer.max_connections(1, "user:", OverLimit::RefuseNewest)
        })
        .await;
        let revoked = server
            .revocations
            .revoke("user:ada", DisconnectReason::Revoked);
        revoked.await.unwrap();
        let flood = (0..10).map(|_| connect(server.address, "/?user=ada&token=old"));
        let flood = tokio::spawn(join_all(flood));
        gate.waiting(10).await;
        let mut socket = server.connect("/?user=ada&token=new").await.unwrap();
        stays(&mut socket).await;
        assert_eq!(
            server.connect("/?user=ada&token=new").await.err(),
            Some(429)
        );
        gate.open();
        for refused in timeout(SOON, flood).await.unwrap().unwrap() {
            assert_eq!(refused.err(), Some(401));
        }
        stays(&mut socket).await;
    }

    #[tokio::test]
    async fn takes_its_place_when_it_is_upgraded_and_not_before() {
        let most = |layer: LeaseLayer| layer.max_connections(1, "user:", OverLimit::RefuseNewest);
        let server = Server::start(most).await;
        let held = tokio::spawn(connect(server.address, "/held?user=ada&token=1"));
        server.holds(1).await;
        let mut socket = server.connect("/?user=ada&token=1").await.unwrap();
        stays(&mut socket).await;
        // The place is taken now: who held back is accepted and told so.
        server.go.add_permits(1);
        let mut late = timeout(SOON, held).await.unwrap().unwrap().unwrap();
        is_ended(&mut late).await;
        stays(&mut socket).await;
    }

    #[tokio::test]
    async fn ends_the_oldest_when_it_is_upgraded_and_not_before() {
        let server =
            Server::start(|layer| layer.max_connections(1, "user:", OverLimit::EndOldest)).await;
        let mut oldest = server.connect("/?user=ada&token=1").await.unwrap();
        let held = tokio::spawn(connect(server.address, "/held?user=ada&token=1"));
        server.holds(1).await;
        stays(&mut oldest).await;
        server.go.add_permits(1);
        let mut newest = timeout(SOON, held).await.unwrap().unwrap().unwrap();
        is_ended(&mut oldest).await;
        stays(&mut newest).await;
    }
}

mod a_plain_request {
    use super::*;

    #[tokio::test]
    async fn ends_no_socket() {
        let server =
            Server::start(|layer| layer.max_connections(1, "user:", OverLimit::EndOldest)).await;
        let mut socket = server.connect("/?user=ada&token=1").await.unwrap();
        for _ in 0..5 {
            assert_eq!(server.get("/plain?user=ada&token=1").await, 200);
        }
        stays(&mut socket).await;
        // A handshake that its handler answers without a socket is no connection either.
        assert_eq!(
            server.connect("/plain?user=ada&token=1").await.err(),
            Some(200)
        );
        stays(&mut socket).await;
    }

    #[tokio::test]
    async fn is_not_refused_for_the_sockets_that_are_open() {
        let most = |layer: LeaseLayer| layer.max_connections(1, "user:", OverLimit::RefuseNewest);
        let server = Server::start(most).await;
        let mut socket = server.connect("/?user=ada&token=1").await.unwrap();
        assert_eq!(server.get("/plain?user=ada&token=1").await, 200);
        stays(&mut socket).await;
    }
}

mod a_renewal {
    use super::*;

    #[tokio::test]
    async fn to_a_key_that_is_full_is_refused_and_changes_nothing() {
        let most = |layer: LeaseLayer| layer.max_connections(1, "room:", OverLimit::RefuseNewest);
        let server = Server::start(most).await;
        let mut first = server.connect("/?user=ada&token=1&room=1").await.unwrap();
        let mut second = server.connect("/?user=ada&token=2&room=2").await.unwrap();
        let to_first = "renew user=ada&token=3&room=1";
        assert_eq!(ask(&mut second, to_first).await, "rate_limited");
        assert_eq!(server.revocations.count("token:3"), 0);
        assert_eq!(
            server.connect("/?user=ada&token=3&room=2").await.err(),
            Some(429)
        );
        first.close(None).await.unwrap();
        until("a free place", || server.revocations.count("room:1") == 0).await;
        assert_eq!(ask(&mut second, to_first).await, "renewed");
        // The place that it had is free.
        let mut third = server.connect("/?user=ada&token=3&room=2").await.unwrap();
        assert_eq!(
            server.connect("/?user=ada&token=3&room=1").await.err(),
            Some(429)
        );
        stays(&mut third).await;
        drop((first, second, third));
        server.is_empty().await;
    }

    #[tokio::test]
    async fn to_a_key_that_is_full_ends_its_oldest() {
        let server =
            Server::start(|layer| layer.max_connections(1, "room:", OverLimit::EndOldest)).await;
        let mut first = server.connect("/?user=ada&token=1&room=1").await.unwrap();
        let mut second = server.connect("/?user=ada&token=2&room=2").await.unwrap();
        let renewed = ask(&mut second, "renew user=ada&token=3&room=1").await;
        assert_eq!(renewed, "renewed");
        is_ended(&mut first).await;
        stays(&mut second).await;
    }

    #[tokio::test]
    async fn of_the_same_key_keeps_its_place() {
        for over_limit in [OverLimit::RefuseNewest, OverLimit::EndOldest] {
            let server = Server::start(|layer| layer.max_connections(2, "user:", over_limit)).await;
            let mut open = Vec::new();
            for _ in 0..2 {
                open.push(server.connect("/?user=ada&token=1").await.unwrap());
            }
            for socket in &mut open {
                assert_eq!(ask(socket, "renew user=ada&token=2").await, "renewed");
                assert_eq!(ask(socket, "renew user=ada&token=3").await, "renewed");
            }
            for socket in &mut open {
                stays(socket).await;
            }
        }
    }

    #[tokio::test]
    async fn with_a_key_that_is_new_to_the_connection_is_counted_under_it() {
        let most = |layer: LeaseLayer| layer.max_connections(1, "room:", OverLimit::RefuseNewest);
        let server = Server::start(most).await;
        let mut first = server.connect("/?user=ada&token=1").await.unwrap();
        assert_eq!(
            ask(&mut first, "renew user=ada&token=1&room=1").await,
            "renewed"
        );
        assert_eq!(
            server.connect("/?user=bob&token=2&room=1").await.err(),
            Some(429)
        );
        assert_eq!(ask(&mut first, "renew user=ada&token=1").await, "renewed");
        let mut second = server.connect("/?user=bob&token=2&room=1").await.unwrap();
        stays(&mut second).await;
        stays(&mut first).await;
    }
}

/// Where the layer has no part in the connection it counts all the same.
#[tokio::test]
async fn a_cooperative_handler_is_counted_and_told() {
    let most = |layer: LeaseLayer| {
        layer
            .cooperative()
            .max_connections(1, "user:", OverLimit::RefuseNewest)
    };
    let server = Server::start(most).await;
    let mut socket = server.connect("/?user=ada&token=1").await.unwrap();
    assert_eq!(server.connect("/?user=ada&token=1").await.err(), Some(429));
    assert_eq!(server.get("/plain?user=ada&token=1").await, 200);
    stays(&mut socket).await;
}

mod what_comes_to_be {
    use super::*;
    use std::convert::Infallible;
    use tower::{Layer, Service};

    /// How a service answers a request under a limit of one, with one that is open there already.
    async fn refused_beside_another(method: http::Method, status: u16) -> bool {
        let store = MemoryRevocations::new(Duration::from_secs(3600), 10);
        let revocations = Revocations::new(store);
        let layer = LeaseLayer::new(revocations.clone())
            .cooperative()
            .max_connections(1, "user:", OverLimit::RefuseNewest);
        let mut service = layer.layer(tower::service_fn(
            async |request: http::Request<Option<u16>>| {
                let mut response = http::Response::new(());
                *response.status_mut() = request.body().unwrap().try_into().unwrap();
                let lease = request.extensions().get::<Lease>().unwrap().clone();
                response.extensions_mut().insert(lease);
                Ok::<_, Infallible>(response)
            },
        ));
        let mut call = async |method: &http::Method| {
            let mut request = http::Request::new(Some(status));
            request.method_mut().clone_from(method);
            let to = http::HeaderValue::from_static("websocket");
            request.headers_mut().insert(http::header::UPGRADE, to);
            let grant = Grant::new(()).revocable_by("user:ada");
            request.extensions_mut().insert(grant.into_parts().1);
            service.call(request).await.unwrap()
        };
        let first = call(&method).await;
        assert_eq!(first.status(), status);
        let second = call(&method).await;
        second.extensions().get::<Rejection>().is_some()
    }

    #[tokio::test]
    async fn by_a_101_or_by_a_2xx_to_a_connect_is_counted_and_nothing_else() {
        use http::Method;
        for (method, status, counts) in [
            (Method::GET, 101, true),
            (Method::CONNECT, 200, true),
            (Method::CONNECT, 204, true),
            (Method::CONNECT, 403, false),
            (Method::GET, 200, false),
            (Method::POST, 200, false),
            (Method::GET, 404, false),
        ] {
            let refused = refused_beside_another(method.clone(), status).await;
            assert_eq!(refused, counts, "{method} {status}");
        }
    }
}
