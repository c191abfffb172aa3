//! The floors of row E5: a map of sessions, and a map of tickets, each behind one lock.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::header::COOKIE;
use http::{HeaderMap, Request};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::service_fn;
use tower_ws_auth::session::{SessionStore as _, Sessions};
use tower_ws_auth::ticket::TicketKey;

use super::{Page, User, is_asked_by_a_page, refused};
use crate::SESSION_USER;
use crate::rows::cookie::{Record, stored};
use crate::rows::socket::{runtime, server, switch};

/// Records and their ends, by the ids of their sessions.
type Records = HashMap<String, (String, SystemTime)>;

/// One session as ours is stored, and the cookie that names it.
pub(crate) fn by_hand_session() -> (Sessions<Record>, Records, String) {
    let (sessions, store, pair) = stored();
    let cookie = HeaderMap::from_iter([(COOKIE, pair.parse().unwrap())]);
    let id = sessions.signed_id(&cookie).unwrap();
    let found = runtime().block_on(store.load(&id)).unwrap().unwrap();
    let end = SystemTime::now() + Duration::from_secs(3600);
    let records = Records::from([(id.as_str().to_owned(), (found.record, end))]);
    (sessions, records, pair)
}

/// The checks of the handshake, of the origin and of the cookie's signature, which is ours on both
/// sides; the session's record, read into the application's type; then 101.
pub(crate) fn least_session(sessions: Sessions<Record>, records: Records) -> server!() {
    let records = Arc::new(Mutex::new(records));
    service_fn(move |mut request: Request<Incoming>| {
        let user = is_asked_by_a_page(&request)
            .then(|| user_of(&sessions, &records, request.headers()))
            .flatten();
        ready(Page::Ok(match user {
            Some(user) => {
                request.extensions_mut().insert(user);
                switch(request).map(|_| Full::default())
            }
            None => refused(),
        }))
    })
}

fn user_of(
    sessions: &Sessions<Record>,
    records: &Mutex<Records>,
    headers: &HeaderMap,
) -> Option<User<String>> {
    let id = sessions.signed_id(headers)?;
    let records = records.lock().unwrap();
    let (record, end) = records.get(id.as_str())?;
    let record: Record = serde_json::from_str(record).ok()?;
    (SystemTime::now() < *end).then_some(User(record.user))
}

/// What tickets grant and when they end, by their digests.
type Granted = HashMap<[u8; 16], (String, SystemTime)>;

/// So many of them, and their texts.
pub(crate) fn by_hand_tickets(count: usize) -> (Granted, Vec<String>) {
    let end = SystemTime::now() + Duration::from_secs(3600);
    // As long as ours.
    let texts: Vec<_> = (0..count).map(|n| format!("{n:043}")).collect();
    let of = |text: &String| (*ticket_key(text).as_bytes(), (SESSION_USER.to_owned(), end));
    (texts.iter().map(of).collect(), texts)
}

/// The digest of a ticket, which is ours on both sides.
pub(crate) fn ticket_key(text: &str) -> TicketKey {
    TicketKey::digest("handshake", &[text.as_bytes()])
}

/// The checks of the handshake and of the origin; the ticket, taken out of a map; then 101.
pub(crate) fn least_ticket(granted: Granted) -> server!() {
    let granted = Arc::new(Mutex::new(granted));
    service_fn(move |mut request: Request<Incoming>| {
        let user = is_asked_by_a_page(&request)
            .then(|| taken(&granted, request.uri().query()?))
            .flatten();
        ready(Page::Ok(match user {
            Some(user) => {
                request.extensions_mut().insert(user);
                switch(request).map(|_| Full::default())
            }
            None => refused(),
        }))
    })
}

fn taken(granted: &Mutex<Granted>, query: &str) -> Option<User<String>> {
    let key = ticket_key(query.strip_prefix("ticket=")?);
    let (user, end) = granted.lock().unwrap().remove(key.as_bytes())?;
    (SystemTime::now() < end).then_some(User(user))
}
