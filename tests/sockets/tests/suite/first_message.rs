//! The strategies of this workspace, unmodified, and credentials in first messages.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message as AxumMessage, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use futures_util::{SinkExt, StreamExt, future::join_all};
use http::Request;
use socket_tests::{Answer, Claims, Client, Stack, end_of, handshake, token};
use test_support::Log;
use tokio_tungstenite::tungstenite::{Error, Message};
use tower::ServiceBuilder;
use tower_http::trace::TraceLayer;
use tower_ws_auth::ticket::{
    BoxFuture, MemoryTickets, Purpose, PutError, StoreError, TicketKey, TicketLayer, TicketRequest,
    TicketStore, Tickets,
};
use tower_ws_auth::{
    Authenticated, FirstMessageLayer, LeaseLayer, MemoryRevocations, MessageFormat, Revocations,
};

use crate::APP;

fn layer() -> FirstMessageLayer {
    FirstMessageLayer::new(MessageFormat::plain()).reject_delay(Duration::ZERO)
}

async fn serve(route: MethodRouter) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/ws", route);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Says who it is, and nothing else.
async fn greet(upgrade: WebSocketUpgrade, user: Authenticated<String>) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let _ = socket.send(AxumMessage::text(user.as_str())).await;
        let _ = socket.recv().await;
    })
}

async fn say(address: SocketAddr, message: &str) -> Result<Client, Error> {
    let mut client = handshake(address, "", &[APP]).await?;
    client.send(Message::text(message)).await?;
    Ok(client)
}

/// What a client is greeted with, or how it ends.
async fn greeted(address: SocketAddr, message: &str) -> Result<String, Answer> {
    let mut client = say(address, message).await.unwrap();
    match client.next().await {
        Some(Ok(Message::Text(text))) => Ok(text.as_str().to_owned()),
        Some(Ok(Message::Close(Some(close)))) => {
            Err(Answer::closed(close.code.into(), close.reason.as_str()))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_ticket_in_a_message_opens_one_connection() {
    let tickets = Tickets::builder(Arc::new(MemoryTickets::new()))
        .build()
        .unwrap();
    let layers = ServiceBuilder::new()
        .layer(layer())
        .layer(TicketLayer::new(tickets.strategy()))
        .layer(LeaseLayer::expiry_only());
    let address = serve(any(greet).layer(layers)).await;
    let request = TicketRequest::new("ada".to_owned(), Purpose::handshake());
    let issued = tickets.issue(request).await.unwrap();
    // Of eight at once one is it.
    let answers = join_all((0..8).map(|_| greeted(address, issued.ticket()))).await;
    let used = Err(Answer::closed(4401, "ticket_invalid"));
    assert_eq!(answers.iter().filter(|answer| **answer == used).count(), 7);
    assert!(answers.contains(&Ok("ada".to_owned())), "{answers:?}");
}

struct Down;

impl TicketStore for Down {
    fn issue(
        &self,
        _: TicketKey,
        _: Vec<u8>,
        _: Option<&str>,
        _: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        Box::pin(std::future::ready(Err(PutError::Store(StoreError::new(
            "down",
        )))))
    }

    fn take(&self, _: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(std::future::ready(Err(StoreError::new("down"))))
    }
}

#[tokio::test]
async fn an_outage_of_the_store_is_told_as_such() {
    let tickets = Tickets::<String>::builder(Arc::new(Down)).build().unwrap();
    let layers = ServiceBuilder::new()
        .layer(layer())
        .layer(TicketLayer::new(tickets.strategy()));
    let address = serve(any(greet).layer(layers)).await;
    let ticket = "A".repeat(43);
    let unavailable = Answer::closed(4503, "unavailable");
    assert_eq!(greeted(address, &ticket).await, Err(unavailable));
}

/// Where a status was seen, and which.
type Statuses = Arc<Mutex<Vec<(&'static str, u16)>>>;

fn seen<B>(
    place: &'static str,
    statuses: &Statuses,
) -> tower::util::MapResponseLayer<impl Fn(http::Response<B>) -> http::Response<B> + Clone + use<B>>
{
    let statuses = Arc::clone(statuses);
    tower::util::MapResponseLayer::new(move |response: http::Response<B>| {
        let status = response.status().as_u16();
        statuses.lock().unwrap().push((place, status));
        response
    })
}

#[tokio::test]
async fn outside_everybody_is_answered_101_and_inside_the_truth_is_seen() {
    let log = Log::capture();
    let statuses = Statuses::default();
    let span = |request: &Request<_>| tracing::info_span!("request", path = request.uri().path());
    let stack = Stack::default();
    let layers = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(seen("outside", &statuses))
        .layer(stack.close)
        .layer(stack.origin)
        .layer(layer().timeout(Duration::from_millis(100)))
        .layer(seen("inside", &statuses))
        .layer(stack.jwt)
        .layer(LeaseLayer::new(Revocations::new(MemoryRevocations::new(
            Duration::from_secs(9),
            9,
        ))));
    let greet = async |upgrade: WebSocketUpgrade, user: Authenticated<Claims>| -> Response {
        upgrade.on_upgrade(async move |mut socket| {
            let _ = socket.send(AxumMessage::text(user.sub.clone())).await;
        })
    };
    let address = serve(any(greet).layer(layers)).await;
    let (good, expired) = (token(600), token(-60));
    assert_eq!(greeted(address, &good).await, Ok("ada".to_owned()));
    let refused = end_of(say(address, &expired).await).await;
    assert_eq!(refused, Answer::closed(4401, "token_expired"));
    let silent = end_of(handshake(address, "", &[APP]).await).await;
    assert_eq!(silent, Answer::closed(4408, "message_timeout"));
    let expected = [
        ("outside", 101),
        ("inside", 101),
        ("outside", 101),
        ("inside", 401),
        ("outside", 101),
    ];
    assert_eq!(*statuses.lock().unwrap(), expected);

    let log = log.text();
    let line = |words: &[&str]| {
        let found = log
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)));
        found.unwrap_or_else(|| panic!("{words:?} in {log}"))
    };
    // In the span of the handshake, although it is another task.
    line(&[
        "handshake accepted",
        "carrier=\"message\"",
        "strategy=\"jwt\"",
        "path=\"/ws\"",
    ]);
    line(&[
        "handshake refused",
        "carrier=\"message\"",
        "kind=\"token_expired\"",
    ]);
    line(&[
        "handshake refused",
        "strategy=\"first_message\"",
        "kind=\"message_timeout\"",
        "status=408",
    ]);
    for secret in [&good, &expired] {
        let signature = secret.rsplit('.').next().unwrap();
        assert!(!log.contains(signature), "{log}");
    }
}
