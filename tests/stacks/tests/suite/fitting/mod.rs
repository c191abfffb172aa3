//! The blocks of `docs/fitting.md`, compiled and run, and the symptoms of the wrong orders in its
//! tables.

/// A session store whose database is down, for one of the versions of tower-sessions.
macro_rules! store_that_is_gone {
    ($($tower_sessions:ident)::+) => {
        use $($tower_sessions)::+::session::{Id, Record};
        use $($tower_sessions)::+::session_store::{Error, Result};

        #[derive(Clone, Debug)]
        struct Gone;

        fn gone<T>() -> Result<T> {
            Err(Error::Backend("the database is down".to_owned()))
        }

        #[async_trait::async_trait]
        impl $($tower_sessions)::+::SessionStore for Gone {
            async fn save(&self, _: &Record) -> Result<()> {
                gone()
            }

            async fn load(&self, _: &Id) -> Result<Option<Record>> {
                gone()
            }

            async fn delete(&self, _: &Id) -> Result<()> {
                gone()
            }
        }
    };
}

mod axum_login;
mod bare_hyper;
mod named_guard;
mod orders;
mod orders_of_others;
mod page;
mod plain_axum;
mod readme;
mod tonic_and_axum;
mod tower_sessions;

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use socket_tests::{Answer, Claims, Client, SECRET, end_of, raw};
use stacks_tests::{APP, EVIL, browser_at};
use tokio_tungstenite::tungstenite::{Error, Message};
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{Authenticated, Origins};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn jwt() -> Jwt<Claims> {
    Jwt::builder(Key::hs256(SECRET).unwrap()).build().unwrap()
}

fn origins() -> Origins {
    Origins::new([APP]).unwrap()
}

/// The cookie of an unknown session.
const COOKIE: &str = "id=AAAAAAAAAAAAAAAAAAAAAA";

/// A route of the application beside its sockets.
async fn index() -> &'static str {
    "the page, of more than 32 bytes, which is what a compression begins at"
}

/// An HTTP request with these lines in its head; the whole answer.
async fn request(address: SocketAddr, line: &str, lines: &str) -> String {
    let head = format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{lines}\r\n");
    raw(address, &head).await.unwrap()
}

/// The cookie that an answer sets, as a browser sends it back.
fn cookie(answer: &str) -> String {
    let set = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap_or_else(|| panic!("no cookie in {answer}"));
    set.split(';').next().unwrap().to_owned()
}

/// The socket of ada answers.
async fn echoes(opened: Result<Client, Error>) -> Client {
    let mut client = opened.unwrap();
    client.send("hello".into()).await.unwrap();
    let answer = client.next().await.unwrap().unwrap();
    assert_eq!(answer, Message::text("ada: hello"));
    client
}

/// Opens ada's socket by a session. The logout ends the socket too.
async fn a_logout_ends_the_socket(address: SocketAddr, cookie: &str) {
    let known = [("origin", APP), ("cookie", cookie)];
    let client = echoes(browser_at(address, "/ws", &known).await).await;
    let lines = format!("Origin: {APP}\r\nCookie: {cookie}\r\nContent-Length: 0\r\n");
    let answer = request(address, "POST /logout", &lines).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let answer = end_of(Ok(client)).await;
    assert_eq!(answer, Answer::closed(4401, "session_ended"));
    let again = end_of(browser_at(address, "/ws", &known).await).await;
    assert_eq!(again, Answer::closed(4401, "session_invalid"));
}

/// A client without a login reads why. A foreign page reads nothing, with any cookie.
async fn only_our_page_reads_why(address: SocketAddr, cookie: &str) {
    let nobody = browser_at(address, "/ws", &[("origin", APP)]).await;
    let answer = end_of(nobody).await;
    assert_eq!(answer, Answer::closed(4401, "session_invalid"));
    let foreign = [("origin", EVIL), ("cookie", cookie)];
    for page in [&foreign[..], &foreign[1..]] {
        let opened = browser_at(address, "/ws", page).await;
        assert_eq!(end_of(opened).await, Answer::http(403, "origin_denied"));
    }
}

/// Echoes with the name of a user of any application.
async fn echo_for<I: Clone + Send + Sync + 'static>(
    upgrade: axum::extract::ws::WebSocketUpgrade,
    user: Authenticated<I>,
    name: impl FnOnce(&I) -> String + Send + 'static,
) -> axum::response::Response {
    upgrade
        .protocols(["chat.v1"])
        .on_upgrade(async move |mut socket| {
            let name = name(&user);
            while let Some(Ok(message)) = socket.recv().await {
                if let Ok(text) = message.to_text() {
                    let answer = format!("{name}: {text}");
                    if socket.send(answer.into()).await.is_err() {
                        return;
                    }
                }
            }
        })
}
