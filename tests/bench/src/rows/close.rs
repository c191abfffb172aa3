//! Rows E4 and 12: a refused client that reads the reason.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::routing::any;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tower::{Service, ServiceBuilder};
use tower_ws_auth::{AuthLayer, CloseFrameLayer, Grant, Rejection, RejectionKind};

use super::connection::{CLOSE, Client, REQUEST, Says, serve};
use super::socket::{Answer, Talk, on_loopback, runtime, server};
use super::whole::in_memory;
use crate::Case;

const KEPT: usize = 500;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = on_sockets();
    cases.extend([
        Case::call("close/axum-memory", || {
            in_memory(|| axum(false), vec![REQUEST], CLOSES)
        }),
        Case::call("close/axum-tuned-memory", || {
            in_memory(|| axum(true), vec![REQUEST], CLOSES)
        }),
        kept("close/ours-kept", ours),
        kept("close/axum-kept", || axum(false)),
        kept("close/axum-tuned-kept", || axum(true)),
    ]);
    cases
}

const CLOSES: Says = Says::AfterFrame(CLOSE);

pub(super) fn on_sockets() -> Vec<Case> {
    vec![
        Case::clocked("close/axum", || on_loopback(|| axum(false), Talk::polite())),
        Case::clocked("close/axum-tuned", || {
            on_loopback(|| axum(true), Talk::polite())
        }),
    ]
}

/// Without the reject delay, which costs no CPU time.
pub(super) fn ours() -> server!() {
    let refuse = |_: &mut Parts| {
        let rejection = Rejection::new(RejectionKind::TokenExpired, "");
        ready(Err::<Grant<()>, _>(rejection))
    };
    ServiceBuilder::new()
        .layer(CloseFrameLayer::new().reject_delay(Duration::ZERO))
        .layer(AuthLayer::new(refuse))
        .service_fn(async |_: Request<Incoming>| Answer::Ok(Response::new(Empty::new())))
}

/// As applications do it by hand: accept, send the reason, wait for the answer.
fn axum(tuned: bool) -> server!() {
    let handler = async move |upgrade: WebSocketUpgrade| {
        let upgrade = if tuned {
            upgrade.read_buffer_size(1024).write_buffer_size(0)
        } else {
            upgrade
        };
        upgrade.on_upgrade(async |mut socket: WebSocket| {
            let reason = CloseFrame {
                code: 4401,
                reason: "token_expired".into(),
            };
            if socket.send(Message::Close(Some(reason))).await.is_ok() {
                while let Some(Ok(_)) = socket.recv().await {}
            }
        })
    };
    Router::new().route("/ws", any(handler))
}

/// For clients that say nothing behind their handshake, and do not answer a close frame.
pub(super) fn kept<S, B>(id: &'static str, service: impl Fn() -> S + 'static) -> Case
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: hyper::body::Body<Data = Bytes, Error: Into<tower::BoxError>> + Send + 'static,
{
    #[expect(clippy::cast_precision_loss, reason = "five hundred")]
    Case::kept(id, KEPT as f64, move || {
        let runtime = runtime();
        let service = service();
        let gone = Arc::new(Notify::new());
        let begin = {
            let gone = Arc::clone(&gone);
            move |runtime: &Runtime, count| {
                runtime.block_on(async {
                    for _ in 0..count {
                        serve(Client::new(Says::Nothing, &gone), service.clone()).await;
                    }
                    // Lets each task run until it waits.
                    for _ in 0..10 {
                        tokio::task::yield_now().await;
                    }
                });
            }
        };
        // For state that the runtime and the layer keep for all of them.
        begin(&runtime, KEPT / 10);
        move || {
            begin(&runtime, KEPT);
            (runtime, begin)
        }
    })
}
