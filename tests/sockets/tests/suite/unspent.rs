//! A single-use credential is not spent by a handshake that is refused for another reason.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use test_support::until;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower::ServiceBuilder;
use tower_ws_auth::jwt::{Jwt, JwtEncoder, Key, SigningKey};
use tower_ws_auth::lease::OverLimit;
use tower_ws_auth::ticket::{
    MemoryTickets, Purpose, PutError, StoreError, TicketKey, TicketRequest, TicketStore, Tickets,
};
use tower_ws_auth::{
    AuthLayer, Authenticate, AuthenticateExt, BoxFuture, Clock, CloseFrameLayer, LeaseLayer,
    MemoryRevocations, Revocations,
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Nothing in these tests takes longer, on the slowest machine.
const SOON: Duration = Duration::from_secs(60);
const SECRET: [u8; 32] = [7; 32];

fn revocations() -> Revocations {
    Revocations::new(MemoryRevocations::new(SOON, 100))
}

fn tickets() -> Tickets<String> {
    Tickets::builder(Arc::new(MemoryTickets::new()))
        .build()
        .unwrap()
}

async fn ticket(tickets: &Tickets<String>) -> String {
    let ticket_request = TicketRequest::new("ada".to_owned(), Purpose::handshake());
    let ticket_request = ticket_request.revocable_by("user:ada");
    tickets
        .issue(ticket_request)
        .await
        .unwrap()
        .ticket()
        .to_owned()
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket: WebSocket| {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

async fn serve<A>(strategy: A, lease: &LeaseLayer) -> SocketAddr
where
    A: Authenticate<Credential: Send, Verified: Send, Future: Send> + Send + Sync + 'static,
{
    let stack = ServiceBuilder::new()
        .layer(CloseFrameLayer::new().first_message_json())
        .layer(AuthLayer::new(strategy))
        .layer(lease.clone());
    let app = Router::new().route("/", any(echo).layer(stack));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

async fn connect(address: SocketAddr, credential: &str) -> Result<Socket, u16> {
    let connecting = connect_async(format!("ws://{address}/?{credential}"));
    match timeout(SOON, connecting).await.unwrap() {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

/// The last message of a page before its socket is closed.
async fn told(address: SocketAddr, credential: &str) -> Value {
    let mut request = format!("ws://{address}/?{credential}")
        .into_client_request()
        .unwrap();
    let origin = "https://app.example".parse().unwrap();
    request.headers_mut().insert("origin", origin);
    let (mut socket, _) = timeout(SOON, connect_async(request))
        .await
        .unwrap()
        .unwrap();
    let first = timeout(SOON, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    serde_json::from_str(first.to_text().unwrap()).unwrap()
}

/// It closes its socket, and its place is free.
async fn leave(mut socket: Socket, revocations: &Revocations) {
    socket.close(None).await.unwrap();
    is_free(revocations).await;
}

/// Nothing of a handshake or a socket is left.
async fn is_free(revocations: &Revocations) {
    until("a free place", || revocations.count("user:ada") == 0).await;
}

async fn echoes(socket: &mut Socket) {
    socket.send(Message::text("hello")).await.unwrap();
    let answer = timeout(SOON, socket.next()).await.unwrap().unwrap();
    assert_eq!(answer.unwrap().to_text().unwrap(), "hello");
}

fn one_socket(revocations: &Revocations) -> LeaseLayer {
    LeaseLayer::new(revocations.clone()).max_connections(1, "user:", OverLimit::RefuseNewest)
}

#[tokio::test]
async fn a_ticket_by_a_limit_on_connections() {
    let (revocations, tickets) = (revocations(), tickets());
    let strategy = tickets.strategy().revocable(revocations.clone());
    let address = serve(strategy, &one_socket(&revocations)).await;
    let first = format!("ticket={}", ticket(&tickets).await);
    let second = format!("ticket={}", ticket(&tickets).await);
    let mut open = connect(address, &first).await.unwrap();
    for _ in 0..2 {
        assert_eq!(connect(address, &second).await.err(), Some(429));
    }
    // A client that is advised to come back with it can.
    let said = told(address, &second).await;
    assert_eq!(
        (&said["reason"], &said["retryable"]),
        (&json!("rate_limited"), &json!(true))
    );
    echoes(&mut open).await;
    leave(open, &revocations).await;
    let mut open = connect(address, &second).await.unwrap();
    echoes(&mut open).await;
    assert_eq!(connect(address, &first).await.err(), Some(401));
}

#[tokio::test]
async fn a_token_of_single_use_by_a_limit_on_connections() {
    let revocations = revocations();
    let minute = Duration::from_secs(60);
    let store = MemoryTickets::builder()
        .max_ttl(2 * minute)
        .build()
        .unwrap();
    let strategy = Jwt::<Value>::builder(Key::hs256(SECRET).unwrap())
        .max_lifetime(minute)
        .build()
        .unwrap()
        .revocable_by(|_: &Value| "user:ada")
        .single_use(Arc::new(store))
        .unwrap()
        .revocable(revocations.clone());
    let address = serve(strategy, &one_socket(&revocations)).await;
    let encoder = JwtEncoder::new(SigningKey::hs256(SECRET).unwrap());
    let token = |jti: &str| {
        let exp = Clock::system().unix_seconds() + 50;
        let claims = json!({ "jti": jti, "exp": exp });
        format!("token={}", encoder.encode(&claims).unwrap())
    };
    let open = connect(address, &token("1")).await.unwrap();
    assert_eq!(connect(address, &token("2")).await.err(), Some(429));
    // A used one has no reason to come back, however many are open.
    assert_eq!(connect(address, &token("1")).await.err(), Some(401));
    leave(open, &revocations).await;
    let _open = connect(address, &token("2")).await.unwrap();
    assert_eq!(connect(address, &token("2")).await.err(), Some(401));
}

#[tokio::test]
async fn a_ticket_by_a_condition() {
    let tickets = tickets();
    let lease = LeaseLayer::expiry_only();
    let nobody = serve(
        tickets.strategy().authorize(|user, _| user == "eve"),
        &lease,
    )
    .await;
    let ada = serve(
        tickets.strategy().authorize(|user, _| user == "ada"),
        &lease,
    )
    .await;
    let ticket = format!("ticket={}", ticket(&tickets).await);
    assert_eq!(connect(nobody, &ticket).await.err(), Some(403));
    let mut open = connect(ada, &ticket).await.unwrap();
    echoes(&mut open).await;
    assert_eq!(connect(ada, &ticket).await.err(), Some(401));
}

/// Two routes with one set of revocations, of which one has no limit. Only behind the strategy is
/// it known that this route has one. The client is then not advised to come back with the same
/// ticket.
#[tokio::test]
async fn and_a_client_with_a_spent_ticket_is_not_advised_to_retry_it() {
    let (revocations, tickets) = (revocations(), tickets());
    let strategy = || tickets.strategy().revocable(revocations.clone());
    let limited = serve(strategy(), &one_socket(&revocations)).await;
    let unlimited = serve(strategy(), &LeaseLayer::new(revocations.clone())).await;
    let [first, second, third] = [
        ticket(&tickets).await,
        ticket(&tickets).await,
        ticket(&tickets).await,
    ]
    .map(|ticket| format!("ticket={ticket}"));
    let _open = connect(unlimited, &first).await.unwrap();
    let said = told(limited, &second).await;
    assert_eq!(
        (&said["reason"], &said["retryable"]),
        (&json!("rate_limited"), &json!(false))
    );
    assert_eq!(connect(unlimited, &second).await.err(), Some(401));
    connect(unlimited, &third).await.unwrap();
}

/// Takes no ticket before so many handshakes were looked at. So none of them is upgraded before the
/// last one has come.
struct Gathering {
    memory: Arc<MemoryTickets>,
    looked_at: watch::Sender<usize>,
    takes_after: usize,
}

impl Gathering {
    fn new(takes_after: usize) -> Self {
        Self {
            memory: Arc::default(),
            looked_at: watch::Sender::new(0),
            takes_after,
        }
    }
}

impl TicketStore for Gathering {
    fn issue(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        subject: Option<&str>,
        ttl: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        self.memory.issue(key, entry, subject, ttl)
    }

    fn take(&self, key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        let (memory, after) = (Arc::clone(&self.memory), self.takes_after);
        let mut looked_at = self.looked_at.subscribe();
        Box::pin(async move {
            looked_at.wait_for(|many| *many >= after).await.unwrap();
            memory.take(key).await
        })
    }

    fn peek(&self, key: TicketKey) -> Option<BoxFuture<Result<Option<Vec<u8>>, StoreError>>> {
        let looked_at = self.looked_at.clone();
        let peeking = self.memory.peek(key)?;
        Some(Box::pin(async move {
            let found = peeking.await;
            looked_at.send_modify(|many| *many += 1);
            found
        }))
    }
}

fn patient_tickets(store: Gathering) -> Tickets<String> {
    let tickets = Tickets::builder(Arc::new(store)).timeout(SOON);
    tickets.build().unwrap()
}

#[tokio::test]
async fn tickets_that_race_for_one_place_but_the_one_that_opens() {
    const RACERS: usize = 8;
    let revocations = revocations();
    let tickets = patient_tickets(Gathering::new(RACERS));
    let strategy = tickets.strategy().revocable(revocations.clone());
    let address = serve(strategy, &one_socket(&revocations)).await;
    let racing = (0..RACERS).map(|_| async {
        let ticket = format!("ticket={}", ticket(&tickets).await);
        let met = connect(address, &ticket).await;
        (ticket, met)
    });
    let (mut open, mut refused) = (Vec::new(), Vec::new());
    for (ticket, met) in join_all(racing).await {
        match met {
            Ok(socket) => open.push((ticket, socket)),
            Err(status) => refused.push((ticket, status)),
        }
    }
    assert_eq!((open.len(), refused.len()), (1, RACERS - 1));
    let (spent, mut socket) = open.pop().unwrap();
    echoes(&mut socket).await;
    leave(socket, &revocations).await;
    // Each of the refused ones is still good.
    for (ticket, status) in refused {
        assert_eq!(status, 429);
        let mut socket = connect(address, &ticket).await.unwrap();
        echoes(&mut socket).await;
        leave(socket, &revocations).await;
    }
    assert_eq!(connect(address, &spent).await.err(), Some(401));
}

/// A handshake that holds a place and does not open: its client leaves, or its ticket is used
/// meanwhile.
#[tokio::test]
async fn and_a_place_is_given_back_with_its_handshake() {
    let revocations = revocations();
    // The second ticket is taken when a third handshake is looked at.
    let store = Gathering::new(3);
    let (memory, looked_at) = (Arc::clone(&store.memory), store.looked_at.clone());
    let mut looked_at = looked_at.subscribe();
    let tickets = patient_tickets(store);
    let strategy = tickets.strategy().revocable(revocations.clone());
    let address = serve(strategy, &one_socket(&revocations)).await;
    let [first, second, third] = [
        ticket(&tickets).await,
        ticket(&tickets).await,
        ticket(&tickets).await,
    ]
    .map(|ticket| format!("ticket={ticket}"));
    let holds = |ticket: String| tokio::spawn(async move { connect(address, &ticket).await });

    let leaves = holds(first);
    looked_at.wait_for(|many| *many == 1).await.unwrap();
    leaves.abort();
    is_free(&revocations).await;

    let outstanding = memory.outstanding();
    let held = holds(second.clone());
    looked_at.wait_for(|many| *many == 2).await.unwrap();
    assert_eq!(memory.outstanding(), outstanding);
    assert_eq!(connect(address, &third).await.err(), Some(429));
    // It was the third, and the second goes on.
    let socket = timeout(SOON, held).await.unwrap().unwrap().unwrap();
    leave(socket, &revocations).await;
    assert_eq!(connect(address, &second).await.err(), Some(401));
    is_free(&revocations).await;
    connect(address, &third).await.unwrap();
}
