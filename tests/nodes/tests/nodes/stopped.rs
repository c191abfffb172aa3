//! A node stands still while another one revokes, as a virtual machine that is moved does.

use std::time::Duration;

use futures_util::future::join_all;
use node_tests::{Node, Socket};
use socket_tests::Answer;
use test_servers::Server;
use test_support::{Stopwatch, of_tier};
use tokio::time::{sleep, timeout};

use crate::{refused, two};

/// The documentation says 3 s once Redis can be reached; the rest is for a slow machine. It is less
/// than the minute between two questions about everything.
const SOON: Duration = Duration::from_secs(30);

struct User {
    cookie: String,
    token: String,
    tickets: Vec<String>,
}

impl User {
    async fn of(node: &Node, name: &str) -> Self {
        let cookie = node.login(name).await;
        let mut tickets = Vec::new();
        for _ in 0..4 {
            tickets.push(node.ticket(&cookie, None).await);
        }
        Self {
            token: node.token(&cookie, 600).await,
            tickets,
            cookie,
        }
    }

    /// A socket by each kind of credential.
    async fn open(&mut self, node: &Node) -> Vec<Socket> {
        let ticket = self.tickets.pop().unwrap();
        vec![
            node.open_page("/session", &self.cookie).await,
            node.open(&format!("/jwt?token={}", self.token)).await,
            node.open(&format!("/ticket?ticket={ticket}")).await,
        ]
    }

    /// The outcome of a handshake with each kind of credential. None may be left open.
    async fn meets(self, node: Node) -> Vec<Answer> {
        let [jwt, ticket] = [
            format!("/jwt?token={}", self.token),
            format!("/ticket?ticket={}", self.tickets[0]),
        ];
        let paths = [("/session", &*self.cookie), (&jwt, ""), (&ticket, "")];
        let meets = paths.map(|(path, cookie)| node.end_of_page(path, cookie));
        join_all(meets).await
    }

    fn again(&mut self) -> Self {
        Self {
            cookie: self.cookie.clone(),
            token: self.token.clone(),
            tickets: vec![self.tickets.pop().unwrap()],
        }
    }
}

/// It was refused, without a word before.
fn is_refused(answer: &Answer) -> bool {
    matches!(answer, Answer::Closed(4401 | 4503, _, said) if said.is_empty())
}

/// What is sent to a stopped node waits there by then, as a rule.
const TO_REACH_ITS_QUEUE: Duration = Duration::from_millis(200);

async fn nothing_that_was_revoked_meanwhile_goes_on(is_news_lost: bool) {
    let (server, a, b) = two(&[]).await;
    let (mut ada, mut eve) = (User::of(&a, "ada").await, User::of(&a, "eve").await);
    let mut bob = User::of(&a, "bob").await;
    let (hers, eves) = (ada.open(&b).await, eve.open(&b).await);
    let mut bystanders = bob.open(&b).await;

    // Some handshakes are under way, at any place, when the node stops.
    let under_way = [ada.again(), eve.again()].map(|user| tokio::spawn(user.meets(b.clone())));
    b.pause();
    if is_news_lost {
        lose_the_news(&server).await;
    }
    a.revoke(&ada.cookie, "ada").await;
    a.logout(&eve.cookie).await;
    let mut since = User::of(&a, "ada").await;
    // Longer than a command may take and than the pause between two looks, and it counts from now.
    sleep(of_tier(Duration::from_secs(3), Duration::from_secs(20))).await;
    let waiting = [ada.again(), eve.again()].map(|user| tokio::spawn(user.meets(b.clone())));
    sleep(TO_REACH_ITS_QUEUE).await;
    b.resume();

    let began = Stopwatch::start();
    let ends = hers.into_iter().map(async |socket| {
        let end = timeout(SOON, socket.end()).await;
        assert_eq!(end.expect("it survived a ban"), refused(4403, "revoked"));
    });
    join_all(ends).await;
    for socket in eves {
        let end = timeout(SOON, socket.end()).await;
        let end = end.expect("it survived a logout");
        assert_eq!(end, refused(4401, "session_ended"));
    }
    println!("all had ended {:?} after SIGCONT", began.elapsed());
    for user in waiting {
        let met = timeout(SOON, user).await.expect("one was left open");
        let met = met.unwrap();
        assert!(met.iter().all(is_refused), "{met:?}");
    }
    for user in under_way {
        let met = timeout(SOON, user).await.expect("one was left open");
        for answer in met.unwrap() {
            let is_ended = matches!(answer, Answer::Closed(4401 | 4403, ..));
            assert!(is_ended || is_refused(&answer), "{answer:?}");
        }
    }
    // Until the node has a connection to Redis it says that it does not know.
    let mut refusal = b.page_refusal("/session", &ada.cookie).await;
    while refusal == refused(4503, "unavailable") {
        assert!(began.elapsed() < SOON, "it does not come back");
        refusal = b.page_refusal("/session", &ada.cookie).await;
    }
    assert_eq!(refusal, refused(4401, "session_invalid"));
    for user in [ada.again(), eve.again()] {
        let met = user.meets(b.clone()).await;
        let said =
            |answer: &Answer| matches!(answer, Answer::Closed(4401, _, said) if said.is_empty());
        assert!(met.iter().all(said), "{met:?}");
    }
    // The login from meanwhile is good, and so is who has nothing to do with it.
    for socket in bystanders.iter_mut().chain(&mut since.open(&b).await) {
        socket.is_alive().await;
    }
}

/// No listener hears published news until it subscribes again.
async fn lose_the_news(server: &Server) {
    let lost: u64 = server.ask("CLIENT KILL TYPE pubsub").await;
    assert!(lost > 0);
}

#[tokio::test]
async fn a_node_that_was_stopped_accepts_and_keeps_nothing_that_was_revoked_meanwhile() {
    nothing_that_was_revoked_meanwhile_goes_on(false).await;
}

#[tokio::test]
async fn a_stopped_node_that_missed_its_news_keeps_no_revoked_connection() {
    nothing_that_was_revoked_meanwhile_goes_on(true).await;
}
