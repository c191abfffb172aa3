//! Rows E1 to E6: whole handshakes, from the bytes of a request to the end of its connection.
//!
//! Each is served twice: to a client in memory, where instructions and allocations are counted, and
//! over loopback, where the server's CPU time is taken. The floors are in [`by_hand`](super::by_hand).

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::sync::Notify;
use tower::{BoxError, Service, ServiceBuilder};
use tower_ws_auth::first_message::{FirstMessageLayer, MessageFormat};
use tower_ws_auth::jwt::JwtLayer;
use tower_ws_auth::session::{SessionLayer, Sessions};
use tower_ws_auth::ticket::{MemoryTickets, Purpose, TicketLayer, TicketRequest, Tickets};
use tower_ws_auth::{Clock, CloseFrameLayer, Origins};

use super::accept::{by_hand, leased, leased_under_one_key, origins, request, stack};
use super::by_hand::leased::{least_leased, revocable};
use super::by_hand::stores::{
    by_hand_session, by_hand_tickets, least_session, least_ticket, ticket_key,
};
use super::by_hand::{least, least_bounded_close, least_close};
use super::close::ours as refusing;
use super::connection::{CLOSE, Client, REQUEST, Says, serve};
use super::cookie::{Record, sessions};
use super::flood::without_origin;
use super::jwt::{jwt, token};
use super::socket::{Answer, Talk, hyper, on_loopback, runtime, server, switch};
use crate::{Case, SESSION_USER};

/// More than the rounds of the times use.
const TICKETS: usize = 4000;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = in_memory_cases();
    cases.extend(on_sockets());
    cases
}

/// The rows over loopback.
pub(super) fn on_sockets() -> Vec<Case> {
    let good = || Talk::of(request(true), Says::Nothing);
    let plain = || Talk::of(without_origin(), Says::Refused);
    vec![
        Case::clocked("accept/hyper", move || on_loopback(hyper, good())),
        Case::clocked("accept/jwt", move || on_loopback(stack, good())),
        Case::clocked("accept/least", move || on_loopback(least, good())),
        Case::clocked("accept/hand", move || on_loopback(by_hand, good())),
        Case::clocked("accept/lease", move || on_loopback(leased, good())),
        Case::clocked("accept/lease-key", move || {
            on_loopback(leased_under_one_key, good())
        }),
        Case::clocked("accept/lease-least", move || {
            on_loopback(|| least_leased(revocable(), false), good())
        }),
        Case::clocked("refuse/plain", move || on_loopback(stack, plain())),
        Case::clocked("refuse/least", move || on_loopback(least, plain())),
        Case::clocked("close/hyper", || on_loopback(hyper, Talk::cut())),
        Case::clocked("close/ours", || on_loopback(refusing, Talk::polite())),
        Case::clocked("close/least", || on_loopback(least_close, Talk::polite())),
        Case::clocked("close/bounded", || {
            on_loopback(least_bounded_close, Talk::polite())
        }),
        Case::clocked("session/hyper", || {
            let talk = Talk::of(with_cookie(&sessions().1), Says::Nothing);
            on_loopback(hyper, talk)
        }),
        Case::clocked("session/accept", || {
            let (sessions, pair) = sessions();
            let talk = Talk::of(with_cookie(&pair), Says::Nothing);
            on_loopback(move || by_session(sessions), talk)
        }),
        Case::clocked("session/least", || {
            let (sessions, records, pair) = by_hand_session();
            let talk = Talk::of(with_cookie(&pair), Says::Nothing);
            on_loopback(move || least_session(sessions, records), talk)
        }),
        Case::clocked("ticket/hyper", || {
            on_loopback(hyper, Talk::each_of(tickets(1).1))
        }),
        Case::clocked("ticket/accept", || {
            let (tickets, requests) = tickets(TICKETS);
            on_loopback(move || by_ticket(tickets), Talk::each_of(requests))
        }),
        Case::clocked("ticket/least", || {
            let (granted, texts) = by_hand_tickets(TICKETS);
            let requests = texts.iter().map(|text| with_ticket(text)).collect();
            on_loopback(move || least_ticket(granted), Talk::each_of(requests))
        }),
        Case::clocked("message/accept", || {
            let talk = Talk::of(REQUEST, Says::First(message()));
            on_loopback(by_first_message, talk)
        }),
    ]
}

fn in_memory_cases() -> Vec<Case> {
    let good = || vec![request(true)];
    let plain = || vec![without_origin()];
    let (nothing, close) = (Says::Nothing, Says::AfterFrame(CLOSE));
    vec![
        Case::call("whole/hyper", move || in_memory(hyper, good(), nothing)),
        Case::call("whole/jwt", move || in_memory(stack, good(), nothing)),
        Case::call("whole/least", move || in_memory(least, good(), nothing)),
        Case::call("whole/hand", move || in_memory(by_hand, good(), nothing)),
        Case::call("whole/lease", move || in_memory(leased, good(), nothing)),
        Case::call("whole/lease-key", move || {
            in_memory(leased_under_one_key, good(), nothing)
        }),
        Case::call("whole/lease-least", move || {
            in_memory(|| least_leased(revocable(), false), good(), nothing)
        }),
        Case::call("whole/refuse", move || {
            in_memory(stack, plain(), Says::Refused)
        }),
        Case::call("whole/refuse-least", move || {
            in_memory(least, plain(), Says::Refused)
        }),
        Case::call("whole/close", move || {
            in_memory(refusing, vec![REQUEST], close)
        }),
        Case::call("whole/close-least", move || {
            in_memory(least_close, vec![REQUEST], close)
        }),
        Case::call("whole/close-bounded", move || {
            in_memory(least_bounded_close, vec![REQUEST], close)
        }),
        Case::call("whole/session-hyper", move || {
            in_memory(hyper, vec![with_cookie(&sessions().1)], nothing)
        }),
        Case::call("whole/session", move || {
            let (sessions, pair) = sessions();
            in_memory(
                move || by_session(sessions),
                vec![with_cookie(&pair)],
                nothing,
            )
        }),
        Case::call("whole/session-least", move || {
            let (sessions, records, pair) = by_hand_session();
            in_memory(
                move || least_session(sessions, records),
                vec![with_cookie(&pair)],
                nothing,
            )
        }),
        Case::call("whole/ticket-hyper", move || {
            in_memory(hyper, tickets(1).1, nothing)
        }),
        // As often as there are tickets.
        Case::call("whole/ticket", move || {
            let (tickets, requests) = tickets(100);
            in_memory(move || by_ticket(tickets), requests, nothing)
        })
        .untimed(),
        Case::call("whole/ticket-least", move || {
            let (granted, texts) = by_hand_tickets(100);
            let requests = texts.iter().map(|text| with_ticket(text)).collect();
            in_memory(move || least_ticket(granted), requests, nothing)
        })
        .untimed(),
        Case::call("ticket/key", || {
            let text = "0".repeat(43);
            move || _ = black_box(ticket_key(black_box(&text)))
        }),
        Case::call("whole/message", || {
            in_memory(by_first_message, vec![REQUEST], Says::First(message()))
        }),
    ]
}

/// One connection for each call, with the requests in turn.
pub(super) fn in_memory<S, B>(
    service: impl FnOnce() -> S,
    requests: Vec<&'static [u8]>,
    says: Says,
) -> impl FnMut()
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let runtime = runtime();
    let entered = runtime.enter();
    let service = service();
    drop(entered);
    let gone = Arc::new(Notify::new());
    let mut requests = requests.into_iter().cycle();
    move || {
        let request = requests.next().unwrap_or_default();
        runtime.block_on(async {
            serve(Client::sending(request, says, &gone), service.clone()).await;
            gone.notified().await;
        });
    }
}

#[expect(clippy::needless_pass_by_value, reason = "its service outlives it")]
pub(super) fn by_session(sessions: Sessions<Record>) -> server!() {
    let page = Origins::new(["https://example.com"]).unwrap();
    let strategy = sessions.strategy(page, |record: &Record| Some(record.user.clone()));
    ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(origins())
        .layer(SessionLayer::new(strategy))
        .service_fn(async |request: Request<Incoming>| Answer::Ok(switch(request)))
}

#[expect(clippy::needless_pass_by_value, reason = "its service outlives it")]
pub(crate) fn by_ticket(tickets: Tickets<String>) -> server!() {
    ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(origins())
        .layer(TicketLayer::new(tickets.strategy()))
        .service_fn(async |request: Request<Incoming>| Answer::Ok(switch(request)))
}

fn by_first_message() -> server!() {
    ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(origins())
        .layer(FirstMessageLayer::new(MessageFormat::json("token")))
        .layer(JwtLayer::new(jwt()))
        .service_fn(async |request: Request<Incoming>| Answer::Ok(switch(request)))
}

/// A page's request, with this target and these further lines.
pub(crate) fn page(target: &str, lines: &str) -> &'static [u8] {
    let text = format!(
        "GET {target} HTTP/1.1\r\nhost: example.com\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\norigin: https://example.com\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    );
    text.leak().as_bytes()
}

pub(super) fn with_cookie(pair: &str) -> &'static [u8] {
    page("/ws", &format!("cookie: theme=dark; {pair}\r\n"))
}

fn with_ticket(ticket: &str) -> &'static [u8] {
    page(&format!("/ws?ticket={ticket}"), "")
}

/// Tickets that do not expire, and a request with each.
pub(super) fn tickets(count: usize) -> (Tickets<String>, Vec<&'static [u8]>) {
    let clock = Clock::from_fn(|| Clock::at(1_700_000_000));
    let store = MemoryTickets::builder().clock(clock.clone());
    let store = store.capacity(count).per_subject(u32::MAX).build().unwrap();
    let tickets: Tickets<String> = Tickets::builder(Arc::new(store))
        .clock(clock)
        .build()
        .unwrap();
    let runtime = runtime();
    let request = || {
        let order = TicketRequest::new(SESSION_USER.to_owned(), Purpose::handshake());
        let issued = runtime.block_on(tickets.issue(order)).unwrap();
        with_ticket(issued.ticket())
    };
    let requests = (0..count).map(|_| request()).collect();
    (tickets, requests)
}

/// A masked text frame with a token.
pub(super) fn message() -> &'static [u8] {
    let text = format!("{{\"token\":\"{}\"}}", token(true));
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    let mut frame = vec![0x81, 0xfe, length[0], length[1], 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame.leak()
}
