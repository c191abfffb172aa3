//! Of any number of takes of one ticket exactly one wins.

use http::Version;
use test_support::Random;
use tower::ServiceExt;
use tower_ws_auth::ticket::{Order, Use};

use crate::corpora::carriers::{Wire, refused};
use crate::forge::b64;
use crate::stack::{Answer, Claims, LetIn, Server, service, tickets};
use crate::wire;

async fn ticket(tickets: &tower_ws_auth::Tickets<Claims>) -> String {
    let claims = Claims {
        sub: "ada".to_owned(),
    };
    let order = Order::new(claims, Use::handshake());
    tickets.issue(order).await.unwrap().ticket().to_owned()
}

fn wire(ticket: &str) -> Wire {
    Wire::to(&format!("/ticket?ticket={ticket}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_tasks() {
    let (let_in, tickets) = (LetIn::default(), tickets());
    let door = service(tickets.strategy(), &let_in);
    let mut random = Random::new(1);
    for round in 1..=1_000 {
        let wire = wire(&ticket(&tickets).await);
        let racers: Vec<_> = (0..2 + random.below(15))
            .map(|racer| {
                let version = if racer % 2 == 0 {
                    Version::HTTP_11
                } else {
                    Version::HTTP_2
                };
                tokio::spawn(door.clone().oneshot(wire.request(version)))
            })
            .collect();
        let mut won = 0;
        for racer in racers {
            match racer.await.unwrap().unwrap() {
                Answer::IN => won += 1,
                answer => assert_eq!(answer, refused("ticket_invalid")),
            }
        }
        assert_eq!(won, 1, "round {round}");
        assert_eq!(let_in.count(), round);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_racing_connections() {
    let server = Server::start().await;
    for round in 1..=50 {
        let bytes = wire(&ticket(&server.tickets).await).bytes();
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let (address, bytes) = (server.address, bytes.clone());
                tokio::spawn(async move { wire::http1(address, &bytes).await })
            })
            .collect();
        let mut won = 0;
        for racer in racers {
            let heard = racer.await.unwrap();
            won += usize::from(heard.is(Answer::IN));
            assert!(
                heard.is(Answer::IN) || heard.is(refused("ticket_invalid")),
                "{heard:?}"
            );
        }
        assert_eq!((won, server.let_in.count()), (1, round));
    }
}

/// Guesses that are nearly tickets, and the one that is none the worse for them.
#[tokio::test]
async fn guesses_spend_nothing() {
    let (let_in, tickets) = (LetIn::default(), tickets());
    let door = service(tickets.strategy(), &let_in);
    let good = ticket(&tickets).await;
    let mut random = Random::new(2);
    for _ in 0..2_000 {
        let length = random.below(40);
        let guess: Vec<_> = (0..length)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
        let guess = b64(guess);
        let expected = if guess.is_empty() {
            "credentials_malformed"
        } else {
            "ticket_invalid"
        };
        let answer = door
            .clone()
            .oneshot(wire(&guess).request(Version::HTTP_11))
            .await;
        assert_eq!(answer.unwrap(), refused(expected), "{guess}");
    }
    let answer = door
        .clone()
        .oneshot(wire(&good).request(Version::HTTP_11))
        .await;
    assert_eq!(answer.unwrap(), Answer::IN);
}
