//! The minting of a ticket.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use tower::Service;
use tower_ws_auth::Clock;
use tower_ws_auth::ticket::{MemoryTickets, TicketRequest, Tickets};

use super::slow::{Slow, WAITS};
use super::steps::{everywhere, polled};

/// `{"channel":"lobby"}`, one byte at a time.
struct Dripping(&'static [u8], bool);

impl Body for Dripping {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !std::mem::replace(&mut self.1, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.1 = false;
        let Some((first, rest)) = self.0.split_first() else {
            return Poll::Ready(None);
        };
        self.0 = rest;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![*first])))))
    }
}

const WISH: &[u8] = br#"{"channel":"lobby"}"#;

#[tokio::test(start_paused = true)]
async fn a_dropped_mint_request_leaves_at_most_one_unknown_ticket_until_its_ttl() {
    for acts_after in 0..=WAITS {
        let places = everywhere(async |polls| {
            let seconds = Arc::new(AtomicU64::new(1_000_000));
            let shown = Arc::clone(&seconds);
            let clock = Clock::from_fn(move || Clock::at(shown.load(Ordering::SeqCst)));
            // Two: the one that may be lost, and the one that is minted next.
            let memory = MemoryTickets::builder().per_subject(2).clock(clock);
            let memory = memory.build().unwrap();
            let store = Slow::new(memory.clone(), acts_after);
            let tickets = Tickets::<String>::builder(Arc::new(store)).build().unwrap();
            let mut endpoint = tickets.endpoint(|_, mint_request| {
                Ok(
                    TicketRequest::new("ada".to_owned(), mint_request.into_purpose())
                        .subject("ada"),
                )
            });
            let request = || Request::post("/").body(Dripping(WISH, false)).unwrap();

            let first = polled(endpoint.call(request()), polls).await;
            let lost = memory.outstanding();
            assert!(lost <= 1);
            if first.is_some() {
                assert_eq!(lost, 1);
            }
            let minted = endpoint.call(request()).await.unwrap();
            assert_eq!(minted.status(), 200);
            assert_eq!(memory.outstanding(), lost + 1);
            let minted = minted.into_body().collect().await.unwrap().to_bytes();
            let minted: serde_json::Value = serde_json::from_slice(&minted).unwrap();
            let ticket = minted["ticket"].as_str().unwrap();
            let grant = tickets.take_for_channel(ticket, "lobby").await.unwrap();
            assert_eq!(grant.identity(), "ada");
            assert_eq!(memory.outstanding(), lost);
            // Unused tickets no longer count.
            seconds.fetch_add(2 * 30 + 1, Ordering::SeqCst);
            for _ in 0..2 {
                assert_eq!(endpoint.call(request()).await.unwrap().status(), 200);
            }
            first.is_some()
        })
        .await;
        assert_eq!(places, WISH.len() + 1 + WAITS);
    }
}
