//! Of any number of takes of one ticket exactly one wins.

use std::sync::Arc;

use http::Version;
use test_support::Random;
use tower::ServiceExt;
use tower_ws_auth::Tickets;
use tower_ws_auth::ticket::{MemoryTickets, Purpose, TicketRequest};

use crate::corpora::carriers::{Wire, refused};
use crate::forge::b64;
use crate::stack::{Answer, Claims, LetIn, Server, service, tickets};
use crate::wire;

async fn ticket(tickets: &Tickets<Claims>) -> String {
    let claims = Claims {
        sub: "ada".to_owned(),
    };
    let order = TicketRequest::new(claims, Purpose::handshake());
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

/// A guess is refused and takes no ticket out of the store, however near it comes to one.
#[tokio::test]
async fn guesses_spend_nothing() {
    let (let_in, store) = (LetIn::default(), MemoryTickets::new());
    let tickets = Tickets::builder(Arc::new(store.clone())).build().unwrap();
    let door = service(tickets.strategy(), &let_in);
    let present = async |text: &str| {
        let request = wire(text).request(Version::HTTP_11);
        door.clone().oneshot(request).await.unwrap()
    };
    let mut good = Vec::new();
    for _ in 0..8 {
        good.push(ticket(&tickets).await);
    }
    for (at, ticket) in good.iter().enumerate() {
        let other = &good[(at + 1) % good.len()];
        for guess in guesses(ticket, other) {
            let refusal = match &*guess {
                "" => "credentials_malformed",
                _ => "ticket_invalid",
            };
            let answer = present(&guess).await;
            assert_eq!(answer, refused(refusal), "{guess} is not {ticket}");
            let left = store.outstanding();
            assert_eq!(left, good.len(), "{guess} has taken something away");
        }
    }
    for (ticket, opened) in good.iter().zip(1..) {
        assert_eq!(present(ticket).await, Answer::IN);
        assert_eq!(let_in.count(), opened);
        assert_eq!(store.outstanding(), good.len() - opened);
    }
}

/// Texts that resemble this ticket, and others.
fn guesses(ticket: &str, other: &str) -> Vec<String> {
    let length = ticket.len();
    let mut guesses = vec![
        format!("{ticket}="),
        format!("{ticket}{ticket}"),
        ticket.chars().rev().collect(),
        swap_case(ticket),
        // Another text for the same 32 bytes to a lenient decoder.
        format!("{}{}", &ticket[..length - 1], after(&ticket[length - 1..])),
        b64([0; 32]),
    ];
    for at in 0..length {
        guesses.push(ticket[..at].to_owned());
        guesses.push(ticket[at + 1..].to_owned());
        let next = after(&ticket[at..=at]);
        guesses.push(format!("{}{next}{}", &ticket[..at], &ticket[at + 1..]));
        guesses.push(format!("{}A{}", &ticket[..at], &ticket[at..]));
        if at > 0 {
            guesses.push(format!("{}{}", &ticket[..at], &other[at..]));
        }
    }
    // The last character holds two bits that mean nothing, and two tickets may end alike.
    guesses.retain(|guess| guess != ticket && guess != other);
    let mut random = Random::new(2);
    for _ in 0..100 {
        let bytes = (0..random.below(40)).map(|_| random.next().to_le_bytes()[0]);
        guesses.push(b64(bytes.collect::<Vec<_>>()));
    }
    guesses
}

/// The next letter of the alphabet of base64url.
fn after(letter: &str) -> char {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = ALPHABET.find(letter).unwrap();
    ALPHABET.chars().cycle().nth(at + 1).unwrap()
}

fn swap_case(text: &str) -> String {
    let swapped = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' => byte.to_ascii_lowercase(),
        _ => byte.to_ascii_uppercase(),
    });
    String::from_utf8(swapped.collect()).unwrap()
}
