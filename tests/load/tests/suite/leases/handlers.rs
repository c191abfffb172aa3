//! Handlers as applications write them, with axum and with bare tungstenite. None knows of leases.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::{Message as AxumMessage, WebSocket};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use test_support::Random;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::frames::{FILL, size};

pub(crate) type Bare = WebSocketStream<TokioIo<Upgraded>>;

/// How many handlers run, and which close frames they have read.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    running: Arc<AtomicUsize>,
    begun: Arc<AtomicUsize>,
    closes: Arc<Mutex<Vec<(u16, String)>>>,
    /// Whether those that sleep may go on.
    woken: Arc<watch::Sender<bool>>,
}

/// A running handler.
pub(crate) struct Running(Handlers);

impl Handlers {
    pub(crate) fn begin(&self) -> Running {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.running.fetch_add(1, Ordering::SeqCst);
        Running(self.clone())
    }

    /// Wakes all sleepers. No handler sleeps from now on.
    pub(crate) fn wake(&self) {
        self.woken.send_replace(true);
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    pub(crate) fn closes(&self) -> Vec<(u16, String)> {
        self.closes.lock().unwrap().clone()
    }
}

impl Running {
    fn read(&self, code: u16, reason: &str) {
        let mut closes = self.0.closes.lock().unwrap();
        closes.push((code, reason.to_owned()));
    }

    async fn is_woken(&self) {
        let mut woken = self.0.woken.subscribe();
        woken.wait_for(|woken| *woken).await.unwrap();
    }

    fn seed(&self) -> usize {
        self.0.begun()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// By the last part of the path.
pub(crate) async fn axum(name: String, mut socket: WebSocket, running: Running) {
    match name.as_str() {
        "echo" => {
            while let Some(Ok(message)) = socket.recv().await {
                match message {
                    AxumMessage::Close(Some(close)) => running.read(close.code, &close.reason),
                    AxumMessage::Binary(_) => {
                        let sent = socket.send(message).await;
                        if sent.is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
            }
        }
        "duplex" => {
            let (mut sink, mut stream) = socket.split();
            let mut random = Random::new(running.seed() as u64);
            let writing = tokio::spawn(async move {
                let message = |size| AxumMessage::binary(vec![FILL; size]);
                while sink.send(message(size(&mut random))).await.is_ok() {
                    pause(&mut random).await;
                }
            });
            while let Some(Ok(message)) = stream.next().await {
                if let AxumMessage::Close(Some(close)) = message {
                    running.read(close.code, &close.reason);
                }
            }
            writing.await.unwrap();
        }
        "asleep" => running.is_woken().await,
        "chatter" => {
            let message = AxumMessage::binary(vec![FILL; 3000]);
            while socket.send(message.clone()).await.is_ok() {}
        }
        other => panic!("{other}"),
    }
}

/// The same with tungstenite alone, and what only a message in fragments can show.
pub(crate) async fn bare(name: String, mut socket: Bare, running: Running) {
    match name.as_str() {
        "echo" => {
            while let Some(Ok(message)) = socket.next().await {
                match message {
                    Message::Close(Some(close)) => running.read(close.code.into(), &close.reason),
                    Message::Binary(_) => {
                        let sent = socket.send(message).await;
                        if sent.is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
            }
        }
        "duplex" => {
            let (mut sink, mut stream) = socket.split();
            let mut random = Random::new(running.seed() as u64);
            let writing = tokio::spawn(async move {
                loop {
                    let fragments = 1 + random.below(4);
                    for n in 0..fragments {
                        let data = if n == 0 { Data::Binary } else { Data::Continue };
                        let size = size(&mut random);
                        let fragment = fragment(data, size, n == fragments - 1);
                        if sink.send(fragment).await.is_err() {
                            return;
                        }
                        pause(&mut random).await;
                    }
                }
            });
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Close(Some(close)) = message {
                    running.read(close.code.into(), &close.reason);
                }
            }
            writing.await.unwrap();
        }
        "asleep" => running.is_woken().await,
        "chatter" => {
            let message = Message::binary(vec![FILL; 3000]);
            while socket.send(message.clone()).await.is_ok() {}
        }
        "fragment" => {
            let first = fragment(Data::Binary, 300, false);
            socket.send(first).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Close(Some(close)) = message {
                    running.read(close.code.into(), &close.reason);
                }
            }
            let rest = fragment(Data::Continue, 300, true);
            assert!(socket.send(rest).await.is_err());
        }
        other => panic!("{other}"),
    }
}

fn fragment(data: Data, size: usize, is_final: bool) -> Message {
    Message::Frame(Frame::message(
        vec![FILL; size],
        OpCode::Data(data),
        is_final,
    ))
}

/// Up to a tenth of a second, at times not at all.
pub(crate) async fn pause(random: &mut Random) {
    if random.below(4) > 0 {
        let ms = random.below(100) as u64;
        sleep(Duration::from_millis(ms)).await;
    }
}
