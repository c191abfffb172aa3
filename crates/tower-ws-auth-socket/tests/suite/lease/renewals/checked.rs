//! A renewal across nodes: what the node that accepts it has asked the store, the other one need not ask
//! again, as long as it would hear of every revocation since.

use tokio::sync::OwnedRwLockWriteGuard;
use tokio::task::JoinHandle;
use tower_ws_auth_core::revocation::{LocalConnections, Recorded};
use tower_ws_auth_core::{Revocation, RevocationKey, StoreError};

use super::*;

/// One node's way to the store of both. News reaches a node when the test says so.
#[derive(Clone)]
struct Store {
    common: Arc<Common>,
    name: Option<&'static str>,
}

struct Common {
    kept: MemoryRevocations,
    nodes: Mutex<Vec<LocalConnections>>,
    asked: AtomicUsize,
    is_down: AtomicBool,
}

impl RevocationStore for Store {
    fn find(
        &self,
        keys: Vec<RevocationKey>,
    ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>> {
        let common = &self.common;
        common.asked.fetch_add(1, Ordering::SeqCst);
        if common.is_down.load(Ordering::SeqCst) {
            return Box::pin(ready(Err(StoreError::new("down"))));
        }
        common.kept.find(keys)
    }

    fn record(
        &self,
        key: Arc<str>,
        revocation: Revocation,
    ) -> BoxFuture<Result<Recorded, StoreError>> {
        self.common.kept.record(key, revocation)
    }

    fn shared_name(&self) -> Option<Arc<str>> {
        self.name.map(Arc::from)
    }

    fn attach(&self, here: LocalConnections) {
        self.common.nodes.lock().unwrap().push(here);
    }
}

/// Two nodes: a client's connection is at the first one, and its requests reach the second one.
struct Nodes<A: Authenticate> {
    here: Server<A>,
    there: Arc<Server<A>>,
    common: Arc<Common>,
    bus: Bus,
}

async fn nodes() -> Nodes<impl Strategy> {
    nodes_with([Some("common"); 2]).await
}

/// Their stores have these names.
async fn nodes_with(names: [Option<&'static str>; 2]) -> Nodes<impl Strategy> {
    nodes_by(names, |revocations| tokens(START).revocable(revocations)).await
}

const START: SystemTime = SystemTime::UNIX_EPOCH;

async fn nodes_by<A: Strategy>(
    names: [Option<&'static str>; 2],
    strategy: impl Fn(Revocations) -> A,
) -> Nodes<A> {
    let common = Arc::new(Common {
        kept: MemoryRevocations::new(Duration::from_secs(3600), 1000),
        nodes: Mutex::default(),
        asked: AtomicUsize::new(0),
        is_down: AtomicBool::new(false),
    });
    let bus = Bus::default();
    let node = async |number: usize| {
        let common = Arc::clone(&common);
        let store = Store {
            common,
            name: names[number],
        };
        let relay = Some(OnBus(bus.clone(), number));
        server_at(store, START, relay, |layer| layer, &strategy, |it| it).await
    };
    let (here, there) = (node(0).await, Arc::new(node(1).await));
    let nodes = Nodes {
        here,
        there,
        common,
        bus,
    };
    nodes.set_clocks(59);
    nodes
}

impl<A: Strategy> Nodes<A> {
    /// The status of a renewal, and how often the store was asked.
    async fn renew(&self, token: &str, client: &Client) -> (u16, usize) {
        let before = self.common.asked.load(Ordering::SeqCst);
        let (status, _) = self.there.renew(token, &client.id).await;
        let asked = self.common.asked.load(Ordering::SeqCst) - before;
        (status.as_u16(), asked)
    }

    /// A renewal that one node has accepted, and that has not reached the other one. It does when
    /// what is returned first is dropped.
    async fn accepted(
        &self,
        token: &'static str,
        client: &Client,
    ) -> (OwnedRwLockWriteGuard<()>, Renewing) {
        let closed = Arc::clone(&self.bus.gate).write_owned().await;
        let (there, id) = (Arc::clone(&self.there), client.id.clone());
        let renewing = tokio::spawn(async move { there.renew(token, &id).await });
        let is_asked = || self.bus.asked.load(Ordering::SeqCst) == 1;
        until("the question", is_asked).await;
        (closed, renewing)
    }

    async fn revoke(&self, key: &str, within: u64) {
        let within = Duration::from_secs(within);
        let revoked = DisconnectReason::Revoked;
        let revoking = self.there.revocations.revoke_within(key, revoked, within);
        revoking.await.unwrap();
    }

    /// The first node hears of the revocation of a key.
    async fn news(&self, key: &str) {
        let found = self.common.kept.find(vec![key.into()]).await.unwrap();
        let here = self.common.nodes.lock().unwrap()[0].clone();
        here.revoked(key, found[0].as_ref().unwrap()).await;
    }

    fn set_clocks(&self, seconds: u64) {
        self.here.hands.set(seconds);
        self.there.hands.set(seconds);
    }
}

type Renewing = JoinHandle<(StatusCode, String)>;

#[tokio::test]
async fn the_node_of_the_connection_asks_nothing_about_keys_that_it_has() {
    let nodes = nodes().await;
    let mut client = nodes.here.open("ada.50.100.user").await;
    for token in ["ada.60.900.admin", "ada.70.900.user"] {
        assert_eq!(nodes.renew(token, &client).await, (204, 1));
        client.text().await;
    }
    // It hears of them as before.
    nodes.revoke("user:ada", 0).await;
    client.is_open().await;
    nodes.news("user:ada").await;
    assert_eq!(client.close().await, (4403, "revoked".to_owned()));
}

#[tokio::test]
async fn it_asks_about_a_key_that_is_new_to_it() {
    let nodes = nodes().await;
    let mut client = nodes.here.open("ada.50.100.user").await;
    let renewed = nodes.renew("ada.60.900.user.device/7", &client).await;
    assert_eq!(renewed, (204, 2));
    client.text().await;
    let again = nodes.renew("ada.70.900.user.device/7", &client).await;
    assert_eq!(again, (204, 1));
    client.text().await;
    // A part of them will do.
    assert_eq!(nodes.renew("ada.80.900.user", &client).await, (204, 1));
}

#[tokio::test]
async fn it_asks_where_its_store_is_another_one_or_was_not_asked() {
    for names in [
        [None, None],
        [Some("common"), None],
        [Some("one"), Some("other")],
    ] {
        let nodes = nodes_with(names).await;
        let client = nodes.here.open("ada.50.100.user").await;
        let renewed = nodes.renew("ada.60.900.user", &client).await;
        assert_eq!(renewed, (204, 2), "{names:?}");
    }
    // The strategy does not ask: the layer alone does.
    let nodes = nodes_by([Some("common"); 2], |_| tokens(START)).await;
    let client = nodes.here.open("ada.50.100.user").await;
    assert_eq!(nodes.renew("ada.60.900.user", &client).await, (204, 1));
    nodes.common.is_down.store(true, Ordering::SeqCst);
    assert_eq!(nodes.renew("ada.70.900.user", &client).await, (503, 1));
}

#[tokio::test]
async fn it_asks_again_if_the_question_is_old() {
    let nodes = nodes().await;
    let client = nodes.here.open("ada.50.9000.user").await;
    nodes.set_clocks(60);
    for (clock, asked) in [(65, 1), (66, 2), (55, 1), (54, 2)] {
        nodes.here.hands.set(clock);
        let renewed = nodes.renew("ada.60.9000.user", &client).await;
        assert_eq!(renewed, (204, asked), "{clock}");
    }
}

#[tokio::test]
async fn a_revocation_that_overtakes_the_question_ends_the_connection() {
    let nodes = nodes().await;
    let mut client = nodes.here.open("ada.50.100.user").await;
    let (closed, renewing) = nodes.accepted("ada.60.900.user", &client).await;
    nodes.set_clocks(61);
    nodes.revoke("user:ada", 0).await;
    nodes.news("user:ada").await;
    assert_eq!(client.close().await, (4403, "revoked".to_owned()));
    drop(closed);
    assert_eq!(renewing.await.unwrap().0, 404);
}

#[tokio::test]
async fn a_revocation_whose_news_comes_behind_the_question_ends_the_connection() {
    let nodes = nodes().await;
    let mut client = nodes.here.open("ada.50.100.user").await;
    let (closed, renewing) = nodes.accepted("ada.60.900.admin", &client).await;
    nodes.set_clocks(61);
    nodes.revoke("user:ada", 0).await;
    drop(closed);
    assert_eq!(renewing.await.unwrap().0, 204);
    assert_eq!(client.text().await, "admin");
    nodes.news("user:ada").await;
    assert_eq!(client.close().await, (4403, "revoked".to_owned()));
}

/// Whether the old credential lives longer than its margin or not.
#[tokio::test]
async fn a_margin_that_overtakes_the_question_is_lifted_by_no_older_credential() {
    for (token, end, ended) in [
        ("ada.50.9000.user", 161, (4403, "revoked")),
        ("ada.50.100.user", 100, (4401, "token_expired")),
    ] {
        let nodes = nodes().await;
        let mut client = nodes.here.open(token).await;
        let (closed, renewing) = nodes.accepted("ada.60.9000.user", &client).await;
        nodes.set_clocks(61);
        nodes.revoke("user:ada", 100).await;
        nodes.news("user:ada").await;
        drop(closed);
        let refused = Server::<Tokens>::said(401, "token_invalid");
        assert_eq!(renewing.await.unwrap(), refused);
        nodes.set_clocks(end - 1);
        client.is_open().await;
        nodes.set_clocks(end);
        assert_eq!(client.close().await, (ended.0, ended.1.to_owned()));
    }
}

#[tokio::test]
async fn a_margin_is_lifted_by_a_later_credential() {
    let nodes = nodes().await;
    let mut client = nodes.here.open("ada.50.9000.user").await;
    nodes.set_clocks(61);
    nodes.revoke("user:ada", 100).await;
    nodes.news("user:ada").await;
    assert_eq!(nodes.renew("ada.62.9000.user", &client).await, (204, 2));
    client.text().await;
    nodes.set_clocks(161);
    client.is_open().await;
    assert_eq!(nodes.renew("ada.63.9000.user", &client).await, (204, 1));
}
