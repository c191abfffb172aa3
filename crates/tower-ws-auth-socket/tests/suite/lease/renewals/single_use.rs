//! Renewals by a credential for one use, such as a ticket. A refusal leaves it for another use.

use std::collections::HashSet;

use super::*;

/// [`Tokens`], each for one use.
#[derive(Clone)]
struct OneTime {
    tokens: Tokens,
    spent: Arc<Mutex<HashSet<String>>>,
    peeks: bool,
}

impl OneTime {
    fn new(start: SystemTime) -> Self {
        Self {
            tokens: tokens(start),
            spent: Arc::default(),
            peeks: true,
        }
    }

    fn worth(&self, token: Credential, head: &Parts) -> Result<Grant<User>, Rejection> {
        if self.spent.lock().unwrap().contains(token.as_str()) {
            return Err(Rejection::new(RejectionKind::TicketInvalid, "used"));
        }
        self.tokens.verify(token, head).into_inner()
    }
}

impl Authenticate for OneTime {
    type Credential = Credential;
    type Verified = User;
    type Identity = User;
    type Future = BoxFuture<Result<Grant<User>, Rejection>>;

    const SINGLE_USE: bool = true;

    fn take(&self, head: &mut Parts) -> Result<Option<Credential>, Rejection> {
        self.tokens.take(head)
    }

    fn peek(
        &self,
        token: &Credential,
        head: &Parts,
    ) -> Option<BoxFuture<Result<Grant<User>, Rejection>>> {
        let worth = self.worth(token.clone(), head);
        self.peeks.then(|| -> BoxFuture<_> {
            Box::pin(async {
                tokio::task::yield_now().await;
                worth
            })
        })
    }

    fn verify(&self, token: Credential, head: &Parts) -> Self::Future {
        let text = token.as_str().to_owned();
        let worth = self.worth(token, head);
        self.spent.lock().unwrap().insert(text);
        Box::pin(async {
            tokio::task::yield_now().await;
            Ok(worth?.spent())
        })
    }

    fn admit(&self, user: User, _: &Parts) -> Result<User, Rejection> {
        Ok(user)
    }
}

async fn server_of(
    tickets: OneTime,
    relay: Option<OnBus>,
    configure: impl FnOnce(LeaseLayer) -> LeaseLayer,
) -> Server<impl Strategy> {
    let start = tickets.tokens.start;
    let strategy = |revocations| tickets.clone().revocable(revocations);
    server_by(start, relay, configure, strategy, |renewals| renewals).await
}

async fn server(configure: impl FnOnce(LeaseLayer) -> LeaseLayer) -> Server<impl Strategy> {
    server_of(OneTime::new(SystemTime::now()), None, configure).await
}

fn one_of_a_user(layer: LeaseLayer) -> LeaseLayer {
    layer.max_connections(1, "user:", OverLimit::RefuseNewest)
}

fn one_of_a_device(layer: LeaseLayer) -> LeaseLayer {
    layer.max_connections(1, "device/", OverLimit::RefuseNewest)
}

fn said(status: u16, text: &str) -> (StatusCode, String) {
    Server::<Tokens>::said(status, text)
}

#[tokio::test]
async fn at_the_limit_need_no_further_place() {
    let server = server(one_of_a_user).await;
    let mut client = server.open("ada.0.100.user").await;
    for ticket in ["ada.50.900.user", "ada.60.900.user"] {
        assert_eq!(server.renew(ticket, &client.id).await, said(204, ""));
        assert_eq!(client.text().await, "user");
        assert_eq!(client.say("renew ada.50.900.user").await, "ticket_invalid");
    }
    let mut answers = [
        client.say("renew ada.70.900.user").await,
        client.text().await,
    ];
    answers.sort();
    assert_eq!(answers, ["renewed", "user"]);
    // It still is the only one.
    match connect_async(format!("ws://{}/ws?token=ada.80.900.user", server.address)).await {
        Err(Error::Http(refused)) => assert_eq!(refused.status(), 429),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.revocations.count("user:ada"), 1);
    client.is_open().await;
    drop(client);
    server.is_empty().await;
    server.open("ada.80.900.user").await;
}

#[tokio::test]
async fn to_a_key_that_is_full_are_refused_and_spend_nothing() {
    let server = server(one_of_a_device).await;
    let mut first = server.open("ada.0.100.user.device/7").await;
    let mut second = server.open("ada.1.100.user.device/8").await;
    let ticket = "ada.50.900.user.device/8";
    for _ in 0..2 {
        let refused = server.renew(ticket, &first.id).await;
        assert_eq!(refused, said(429, "rate_limited"));
    }
    // The same ticket renews the connection that has the place.
    assert_eq!(server.renew(ticket, &second.id).await, said(204, ""));
    second.text().await;
    first.is_open().await;
    second.is_open().await;
    let counts = ["device/7", "device/8"].map(|key| server.revocations.count(key));
    assert_eq!(counts, [1, 1]);
}

#[tokio::test]
async fn are_spent_by_a_handshake_whose_name_is_malformed() {
    let carriers = Carriers::builder().query("connection").build().unwrap();
    let server = server(|layer| layer.connection_id(carriers)).await;
    let status = async |query: &str| {
        let url = format!("ws://{}/ws?token=ada.50.900.user{query}", server.address);
        match connect_async(url).await {
            Err(Error::Http(refused)) => refused.status().as_u16(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status("&connection=guess").await, 400);
    // The strategy had decided.
    assert_eq!(status("").await, 401);
    assert_eq!(server.revocations.count("user:ada"), 0);
}

#[tokio::test]
async fn of_two_that_race_for_one_place_one_gets_it() {
    let server = Arc::new(server(one_of_a_device).await);
    for round in 0..20 {
        let (from, to) = (round * 10, format!("device/{round}-to"));
        let clients = [
            server
                .open(&format!("ada.{from}.9000.user.device/{round}-a"))
                .await,
            server
                .open(&format!("ada.{from}.9000.user.device/{round}-b"))
                .await,
        ];
        let renew = |client: &Client, issued: u32| {
            let (server, id) = (Arc::clone(&server), client.id.clone());
            let ticket = format!("ada.{issued}.9000.user.{to}");
            tokio::spawn(async move { server.renew(&ticket, &id).await.0.as_u16() })
        };
        let racing = [renew(&clients[0], from + 1), renew(&clients[1], from + 2)];
        let [one, other] = racing;
        let mut answers = [one.await.unwrap(), other.await.unwrap()];
        answers.sort_unstable();
        assert_eq!(answers, [204, 429]);
        assert_eq!(server.revocations.count(&to), 1);
        drop(clients);
        server.is_empty().await;
    }
}

#[tokio::test]
async fn of_no_connection_are_refused_and_spend_nothing() {
    let server = server(|layer| layer).await;
    let mut client = server.open("ada.40.100.user").await;
    let unknown = said(404, "connection_unknown");
    for _ in 0..2 {
        assert_eq!(server.renew("ada.50.900.user", ID).await, unknown);
        assert_eq!(server.renew("eve.50.900.user", &client.id).await, unknown);
        assert_eq!(client.say("renew eve.50.900.user").await, "forbidden");
        let older = server.renew("ada.39.900.user", &client.id).await;
        assert_eq!(older, said(401, "token_invalid"));
    }
    client.is_open().await;
    assert_eq!(
        server.renew("ada.50.900.user", &client.id).await,
        said(204, "")
    );
    assert_eq!(client.text().await, "user");
    // They still open connections.
    server.open("eve.50.900.user").await;
    server.open("ada.39.900.user").await;
    let used = server.renew("ada.39.900.user", &client.id).await;
    assert_eq!(used, said(401, "ticket_invalid"));
}

#[tokio::test]
async fn are_spent_where_it_cannot_be_known_before() {
    let tickets = OneTime {
        peeks: false,
        ..OneTime::new(SystemTime::now())
    };
    let server = server_of(tickets, None, |layer| layer).await;
    let client = server.open("ada.40.100.user").await;
    let unknown = said(404, "connection_unknown");
    assert_eq!(server.renew("ada.50.900.user", ID).await, unknown);
    let used = server.renew("ada.50.900.user", &client.id).await;
    assert_eq!(used, said(401, "ticket_invalid"));
}

#[tokio::test]
async fn of_connections_elsewhere_are_found_first_and_take_no_place_here() {
    let (tickets, bus) = (OneTime::new(SystemTime::now()), Bus::default());
    let a = server_of(tickets.clone(), Some(OnBus(bus.clone(), 0)), one_of_a_user).await;
    let b = server_of(tickets, Some(OnBus(bus.clone(), 1)), one_of_a_user).await;
    let mut there = a.open("ada.40.100.user").await;
    let mut here = b.open("ada.41.100.user").await;
    for _ in 0..2 {
        assert_eq!(
            b.renew("ada.50.900.user", ID).await,
            said(404, "connection_unknown")
        );
        let older = b.renew("ada.39.900.user", &there.id).await;
        assert_eq!(older, said(401, "token_invalid"));
    }
    bus.is_down.store(true, Ordering::SeqCst);
    let unavailable = b.renew("ada.50.900.user", &there.id).await;
    assert_eq!(unavailable, said(503, "unavailable"));
    bus.is_down.store(false, Ordering::SeqCst);
    assert_eq!(b.renew("ada.50.900.user", &there.id).await, said(204, ""));
    assert_eq!(there.text().await, "user");
    there.is_open().await;
    here.is_open().await;
    assert_eq!(b.revocations.count("user:ada"), 1);
}
