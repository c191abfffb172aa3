use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{Notify, watch};

/// A TCP proxy on 127.0.0.1 that breaks its connections.
#[derive(Clone, Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    up: Budget,
    down: Budget,
    /// When this rises, open connections stop passing bytes and stay open.
    silenced: Notify,
    cut: AtomicBool,
    severed: watch::Sender<bool>,
    loses_answers: AtomicBool,
}

/// The number of bytes that still pass before the connection is cut; below zero, all.
#[derive(Debug)]
struct Budget(AtomicI64);

impl Proxy {
    /// To a port of 127.0.0.1, from a free one. It lives as long as the runtime.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            up: Budget(AtomicI64::new(-1)),
            down: Budget(AtomicI64::new(-1)),
            silenced: Notify::new(),
            cut: AtomicBool::new(false),
            severed: watch::Sender::new(false),
            loses_answers: AtomicBool::new(false),
        });
        let proxy = Self { port: own, shared };
        let shared = Arc::clone(&proxy.shared);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if *shared.severed.borrow() {
                    continue;
                }
                // If the server is down, the client's connection is closed.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
                    tokio::spawn(pass(client, server, Arc::clone(&shared)));
                }
            }
        });
        proxy
    }

    /// `redis://127.0.0.1:…`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Cuts the connection once, after this many bytes of requests.
    pub fn cut_request(&self, after: usize) {
        self.shared.cut.store(false, Ordering::SeqCst);
        self.shared
            .up
            .0
            .store(after.try_into().unwrap(), Ordering::SeqCst);
    }

    /// Cuts the connection once, after this many bytes of answers.
    pub fn cut_answer(&self, after: usize) {
        self.shared.cut.store(false, Ordering::SeqCst);
        self.shared
            .down
            .0
            .store(after.try_into().unwrap(), Ordering::SeqCst);
    }

    /// Whether the cut has been made. If not, it is cancelled.
    pub fn has_cut(&self) -> bool {
        self.shared.up.0.store(-1, Ordering::SeqCst);
        self.shared.down.0.store(-1, Ordering::SeqCst);
        self.shared.cut.load(Ordering::SeqCst)
    }

    /// Leaves the open connections open, and passes nothing on them.
    pub fn silence(&self) {
        self.shared.silenced.notify_waiters();
    }

    /// Ends all connections, and hangs up on new ones until it is mended.
    pub fn sever(&self) {
        self.shared.severed.send_replace(true);
    }

    /// Passes requests but no answers until it is mended. A connection that has lost an answer
    /// passes none ever after.
    pub fn lose_answers(&self) {
        self.shared.loses_answers.store(true, Ordering::SeqCst);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.shared.loses_answers.store(false, Ordering::SeqCst);
        self.shared.severed.send_replace(false);
    }
}

async fn pass(client: TcpStream, server: TcpStream, shared: Arc<Shared>) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    let silenced = shared.silenced.notified();
    tokio::pin!(silenced);
    let mut severed = shared.severed.subscribe();
    let severed = async { drop(severed.wait_for(|severed| *severed).await) };
    tokio::pin!(severed);
    let mut has_lost = false;
    loop {
        let goes_on = select! {
            read = from_client.read(&mut up) => {
                shared.forward(&up[..read.unwrap_or(0)], &shared.up, &mut to_server).await
            }
            read = from_server.read(&mut down) => {
                let answer = &down[..read.unwrap_or(0)];
                has_lost |= shared.loses_answers.load(Ordering::SeqCst);
                if has_lost {
                    !answer.is_empty()
                } else {
                    shared.forward(answer, &shared.down, &mut to_client).await
                }
            }
            () = &mut silenced => std::future::pending().await,
            () = &mut severed => false,
        };
        if !goes_on {
            return;
        }
    }
}

impl Shared {
    /// Passes on as many bytes as the budget allows. Returns `false` when the connection must be
    /// closed.
    async fn forward(
        &self,
        bytes: &[u8],
        budget: &Budget,
        to: &mut (impl AsyncWriteExt + Unpin),
    ) -> bool {
        let left = budget.0.load(Ordering::SeqCst);
        let Ok(left) = usize::try_from(left) else {
            return !bytes.is_empty() && to.write_all(bytes).await.is_ok();
        };
        let pass = &bytes[..bytes.len().min(left)];
        let _ = to.write_all(pass).await;
        if bytes.len() >= left {
            budget.0.store(-1, Ordering::SeqCst);
            self.cut.store(true, Ordering::SeqCst);
            return false;
        }
        budget
            .0
            .fetch_sub(pass.len().try_into().unwrap(), Ordering::SeqCst);
        !bytes.is_empty()
    }
}
