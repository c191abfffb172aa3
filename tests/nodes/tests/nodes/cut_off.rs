//! A node revokes while it cannot reach Redis.

use std::time::Duration;

use futures_util::future::join_all;
use node_tests::{Node, Socket};
use test_servers::{Proxy, Server};
use test_support::{Stopwatch, within};
use tokio::time::timeout;

use crate::{PROGRAM, refused};

/// Within this the node has Redis again and has written its unwritten revocations. The
/// documentation says 3 s. The rest is for a slow machine. It is less than a minute, so that news
/// which only the check once a minute finds fails here.
const SOON: Duration = Duration::from_secs(30);

/// Two nodes, of which `cut` reaches Redis by a way that can be severed.
struct Pair {
    way: Proxy,
    cut: Node,
    other: Node,
    _server: Server,
}

impl Pair {
    async fn new() -> Self {
        let server = Server::start();
        let way = Proxy::to(server.port()).await;
        let (cut, other) = (way.url(), server.url());
        let (cut, other) = tokio::join!(
            Node::start(PROGRAM, &cut, &[]),
            Node::start(PROGRAM, &other, &[]),
        );
        Self {
            way,
            cut,
            other,
            _server: server,
        }
    }

    fn nodes(&self) -> [&Node; 2] {
        [&self.cut, &self.other]
    }

    /// Waits until the node that was cut off answers by Redis again.
    async fn is_back(&self) {
        let login = async || {
            self.cut
                .post("/login", "", r#"{"user":"bob"}"#)
                .await
                .status
                == 204
        };
        within(SOON).until_ok("it comes back", login).await;
    }
}

/// A user's credentials from before the revocation.
struct Before {
    cookie: String,
    token: String,
    tickets: Vec<String>,
}

impl Before {
    async fn of(node: &Node, user: &str) -> Self {
        let cookie = node.login(user).await;
        Self {
            token: node.token(&cookie, 600).await,
            tickets: vec![
                node.ticket(&cookie, None).await,
                node.ticket(&cookie, None).await,
            ],
            cookie,
        }
    }

    /// A socket by each kind of credential.
    async fn open(&self, minting: &Node, node: &Node) -> Vec<Socket> {
        let ticket = minting.ticket(&self.cookie, None).await;
        vec![
            node.open_page("/session", &self.cookie).await,
            node.open(&format!("/jwt?token={}", self.token)).await,
            node.open(&format!("/ticket?ticket={ticket}")).await,
        ]
    }

    /// Nothing of it is accepted by these nodes, also not to mint something new.
    async fn is_refused_by(&self, nodes: [&Node; 2]) {
        for (node, ticket) in nodes.into_iter().zip(&self.tickets) {
            for path in ["/session", "/any"] {
                let page = node.page_refusal(path, &self.cookie).await;
                assert_eq!(page, refused(4401, "session_invalid"), "{path}");
            }
            let token = node.refusal(&format!("/jwt?token={}", self.token)).await;
            assert_eq!(token, refused(401, "token_invalid"));
            let ticket = node.refusal(&format!("/ticket?ticket={ticket}")).await;
            assert_eq!(ticket, refused(401, "ticket_invalid"));
            for path in ["/token", "/ticket", "/revoke"] {
                let minted = node.post(path, &self.cookie, r#"{"user":"ada"}"#).await;
                let minted = (minted.status, minted.body);
                assert_eq!(minted, refused(401, "session_invalid"), "{path}");
            }
        }
    }
}

/// Each ends in time, and like this.
async fn end(sockets: Vec<Socket>, as_: (u16, String)) {
    let began = Stopwatch::start();
    let ends = sockets.into_iter().map(async |socket| {
        let end = timeout(SOON, socket.end()).await;
        assert_eq!(end.expect("a socket survived"), as_);
    });
    join_all(ends).await;
    println!("ended within {:?}", began.elapsed());
}

async fn are_alive(sockets: &mut [Socket]) {
    for socket in sockets {
        socket.is_alive().await;
    }
}

async fn a_ban_that_fails_and(is_said_again: bool) {
    let pair = Pair::new().await;
    let (cut, other) = (&pair.cut, &pair.other);
    let (ada, eve) = (
        Before::of(other, "ada").await,
        Before::of(other, "eve").await,
    );
    let (here, mut there) = (ada.open(other, cut).await, ada.open(other, other).await);
    let mut bystanders = eve.open(other, cut).await;
    bystanders.extend(eve.open(other, other).await);

    // The node has found the session, and then it is cut off.
    let ban = cut.begin_revoke(&ada.cookie, "ada").await;
    pair.way.sever();
    assert_eq!(ban.finish().await, refused(503, "unavailable"));
    // No connection stays open here, and none is admitted. The other node does not know of it yet.
    end(here, refused(4403, "revoked")).await;
    let page = cut.page_refusal("/session", &ada.cookie).await;
    assert_eq!(page, refused(4503, "unavailable"));
    are_alive(&mut there).await;
    // A login that does not know of the ban, which is written later: it counts as an earlier one.
    let between = Before::of(other, "ada").await;
    let mut open = between.open(other, other).await;
    are_alive(&mut open).await;
    there.append(&mut open);

    pair.way.mend();
    if is_said_again {
        let again = async || {
            let body = r#"{"user":"ada"}"#;
            match cut.post("/revoke", &ada.cookie, body).await.status {
                // Said again, or written before that by the node itself.
                204 | 401 => true,
                503 => false,
                status => panic!("{status}"),
            }
        };
        within(SOON).until_ok("it comes back", again).await;
        ada.is_refused_by(pair.nodes()).await;
    }
    end(there, refused(4403, "revoked")).await;
    ada.is_refused_by(pair.nodes()).await;
    between.is_refused_by(pair.nodes()).await;
    are_alive(&mut bystanders).await;
    // A login from now on is accepted on both.
    pair.is_back().await;
    let since = Before::of(cut, "ada").await;
    for node in pair.nodes() {
        are_alive(&mut since.open(cut, node).await).await;
    }
}

#[tokio::test]
async fn a_ban_is_an_error_and_is_written_by_the_node_when_it_is_back() {
    a_ban_that_fails_and(false).await;
}

#[tokio::test]
async fn a_ban_is_an_error_and_can_be_said_again_when_the_node_is_back() {
    a_ban_that_fails_and(true).await;
}

/// The ban is carried out, and the node does not hear so.
#[tokio::test]
async fn a_ban_whose_answer_is_lost_is_an_error_and_is_in_force_on_every_node() {
    let pair = Pair::new().await;
    let (cut, other) = (&pair.cut, &pair.other);
    let (ada, eve) = (
        Before::of(other, "ada").await,
        Before::of(other, "eve").await,
    );
    // From now on Redis knows the script, and a revocation is one command.
    other.logout(&other.login("bob").await).await;
    let (here, there) = (ada.open(other, cut).await, ada.open(other, other).await);
    let eves = eve.open(other, other).await;
    let ban = cut.begin_revoke(&ada.cookie, "ada").await;
    pair.way.lose_answers();
    assert_eq!(ban.finish().await, refused(503, "unavailable"));
    end(here, refused(4403, "revoked")).await;
    // The news has reached the other node all the same.
    end(there, refused(4403, "revoked")).await;
    let token = other.refusal(&format!("/jwt?token={}", ada.token)).await;
    assert_eq!(token, refused(401, "token_invalid"));
    // A login that knows of it stays good when the node writes it once more.
    let since = Before::of(other, "ada").await;
    let mut open = since.open(other, other).await;
    // Unwritten revocations are written in their order.
    pair.way.sever();
    let answer = cut.post("/logout", &eve.cookie, "").await;
    assert_eq!((answer.status, answer.body), refused(503, "unavailable"));
    pair.way.mend();
    end(eves, refused(4401, "session_ended")).await;
    pair.is_back().await;
    ada.is_refused_by(pair.nodes()).await;
    are_alive(&mut open).await;
    for node in pair.nodes() {
        are_alive(&mut since.open(other, node).await).await;
    }
}

#[tokio::test]
async fn a_logout_is_an_error_and_is_written_by_the_node_when_it_is_back() {
    let pair = Pair::new().await;
    let (cut, other) = (&pair.cut, &pair.other);
    let (ada, second) = (
        Before::of(other, "ada").await,
        Before::of(other, "ada").await,
    );
    let (here, mut there) = (ada.open(other, cut).await, ada.open(other, other).await);
    let mut bystanders = second.open(other, cut).await;
    bystanders.extend(second.open(other, other).await);

    pair.way.sever();
    let answer = cut.post("/logout", &ada.cookie, "").await;
    assert_eq!((answer.status, answer.body), refused(503, "unavailable"));
    end(here, refused(4401, "session_ended")).await;
    are_alive(&mut there).await;

    pair.way.mend();
    end(there, refused(4401, "session_ended")).await;
    ada.is_refused_by(pair.nodes()).await;
    // It can be said again, and changes nothing for the other session of that user.
    pair.is_back().await;
    cut.logout(&ada.cookie).await;
    ada.is_refused_by(pair.nodes()).await;
    are_alive(&mut bystanders).await;
}
