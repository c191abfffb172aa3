//! Clients that wait are bounded in time and in number.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use test_support::frame::{TEXT, masked};
use test_support::{bounded, until};
use tokio::time::sleep;
use tower_ws_auth_socket::first_message::FirstMessageLayer;

use super::lab::{Client, auth, json, patient, route, serve};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_silent_client_is_told_so_in_time() {
    let address = serve(route(patient(json()).timeout(SHORT)).0).await;
    let began = Instant::now();
    Client::open(address)
        .await
        .reads_close(4408, "message_timeout")
        .await;
    assert!(began.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_message_a_byte_at_a_time_has_no_more_time() {
    let address = serve(route(patient(json()).timeout(SHORT)).0).await;
    let mut client = Client::open(address).await;
    for byte in &masked(true, TEXT, auth("ada").as_bytes())[..20] {
        client.send(&[*byte]).await;
        sleep(SHORT / 15).await;
    }
    assert_eq!(
        client.frame().await.close(),
        Some((4408, "message_timeout"))
    );
}

#[tokio::test]
async fn one_client_too_many_takes_the_place_of_the_oldest() {
    let layer = patient(json()).max_waiting(2);
    let early = layer.early();
    let address = serve(route(layer).0).await;
    let first = Client::open(address).await;
    let mut second = Client::open(address).await;
    let mut third = Client::open(address).await;
    first.reads_close(4503, "unavailable").await;
    assert_eq!(early.waiting(), 2);
    for client in [&mut second, &mut third] {
        client.say(&auth("ada")).await;
        client.is("ada").await;
    }
    // A place is free as soon as the message has come.
    assert_eq!(early.waiting(), 0);
}

#[tokio::test]
async fn a_flood_from_one_address_evicts_nobody_of_another() {
    let layer = patient(json())
        .max_waiting(64)
        .max_waiting_by_address(4)
        .address(|head| {
            let address = head.headers.get("x-real-ip")?.to_str().ok()?;
            address.parse::<IpAddr>().ok()
        });
    let early = layer.early();
    let address = serve(route(layer).0).await;
    let mut other = Client::open_with(address, "/ws", "X-Real-IP: 192.0.2.1\r\n").await;
    let mut flood = Vec::new();
    for _ in 0..200 {
        flood.push(Client::open_with(address, "/ws", "X-Real-IP: 192.0.2.2\r\n").await);
    }
    assert!(early.waiting() <= 5, "{}", early.waiting());
    other.say(&auth("ada")).await;
    other.is("ada").await;
}

#[tokio::test]
async fn the_address_is_that_of_the_connection_by_default() {
    let layer = patient(json()).max_waiting_by_address(2);
    let early = layer.early();
    let address = serve(route(layer).0).await;
    let first = Client::open(address).await;
    let _others = [Client::open(address).await, Client::open(address).await];
    first.reads_close(4503, "unavailable").await;
    assert_eq!(early.waiting(), 2);
}

#[tokio::test]
async fn a_refusal_is_held_as_every_other_one() {
    let hold = Duration::from_millis(150);
    let address = serve(route(patient(json()).reject_delay(hold)).0).await;
    let mut client = Client::open(address).await;
    client.say(&auth("expired")).await;
    let began = Instant::now();
    client.reads_close(4401, "token_expired").await;
    assert!(began.elapsed() >= hold / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_refused_client_that_does_not_close_is_let_go() {
    let layer = patient(json()).deadline(SHORT);
    let early = layer.early();
    let mut client = Client::open(serve(route(layer).0).await).await;
    client.say(&auth("expired")).await;
    assert_eq!(client.frame().await.close(), Some((4401, "token_expired")));
    bounded("the end", early.wait()).await;
}

#[tokio::test]
async fn a_shutdown_ends_those_that_wait_and_lets_the_others_pass() {
    let layer = patient(json());
    let early = layer.early();
    let (route, names) = route(layer);
    let address = serve(route).await;
    let mut decided = Client::open(address).await;
    decided.say(&auth("slow")).await;
    until("the decision", || names.deciding.now() > 0).await;
    let waiting = Client::open(address).await;
    until("the other client", || early.waiting() > 0).await;
    early.end_all();
    waiting.reads_close(1001, "going_away").await;
    names.sign.notify_one();
    bounded("the last", early.wait()).await;
    decided.is("slow").await;
    let late = Client::open(address).await;
    late.reads_close(1001, "going_away").await;
}

#[tokio::test]
async fn the_tasks_go_where_they_are_told() {
    let tasks = tokio_util::task::TaskTracker::new();
    let tracker = tasks.clone();
    let layer = FirstMessageLayer::new(json()).spawn_with(move |task| drop(tracker.spawn(task)));
    let mut client = Client::open(serve(route(layer).0).await).await;
    assert_eq!(tasks.len(), 1);
    client.say(&auth("ada")).await;
    client.is("ada").await;
    // The handler has it: the task is over, although the connection is not.
    tasks.close();
    bounded("the task", tasks.wait()).await;
    client.is("ada").await;
}
