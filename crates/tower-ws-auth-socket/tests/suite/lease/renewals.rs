//! Renewals: an open connection gets a new credential, over HTTP or by a message of its own.

use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::ws::{Message as AxumMessage, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{any, any_service};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde::{Deserialize, Serialize};
use test_support::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::RwLock;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower::{Service, ServiceBuilder};
use tower_ws_auth_core::credential::{Carriers, Credential, SubprotocolFormat};
use tower_ws_auth_core::relay::{Answers, NodeRelay, RelayError};
use tower_ws_auth_core::{
    AuthLayer, Authenticate, AuthenticateExt, BoxFuture, Clock, DisconnectReason, Grant,
    MemoryRevocations, RedactLayer, Rejection, RejectionKind, RevocationStore, Revocations,
};
use tower_ws_auth_socket::lease::{
    ConnectionId, Lease, LeaseLayer, OverLimit, RenewalFormat, Renewals,
};

mod checked;
mod lost;
mod registrations;
mod single_use;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Nothing in these tests takes longer, on the slowest machine.
const SOON: Duration = Duration::from_secs(60);
const ID: &str = "9f1c2d3e-4b5a-4c6d-8e7f-001122334455";
const OTHER_ID: &str = "00000000-4b5a-4c6d-8e7f-001122334455";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    role: String,
}

/// `ada.100.900.admin`: of whom, issued when, good until when (seconds of the test), in which role.
/// A fifth part is one more revocation key.
#[derive(Clone)]
struct Tokens {
    carriers: Carriers,
    start: SystemTime,
}

impl Authenticate for Tokens {
    type Credential = Credential;
    type Verified = User;
    type Identity = User;
    type Future = Ready<Result<Grant<User>, Rejection>>;

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.carriers.take(head)
    }

    fn verify(&self, token: Credential, _: &Parts) -> Self::Future {
        let parts: Vec<_> = token.as_str().split('.').collect();
        let [name, issued, end, role, keys @ ..] = &*parts else {
            return ready(Err(Rejection::new(RejectionKind::TokenInvalid, "parts")));
        };
        let moment = |text: &str| {
            let seconds = text.parse().ok()?;
            Some(self.start + Duration::from_secs(seconds))
        };
        let user = User {
            name: (*name).to_owned(),
            role: (*role).to_owned(),
        };
        let mut grant = Grant::new(user).revocable_by(format!("user:{name}"));
        if let Some(issued) = moment(issued) {
            grant = grant.issued_at(issued);
        }
        if let Some(end) = moment(end) {
            grant = grant.until(end);
        }
        for key in keys {
            grant = grant.revocable_by(*key);
        }
        ready(Ok(grant))
    }

    fn admit(&self, user: User, _: &Parts) -> Result<User, Rejection> {
        Ok(user)
    }
}

/// Nobody in the role `none` may be here.
fn permitted(user: &User, _: &Parts) -> bool {
    user.role != "none"
}

trait Strategy<I = User>: Authenticate<Identity = I, Future: Send> + Send + Sync + 'static {}

impl<A, I> Strategy<I> for A where
    A: Authenticate<Identity = I, Future: Send> + Send + Sync + 'static
{
}

#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Hands {
    fn clock(&self, start: SystemTime) -> Clock {
        let ahead = Arc::clone(&self.0);
        Clock::from_fn(move || start + Duration::from_secs(ahead.load(Ordering::SeqCst)))
    }

    fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

/// Joins nodes in one process.
#[derive(Clone, Default)]
struct Bus {
    nodes: Arc<Mutex<Vec<Weak<Answers>>>>,
    is_down: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    /// Closed while it is held for writing.
    gate: Arc<RwLock<()>>,
}

/// One node's place on it.
#[derive(Clone)]
struct OnBus(Bus, usize);

impl NodeRelay for OnBus {
    fn ask(&self, question: Vec<u8>) -> BoxFuture<Result<Option<Vec<u8>>, RelayError>> {
        let Self(bus, own) = self.clone();
        Box::pin(async move {
            bus.asked.fetch_add(1, Ordering::SeqCst);
            drop(bus.gate.read().await);
            if bus.is_down.load(Ordering::SeqCst) {
                return Err(RelayError::new("down"));
            }
            let nodes = bus.nodes.lock().unwrap().clone();
            for (node, answers) in nodes.iter().enumerate() {
                let answers = answers.upgrade().filter(|_| node != own);
                if let Some(answers) = answers
                    && let Some(answer) = answers(question.clone()).await
                {
                    return Ok(Some(answer));
                }
            }
            Ok(None)
        })
    }

    fn attach(&self, here: Weak<Answers>) {
        let mut nodes = self.0.nodes.lock().unwrap();
        assert_eq!(nodes.len(), self.1);
        nodes.push(here);
    }
}

/// What the handlers have seen.
#[derive(Clone, Default)]
struct Seen {
    uris: Arc<Mutex<Vec<String>>>,
    running: Arc<AtomicUsize>,
}

struct Server<A: Authenticate> {
    address: SocketAddr,
    renewals: Renewals<A>,
    revocations: Revocations,
    layer: LeaseLayer,
    hands: Hands,
    seen: Seen,
    start: SystemTime,
}

fn tokens(start: SystemTime) -> Tokens {
    let carriers = Carriers::builder().query("token").bearer_header();
    let carriers = carriers.build().unwrap();
    Tokens { carriers, start }
}

async fn server() -> Server<impl Strategy> {
    server_with(|layer| layer).await
}

async fn server_with(configure: impl FnOnce(LeaseLayer) -> LeaseLayer) -> Server<impl Strategy> {
    server_on(SystemTime::now(), None, configure).await
}

async fn server_on(
    start: SystemTime,
    relay: Option<OnBus>,
    configure: impl FnOnce(LeaseLayer) -> LeaseLayer,
) -> Server<impl Strategy> {
    let strategy = |revocations| tokens(start).revocable(revocations).authorize(permitted);
    server_by(start, relay, configure, strategy, |renewals| renewals).await
}

/// With this strategy. `prepare` completes the renewals.
async fn server_by<A: Strategy>(
    start: SystemTime,
    relay: Option<OnBus>,
    configure: impl FnOnce(LeaseLayer) -> LeaseLayer,
    strategy: impl Fn(Revocations) -> A,
    prepare: impl FnOnce(Renewals<A>) -> Renewals<A>,
) -> Server<A> {
    let store = MemoryRevocations::new(Duration::from_secs(3600), 1000);
    server_at(store, start, relay, configure, strategy, prepare).await
}

/// With this store of revocations.
async fn server_at<A: Strategy>(
    store: impl RevocationStore + 'static,
    start: SystemTime,
    relay: Option<OnBus>,
    configure: impl FnOnce(LeaseLayer) -> LeaseLayer,
    strategy: impl Fn(Revocations) -> A,
    prepare: impl FnOnce(Renewals<A>) -> Renewals<A>,
) -> Server<A> {
    let hands = Hands::default();
    let clock = hands.clock(start);
    let revocations = Revocations::builder(store)
        .clock(clock.clone())
        .allowed_skew(Duration::ZERO)
        .build();
    let layer = LeaseLayer::new(revocations.clone())
        .clock(clock)
        .deadline(2 * SOON)
        .renewable_by(|user: &User| user.name.clone());
    let layer = configure(layer);
    let strategy = || strategy(revocations.clone());
    let renewals = prepare(layer.leases().renewals(strategy()).unwrap());
    let renewals = match relay {
        Some(relay) => renewals.across(relay),
        None => renewals,
    };
    let stack = ServiceBuilder::new()
        .layer(AuthLayer::new(strategy()))
        .layer(layer.clone());
    let seen = Seen::default();
    let (of_route, in_band) = (seen.clone(), renewals.clone());
    let handler = move |upgrade: WebSocketUpgrade, lease: Lease, head: Parts| {
        let (seen, renewals) = (of_route.clone(), in_band.clone());
        async move {
            let offered = head.headers.get("sec-websocket-protocol");
            let offered = offered.map_or("", |offered| offered.to_str().unwrap());
            let seen_here = format!("{}|{offered}", head.uri);
            seen.uris.lock().unwrap().push(seen_here);
            upgrade
                .protocols(["chat"])
                .on_upgrade(move |socket| talk(socket, lease, renewals, seen))
        }
    };
    let app = Router::new()
        .route("/bare", any(handler.clone()).layer(stack.clone()))
        .route("/ws", any(handler).layer(stack))
        .route("/renew", any_service(renewals.clone()))
        .layer(RedactLayer::new(["token", "connection"], ["/ws", "/renew"]).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    Server {
        address,
        renewals,
        revocations,
        layer,
        hands,
        seen,
        start,
    }
}

/// Says its id and its role; then each role that it is renewed to, and the outcome of each renewal
/// by a message. It echoes everything else.
async fn talk<A: Strategy>(mut socket: WebSocket, lease: Lease, renewals: Renewals<A>, seen: Seen) {
    seen.running.fetch_add(1, Ordering::SeqCst);
    let mut user = lease.identity::<User>().unwrap();
    let id = lease.connection_id().unwrap().encode();
    let role = user.borrow_and_update().role.clone();
    let own = RenewalFormat::json("token").expecting("type", "renew");
    let mut own = renewals.messages(own);
    let mut centrifugo = renewals.messages(RenewalFormat::centrifugo());
    for text in [id, role] {
        let _ = socket.send(AxumMessage::text(text)).await;
    }
    loop {
        tokio::select! {
            Ok(()) = user.changed() => {
                let role = user.borrow_and_update().role.clone();
                let _ = socket.send(AxumMessage::text(role)).await;
            }
            received = socket.recv() => match received {
                Some(Ok(AxumMessage::Text(text))) => {
                    let message = (lease.clone(), text.to_string());
                    if let Ok(Some(answer)) = own.call(message.clone()).await {
                        let _ = socket.send(AxumMessage::text(answer)).await;
                        continue;
                    }
                    if let Ok(Some(answer)) = centrifugo.call(message).await {
                        let _ = socket.send(AxumMessage::text(answer)).await;
                        continue;
                    }
                    let answer = match text.strip_prefix("renew ") {
                        Some(token) => match renewals.renew(&lease, token).await {
                            Ok(()) => "renewed".to_owned(),
                            Err(rejection) => rejection.reason().to_owned(),
                        },
                        None => text.to_string(),
                    };
                    let _ = socket.send(AxumMessage::text(answer)).await;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
        }
    }
    seen.running.fetch_sub(1, Ordering::SeqCst);
}

/// An open connection: its socket and its id.
struct Client {
    socket: Socket,
    id: String,
}

impl Client {
    async fn text(&mut self) -> String {
        match timeout(SOON, self.socket.next()).await.unwrap() {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    async fn say(&mut self, text: &str) -> String {
        self.socket.send(Message::text(text)).await.unwrap();
        self.text().await
    }

    async fn close(&mut self) -> (u16, String) {
        loop {
            match timeout(SOON, self.socket.next()).await.unwrap() {
                Some(Ok(Message::Close(Some(close)))) => {
                    return (close.code.into(), close.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn is_open(&mut self) {
        assert_eq!(self.say("still here").await, "still here");
    }
}

impl<A: Strategy> Server<A> {
    async fn open(&self, token: &str) -> Client {
        self.open_by(&format!("?token={token}")).await
    }

    async fn open_by(&self, query: &str) -> Client {
        let url = format!("ws://{}/ws{query}", self.address);
        let (socket, _) = connect_async(url).await.unwrap();
        self.welcome(socket).await
    }

    async fn welcome(&self, socket: Socket) -> Client {
        let mut client = Client {
            socket,
            id: String::new(),
        };
        client.id = client.text().await;
        client.text().await;
        client
    }

    /// Renews by a request: the status and the body's text.
    async fn renew(&self, token: &str, id: &str) -> (StatusCode, String) {
        let body = format!(r#"{{"connection":"{id}"}}"#);
        self.ask(Method::POST, token, body).await
    }

    async fn ask(&self, method: Method, token: &str, body: String) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .header("authorization", format!("Bearer {token}"))
            .body(Full::<Bytes>::from(body))
            .unwrap();
        let response = self.renewals.clone().call(request).await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        let status = response.status();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(text.to_vec()).unwrap())
    }

    fn said(status: u16, text: &str) -> (StatusCode, String) {
        (StatusCode::from_u16(status).unwrap(), text.to_owned())
    }

    async fn is_empty(&self) {
        let empty = || {
            self.seen.running.load(Ordering::SeqCst) == 0
                && self.layer.leases().is_empty()
                && self.revocations.is_empty()
                && format!("{:?}", self.layer.leases()).contains("named: 0")
        };
        until("an idle server", empty).await;
    }
}

#[tokio::test]
async fn a_connection_lives_as_long_as_its_new_credential() {
    let server = server().await;
    let mut client = server.open("ada.0.100.user").await;
    assert_eq!(server.renew("ada.50.900.user", &client.id).await.0, 204);
    assert_eq!(client.text().await, "user");
    server.hands.set(899);
    client.is_open().await;
    server.hands.set(900);
    assert_eq!(client.close().await, (4401, "token_expired".to_owned()));
    drop(client);
    server.is_empty().await;
}

#[tokio::test]
async fn without_a_renewal_it_ends_with_the_old_one() {
    let server = server().await;
    let mut client = server.open("ada.0.100.user").await;
    server.hands.set(100);
    assert_eq!(client.close().await, (4401, "token_expired".to_owned()));
}

#[tokio::test]
async fn a_renewal_comes_over_http_and_its_new_role_reaches_the_handler() {
    let server = server().await;
    let mut client = server.open("ada.0.100.user").await;
    let body = format!(r#"{{"connection":"{}"}}"#, client.id);
    let request = format!(
        "POST /renew?token=ada.50.900.admin HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert_eq!(client.text().await, "admin");
}

#[tokio::test]
async fn a_lost_permission_ends_the_connection() {
    let server = server().await;
    let mut client = server.open("ada.50.900.user").await;
    // An older token proves nothing about what is permitted now.
    let refused = Server::<Tokens>::said(403, "forbidden");
    assert_eq!(server.renew("ada.49.900.none", &client.id).await, refused);
    client.is_open().await;
    // Neither does another user's.
    assert_eq!(server.renew("eve.60.900.none", &client.id).await, refused);
    client.is_open().await;
    assert_eq!(server.renew("ada.60.900.none", &client.id).await, refused);
    assert_eq!(client.close().await, (4403, "forbidden".to_owned()));
}

#[tokio::test]
async fn nobody_renews_the_connection_of_another_user_or_learns_of_it() {
    let server = server().await;
    let mut client = server.open("ada.0.100.user").await;
    let mut eve = server.open("eve.0.900.user").await;
    let theirs = server.renew("eve.50.900.user", &client.id).await;
    let nobodys = server.renew("eve.50.900.user", ID).await;
    assert_eq!(theirs, Server::<Tokens>::said(404, "connection_unknown"));
    assert_eq!(theirs, nobodys);
    server.hands.set(100);
    assert_eq!(client.close().await, (4401, "token_expired".to_owned()));
    eve.is_open().await;
}

#[tokio::test]
async fn an_older_credential_is_refused_and_changes_nothing() {
    let server = server().await;
    let mut client = server.open("ada.50.900.user").await;
    let refused = Server::<Tokens>::said(401, "token_invalid");
    // By its time of issue, and by its end where it has none.
    for older in ["ada.49.2000.admin", "ada.never.899.admin"] {
        assert_eq!(server.renew(older, &client.id).await, refused, "{older}");
    }
    client.is_open().await;
    // The same one again is no older.
    assert_eq!(server.renew("ada.50.900.user", &client.id).await.0, 204);
    assert_eq!(client.text().await, "user");
    server.hands.set(900);
    assert_eq!(client.close().await, (4401, "token_expired".to_owned()));
}

#[tokio::test]
async fn a_connection_that_has_ended_is_not_renewed() {
    let server = server().await;
    let mut client = server.open("ada.0.100.user").await;
    server.hands.set(100);
    // Its client has not answered yet, and its handler may still run.
    let told = client.close().await;
    assert_eq!(told, (4401, "token_expired".to_owned()));
    let unknown = Server::<Tokens>::said(404, "connection_unknown");
    assert_eq!(server.renew("ada.100.900.user", &client.id).await, unknown);
    let id = client.id.clone();
    drop(client);
    server.is_empty().await;
    assert_eq!(server.renew("ada.100.900.user", &id).await, unknown);
}

#[tokio::test]
async fn a_revoked_credential_renews_nothing_and_the_new_keys_end_the_connection() {
    let server = server().await;
    let mut client = server.open("ada.50.900.user").await;
    let revoked = |key: &'static str| server.revocations.revoke(key, DisconnectReason::Revoked);
    revoked("device/7").await.unwrap();
    let refused = server.renew("ada.0.900.user.device/7", &client.id).await;
    assert_eq!(refused, Server::<Tokens>::said(401, "token_invalid"));
    client.is_open().await;
    let renewed = server.renew("ada.60.900.user.device/8", &client.id).await;
    assert_eq!(renewed.0, 204);
    assert_eq!(client.text().await, "user");
    revoked("device/8").await.unwrap();
    assert_eq!(client.close().await, (4403, "revoked".to_owned()));
}

#[tokio::test]
async fn a_revocation_with_a_margin_leaves_the_time_to_renew() {
    let server = server_with(|layer| layer.grace(Duration::from_secs(1000))).await;
    let mut renewed = server.open("ada.50.900.user").await;
    let mut left = server.open("ada.50.900.user").await;
    let mut short = server.open("ada.50.61.user").await;
    let mut eve = server.open("eve.50.900.user").await;
    server.hands.set(60);
    let within = Duration::from_secs(100);
    let revoked = DisconnectReason::Revoked;
    let revoking = server
        .revocations
        .revoke_within("user:ada", revoked, within);
    revoking.await.unwrap();
    // Nothing older opens a connection or renews one.
    match connect_async(format!("ws://{}/ws?token=ada.59.900.user", server.address)).await {
        Err(Error::Http(refused)) => assert_eq!(refused.status(), 401),
        other => panic!("{other:?}"),
    }
    let refused = server.renew("ada.59.900.user", &renewed.id).await;
    assert_eq!(refused, Server::<Tokens>::said(401, "token_invalid"));
    server.hands.set(159);
    for client in [&mut renewed, &mut left, &mut short, &mut eve] {
        client.is_open().await;
    }
    assert_eq!(server.renew("ada.61.900.user", &renewed.id).await.0, 204);
    assert_eq!(renewed.text().await, "user");
    // A revocation knows no grace.
    server.hands.set(160);
    assert_eq!(left.close().await, (4403, "revoked".to_owned()));
    assert_eq!(short.close().await, (4403, "revoked".to_owned()));
    renewed.is_open().await;
    eve.is_open().await;
}

#[tokio::test]
async fn a_second_margin_does_not_prolong_the_first_by_any_grace() {
    let server = server_with(|layer| layer.grace(Duration::from_secs(1000))).await;
    let mut client = server.open("ada.50.900.user").await;
    let mut renewed = server.open("ada.50.900.user").await;
    server.hands.set(60);
    for seconds in [100, 500] {
        let within = Duration::from_secs(seconds);
        let revoked = DisconnectReason::Revoked;
        let revoking = server
            .revocations
            .revoke_within("user:ada", revoked, within);
        revoking.await.unwrap();
    }
    server.hands.set(159);
    client.is_open().await;
    assert_eq!(server.renew("ada.61.900.user", &renewed.id).await.0, 204);
    assert_eq!(renewed.text().await, "user");
    server.hands.set(160);
    assert_eq!(client.close().await, (4403, "revoked".to_owned()));
    // The grace is that of the new credential again.
    server.hands.set(1800);
    renewed.is_open().await;
    server.hands.set(1900);
    assert_eq!(renewed.close().await, (4401, "token_expired".to_owned()));
}

#[tokio::test]
async fn a_renewal_finds_room_under_its_new_keys() {
    let limited = |layer: LeaseLayer| layer.max_connections(1, "device/", OverLimit::RefuseNewest);
    let server = server_with(limited).await;
    let mut first = server.open("ada.0.100.user.device/7").await;
    let mut second = server.open("ada.0.900.user.device/8").await;
    let refused = server.renew("ada.50.900.user.device/8", &first.id).await;
    assert_eq!(refused, Server::<Tokens>::said(429, "rate_limited"));
    let renewed = server.renew("ada.50.900.user.device/7", &first.id).await;
    assert_eq!(renewed.0, 204);
    first.text().await;
    first.is_open().await;
    second.is_open().await;
}

fn by_own_id(layer: LeaseLayer) -> LeaseLayer {
    let carriers = Carriers::builder()
        .query("connection")
        .subprotocol(SubprotocolFormat::LastAfter("connection."));
    layer.connection_id(carriers.build().unwrap())
}

#[tokio::test]
async fn a_client_names_its_connection_in_the_handshake_and_nobody_else_sees_the_name() {
    let server = server_with(by_own_id).await;
    let query = format!("?room=1&connection={ID}&token=ada.0.100.user");
    let mut client = server.open_by(&query).await;
    assert_eq!(ConnectionId::decode(&client.id), ConnectionId::decode(ID));
    assert_eq!(*server.seen.uris.lock().unwrap(), ["/ws?room=1|"]);
    assert_eq!(server.renew("ada.50.900.user", ID).await.0, 204);
    assert_eq!(client.text().await, "user");

    // Without a layer that redacts it.
    let url = format!("ws://{}/bare{query}", server.address);
    let (socket, _) = connect_async(url).await.unwrap();
    server.welcome(socket).await;
    assert_eq!(server.seen.uris.lock().unwrap()[1], "/bare?room=1|");

    // In a subprotocol, beside a real one.
    let url = format!("ws://{}/ws?token=ada.0.100.user", server.address);
    let mut request = url.into_client_request().unwrap();
    let offered = format!("chat, connection.{OTHER_ID}");
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", offered.parse().unwrap());
    let (socket, response) = connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    assert_eq!(server.seen.uris.lock().unwrap()[2], "/ws|chat");
    let client = server.welcome(socket).await;
    assert_eq!(
        ConnectionId::decode(&client.id),
        ConnectionId::decode(OTHER_ID)
    );
}

#[tokio::test]
async fn a_malformed_name_or_two_of_them_are_refused() {
    let server = server_with(by_own_id).await;
    for query in [
        "connection=guess",
        &format!("connection={ID}&connection={ID}"),
    ] {
        let url = format!("ws://{}/ws?token=ada.0.100.user&{query}", server.address);
        match connect_async(url).await {
            Err(Error::Http(refused)) => assert_eq!(refused.status(), 400),
            other => panic!("{other:?}"),
        }
    }
    assert!(server.seen.uris.lock().unwrap().is_empty());
    server.is_empty().await;
}

#[tokio::test]
async fn of_two_connections_with_one_name_the_newer_one_is_renewed() {
    let server = server_with(by_own_id).await;
    let query = format!("?connection={ID}&token=ada.0.100.user");
    let first = server.open_by(&query).await;
    let mut second = server.open_by(&query).await;
    // Another user's name is another one.
    let query = format!("?connection={ID}&token=eve.0.100.user");
    let mut eve = server.open_by(&query).await;
    // That of the older one's end takes nothing from the newer one.
    drop(first);
    until("two leases", || server.layer.leases().len() == 2).await;
    assert_eq!(server.renew("ada.50.900.user", ID).await.0, 204);
    assert_eq!(second.text().await, "user");
    server.hands.set(100);
    assert_eq!(eve.close().await, (4401, "token_expired".to_owned()));
    second.is_open().await;
    drop((second, eve));
    server.is_empty().await;
}

#[tokio::test]
async fn a_request_that_names_no_connection_is_refused_before_its_credential_is_read() {
    let server = server().await;
    let client = server.open("ada.0.100.user").await;
    let good = format!(r#"{{"connection":"{}"}}"#, client.id);
    let said = Server::<Tokens>::said;
    for body in [
        "",
        "{}",
        "[]",
        r#"{"connection":null}"#,
        r#"{"connection":7}"#,
        r#"{"connection":"guess"}"#,
        &format!(r#"{{"connection":"{ID}","connection":"{ID}"}}"#),
        &format!("{good}x"),
        &client.id,
    ] {
        let answer = server
            .ask(Method::POST, "ada.50.900.user", body.to_owned())
            .await;
        assert_eq!(answer, said(400, "request_malformed"), "{body}");
    }
    let answer = server
        .ask(Method::GET, "ada.50.900.user", good.clone())
        .await;
    assert_eq!(answer, said(405, "method_not_allowed"));
    let long = format!("{good}{}", " ".repeat(1024));
    let answer = server.ask(Method::POST, "ada.50.900.user", long).await;
    assert_eq!(answer, said(413, "request_too_large"));
    let answer = server.ask(Method::POST, "none", good).await;
    assert_eq!(answer, said(401, "token_invalid"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = server().await;
    let mut renewals = server.renewals.clone().body_timeout(Duration::ZERO);
    let body = axum::body::Body::from_stream(futures_util::stream::pending::<
        Result<Bytes, std::io::Error>,
    >());
    let request = Request::post("/renew").body(body).unwrap();
    let response = timeout(SOON, renewals.call(request))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_message_renews_the_connection_that_it_came_on() {
    let server = server().await;
    let mut client = server.open("ada.50.100.user").await;
    assert_eq!(client.say("renew ada.49.900.user").await, "token_invalid");
    assert_eq!(client.say("renew eve.60.900.user").await, "forbidden");
    assert_eq!(client.say("renew nonsense").await, "token_invalid");
    assert_eq!(client.say("renew ").await, "credentials_malformed");
    let mut said = [
        client.say("renew ada.60.900.admin").await,
        client.text().await,
    ];
    said.sort();
    assert_eq!(said, ["admin", "renewed"]);
    server.hands.set(899);
    client.is_open().await;
    client
        .socket
        .send(Message::text("renew ada.70.900.none"))
        .await
        .unwrap();
    assert_eq!(client.close().await, (4403, "forbidden".to_owned()));
}

#[tokio::test]
async fn a_message_of_a_known_protocol_is_answered_in_its_language() {
    let server = server().await;
    let mut client = server.open("ada.50.100.user").await;
    let end = server.start + Duration::from_secs(900);
    let end = end
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let mut said = [
        client
            .say(r#"{"type":"renew","token":"ada.60.900.one"}"#)
            .await,
        client.text().await,
    ];
    said.sort();
    let renewed = format!(r#"{{"expires_at":{end},"type":"renewed"}}"#);
    assert_eq!(said, ["one".to_owned(), renewed]);
    let refused = client
        .say(r#"{"type":"renew","token":"ada.50.900.one"}"#)
        .await;
    assert_eq!(
        refused,
        r#"{"reason":"token_invalid","type":"not_renewed"}"#
    );

    let mut said = [
        client
            .say(r#"{"id":5,"refresh":{"token":"ada.70.never.two"}}"#)
            .await,
        client.text().await,
    ];
    said.sort();
    assert_eq!(said, ["two", r#"{"id":5,"refresh":{}}"#]);
    let refused = client
        .say(r#"{"id":6,"refresh":{"token":"eve.80.900.two"}}"#)
        .await;
    assert!(refused.contains(r#""code":103"#), "{refused}");
    // Everything else is the handler's.
    client.is_open().await;
    assert_eq!(client.say(r#"{"type":"say"}"#).await, r#"{"type":"say"}"#);
}

#[tokio::test]
async fn a_renewal_in_a_race_with_a_revocation_never_outlives_it() {
    let server = Arc::new(server().await);
    for round in 0..40_u64 {
        let mut client = server.open(&format!("ada.{}.9000.user", round * 10)).await;
        server.hands.set(round * 10 + 5);
        let renewing = {
            let (server, id) = (Arc::clone(&server), client.id.clone());
            let token = format!("ada.{}.9000.user", round * 10 + 1);
            tokio::spawn(async move { server.renew(&token, &id).await })
        };
        let revoked = server
            .revocations
            .revoke("user:ada", DisconnectReason::Revoked);
        revoked.await.unwrap();
        let (status, _) = renewing.await.unwrap();
        assert!([204, 401, 404].contains(&status.as_u16()), "{status}");
        // Whichever came first, the old and the new credential were issued before.
        assert_eq!(client.close().await, (4403, "revoked".to_owned()));
    }
}

#[tokio::test]
async fn of_two_renewals_at_once_the_newer_credential_stays() {
    let server = Arc::new(server().await);
    for _ in 0..20 {
        let client = server.open("ada.0.100.user").await;
        let renew = |token: &'static str| {
            let (server, id) = (Arc::clone(&server), client.id.clone());
            tokio::spawn(async move { server.renew(token, &id).await })
        };
        let (older, newer) = (renew("ada.10.900.user"), renew("ada.20.800.admin"));
        assert_eq!(newer.await.unwrap().0, 204);
        let (older, _) = older.await.unwrap();
        assert!([204, 401].contains(&older.as_u16()), "{older}");
        let again = server.renew("ada.10.900.user", &client.id).await;
        assert_eq!(again.0, 401);
    }
}

#[tokio::test]
async fn a_renewal_finds_its_connection_on_another_node() {
    let (start, bus) = (SystemTime::now(), Bus::default());
    let limited = |layer: LeaseLayer| layer.max_connections(1, "device/", OverLimit::RefuseNewest);
    let a = server_on(start, Some(OnBus(bus.clone(), 0)), limited).await;
    let b = server_on(start, Some(OnBus(bus.clone(), 1)), limited).await;
    let mut client = a.open("ada.50.100.user").await;
    let _other = a.open("ada.50.9000.user.device/7").await;
    let said = Server::<Tokens>::said;

    assert_eq!(b.renew("ada.60.900.admin", &client.id).await, said(204, ""));
    assert_eq!(client.text().await, "admin");
    // The same one again is no older there.
    assert_eq!(b.renew("ada.60.900.admin", &client.id).await.0, 204);
    assert_eq!(client.text().await, "admin");
    // With the same rules as there.
    let unknown = said(404, "connection_unknown");
    assert_eq!(b.renew("eve.70.900.user", &client.id).await, unknown);
    assert_eq!(b.renew("ada.70.900.user", ID).await, unknown);
    let older = b.renew("ada.59.900.user", &client.id).await;
    assert_eq!(older, said(401, "token_invalid"));
    let no_room = b.renew("ada.70.900.user.device/7", &client.id).await;
    assert_eq!(no_room, said(429, "rate_limited"));
    client.is_open().await;
    // Its new keys end it there, and its new end.
    assert_eq!(b.renew("ada.70.900.user.device/8", &client.id).await.0, 204);
    assert_eq!(client.text().await, "user");
    assert_eq!(a.revocations.count("device/8"), 1);
    a.hands.set(900);
    assert_eq!(client.close().await, (4401, "token_expired".to_owned()));
    assert_eq!(b.renew("ada.80.2000.user", &client.id).await, unknown);
    // What was revoked there does not pass, although this node does not know it.
    let mut client = a.open("ada.50.9000.user").await;
    a.revocations
        .revoke("device/9", DisconnectReason::Revoked)
        .await
        .unwrap();
    let revoked = b.renew("ada.80.9000.user.device/9", &client.id).await;
    assert_eq!(revoked, said(401, "token_invalid"));
    client.is_open().await;
}

#[tokio::test]
async fn a_lost_permission_ends_the_connection_on_another_node() {
    let (start, bus) = (SystemTime::now(), Bus::default());
    let a = server_on(start, Some(OnBus(bus.clone(), 0)), |layer| layer).await;
    let b = server_on(start, Some(OnBus(bus.clone(), 1)), |layer| layer).await;
    let mut client = a.open("ada.50.900.user").await;
    let forbidden = Server::<Tokens>::said(403, "forbidden");
    assert_eq!(b.renew("ada.49.900.none", &client.id).await, forbidden);
    assert_eq!(b.renew("eve.60.900.none", &client.id).await, forbidden);
    client.is_open().await;
    assert_eq!(b.renew("ada.60.900.none", &client.id).await, forbidden);
    assert_eq!(client.close().await, (4403, "forbidden".to_owned()));
}

#[tokio::test]
async fn the_other_nodes_are_asked_only_about_connections_that_are_not_here() {
    let (start, bus) = (SystemTime::now(), Bus::default());
    let a = server_on(start, Some(OnBus(bus.clone(), 0)), |layer| layer).await;
    let mut client = a.open("ada.50.100.user").await;
    assert_eq!(a.renew("ada.60.900.user", &client.id).await.0, 204);
    assert_eq!(client.text().await, "user");
    assert_eq!(a.renew("bad", ID).await.0, 401);
    assert_eq!(bus.asked.load(Ordering::SeqCst), 0);
    // Without them it is not known whether there is such a connection.
    bus.is_down.store(true, Ordering::SeqCst);
    let unavailable = Server::<Tokens>::said(503, "unavailable");
    assert_eq!(a.renew("ada.60.900.user", ID).await, unavailable);
    assert_eq!(bus.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_question_that_cannot_be_read_is_not_answered() {
    let (start, bus) = (SystemTime::now(), Bus::default());
    let a = server_on(start, Some(OnBus(bus.clone(), 0)), |layer| layer).await;
    let mut client = a.open("ada.50.900.user").await;
    let id = &client.id;
    let other = OnBus(bus, 1);
    for question in [
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
        format!(
            r#"{{"connection":"{id}","asked":{{"Renew":7}},"until":null,"issued_at":null,"keys":[],"is_session":false}}"#
        ),
        format!(
            r#"{{"connection":"{id}","asked":{{"Renew":{{"name":"ada","role":"x"}}}},"until":null,"issued_at":null,"keys":["user:ada"],"is_session":false}}"#
        ),
        format!(
            r#"{{"connection":"{id}","asked":{{"Forbid":7}},"until":null,"issued_at":null,"keys":[],"is_session":false}}"#
        ),
        format!(
            r#"{{"connection":"{id}","asked":{{"Find":"eve"}},"until":null,"issued_at":null,"keys":[],"is_session":false}}"#
        ),
    ] {
        let answer = other.ask(question.clone().into_bytes()).await.unwrap();
        assert_eq!(answer, None, "{question}");
    }
    client.is_open().await;
}

#[tokio::test]
async fn what_is_not_renewable_says_so_when_it_is_built() {
    let plain = LeaseLayer::expiry_only();
    let error = plain
        .leases()
        .renewals(tokens(SystemTime::now()))
        .unwrap_err();
    assert!(error.to_string().contains("renewable_by"), "{error}");
    let of_texts = LeaseLayer::expiry_only().renewable_by(|user: &String| user.clone());
    assert!(
        of_texts
            .leases()
            .renewals(tokens(SystemTime::now()))
            .is_err()
    );
}

#[tokio::test]
async fn an_identity_of_another_type_or_without_a_name_has_no_renewable_connection() {
    let start = SystemTime::now();
    let of_texts = LeaseLayer::expiry_only().renewable_by(|user: &String| user.clone());
    let nameless = LeaseLayer::expiry_only().renewable_by(|_: &User| String::new());
    for (layer, status) in [(of_texts, 503), (nameless, 200)] {
        let stack = ServiceBuilder::new()
            .layer(AuthLayer::new(tokens(start)).any_request())
            .layer(layer);
        let handler = |lease: Lease| async move {
            assert!(lease.connection_id().is_none());
            assert!(lease.identity::<User>().is_none());
            Response::new(axum::body::Body::empty())
        };
        let mut app = Router::new().route("/", any(handler).layer(stack));
        let request = Request::get("/?token=ada.0.100.user");
        let request = request.body(axum::body::Body::empty()).unwrap();
        assert_eq!(app.call(request).await.unwrap().status(), status);
    }
}
