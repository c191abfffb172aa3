//! Every bad token, through every carrier, by both versions of HTTP.

use http::{Request, Version};
use test_support::of_tier;
use tower::ServiceExt;

use super::carriers::{Carrier, verdict};
use super::{Bad, attacks, claims};
use crate::forge::Door;
use crate::stack::{Answer, LetIn, Server, Service, jwt, service};
use crate::wire::{self, Http2};

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];
/// Prime to the number of carriers and versions, so that turns reach them all.
const WAYS: usize = 11;

fn corpus(door: Door) -> Vec<Bad> {
    let mut bad = attacks::against(door);
    if door == Door::Hs {
        bad.extend(claims::all());
    }
    bad
}

async fn ask(service: &Service, request: Request<()>) -> Answer {
    service.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn every_bad_token_is_refused_as_it_must_be_by_every_carrier() {
    let let_in = LetIn::default();
    let (mut inputs, mut tried, mut not_writable) = (0, 0, 0);
    // In the short form each token takes one of these ways in, by turns.
    let mut turn = (0..of_tier(WAYS, 1)).cycle();
    for door in Door::ALL {
        let service = service(jwt(door), &let_in);
        let corpus = corpus(door);
        inputs += corpus.len();
        for bad in corpus {
            for carrier in Carrier::ALL {
                let Some(wire) = carrier.carry("/ws", &bad.token) else {
                    not_writable += 1;
                    continue;
                };
                for version in VERSIONS {
                    if turn.next() != Some(0) {
                        continue;
                    }
                    let answer = ask(&service, wire.request(version)).await;
                    let expected = verdict(&bad);
                    assert_eq!(
                        answer, expected,
                        "{door:?} {carrier:?} {version:?}: {}",
                        bad.what
                    );
                    tried += 1;
                }
            }
        }
    }
    println!(
        "{inputs} bad tokens, {tried} requests, {} let in; {not_writable} cannot be written in some carrier",
        let_in.count()
    );
    assert_eq!(let_in.count(), 0);
    assert!(inputs >= 5_000, "{inputs}");
    assert!(tried >= of_tier(5_000, 60_000), "{tried}");
}

/// The control: the doors that refuse bad tokens admit valid ones.
#[tokio::test]
async fn a_valid_token_is_accepted_by_every_carrier() {
    let let_in = LetIn::default();
    let server = Server::start().await;
    let mut http2 = Http2::connect(server.address).await;
    for door in Door::ALL {
        let service = service(jwt(door), &let_in);
        for carrier in Carrier::ALL {
            let path = format!("/{}", door.alg());
            let wire = carrier.carry(&path, door.good().as_bytes()).unwrap();
            for version in VERSIONS {
                assert_eq!(ask(&service, wire.request(version)).await, Answer::IN);
            }
            let heard = wire::http1(server.address, &wire.bytes()).await;
            assert!(heard.is(Answer::IN), "{door:?} {carrier:?}: {heard:?}");
            let heard = http2.ask(&wire).await;
            assert!(heard.is(Answer::IN), "{door:?} {carrier:?}: {heard:?}");
        }
    }
    assert_eq!(let_in.count(), 48);
    assert_eq!(server.let_in.count(), 48);
}

/// On a connection of its own for HTTP/1.1, and on a stream of its own for HTTP/2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_tokens_are_refused_on_real_sockets() {
    // The head of an HTTP/2 request may have 16 KiB.
    const HEAD: usize = 15_000;
    let server = Server::start().await;
    let mut http2 = Http2::connect(server.address).await;
    let (mut by_http1, mut by_http2, mut by_close_frame, mut number) = (0, 0, 0, 0_usize);
    for door in Door::ALL {
        let path = format!("/{}", door.alg());
        for bad in corpus(door).into_iter().step_by(of_tier(5, 1)) {
            number += 1;
            // Each input by one carrier here; the carriers take turns.
            let carrier = Carrier::ALL[number % Carrier::ALL.len()];
            let Some(wire) = carrier.carry(&path, &bad.token) else {
                continue;
            };
            let expected = verdict(&bad);
            let told = |heard: &wire::Heard| {
                assert!(
                    heard.is(expected),
                    "{door:?} {carrier:?} {}: {heard:?}",
                    bad.what
                );
            };
            let heard = wire::http1(server.address, &wire.bytes()).await;
            told(&heard);
            by_close_frame += usize::from(heard.by_close_frame);
            by_http1 += 1;
            if wire.size() < HEAD {
                let heard = http2.ask(&wire).await;
                told(&heard);
                by_close_frame += usize::from(heard.by_close_frame);
                by_http2 += 1;
            }
        }
    }
    println!(
        "refused on sockets: {by_http1} by HTTP/1.1, {by_http2} by HTTP/2, {by_close_frame} of them by a close frame; {} let in",
        server.let_in.count()
    );
    assert_eq!(server.let_in.count(), 0);
    assert!(by_http1 >= of_tier(1_000, 5_000), "{by_http1}");
    assert!(by_http2 >= of_tier(1_000, 5_000), "{by_http2}");
    assert!(by_close_frame >= of_tier(100, 500), "{by_close_frame}");
}

/// Request smuggling: a proxy that has seen an upgrade requested does not look at what follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_behind_a_refused_upgrade_is_heard() {
    let server = Server::start().await;
    let good = Carrier::Query.carry("/HS256", Door::Hs.good().as_bytes());
    let good = good.unwrap().bytes();
    let mut tried = 0;
    for bad in corpus(Door::Hs).into_iter().step_by(10) {
        for carrier in [Carrier::Query, Carrier::Header, Carrier::Phoenix] {
            let Some(wire) = carrier.carry("/HS256", &bad.token) else {
                continue;
            };
            let requests = [wire.bytes(), good.clone()].concat();
            let heard = wire::http1_to_its_end(server.address, &requests).await;
            let answers = heard.matches("HTTP/1.1 ").count();
            assert!(answers <= 1, "{carrier:?} {}: {heard}", bad.what);
            tried += 1;
        }
    }
    println!("{tried} refused upgrades with a good request behind them");
    assert_eq!(server.let_in.count(), 0);
    assert!(tried >= 500, "{tried}");
}
