//! Clients that wait are bounded in time and in number.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use test_support::frame::{TEXT, masked};
use test_support::{PATIENCE, bounded, until};
use tokio::time::sleep;
use tower_ws_auth_socket::close::ClientProtocol;
use tower_ws_auth_socket::first_message::{FirstMessageLayer, MessageFormat};

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

/// Each client that it refuses stays connected, for longer than a test is patient.
fn held() -> FirstMessageLayer {
    let protocol = ClientProtocol::phoenix_held_for(2 * PATIENCE);
    patient(MessageFormat::phoenix("token")).client_protocol(protocol)
}

/// A client that has read why its channel was refused.
async fn refused(address: SocketAddr) -> Client {
    let mut client = Client::open(address).await;
    client
        .say(r#"["1","1","room:1","phx_join",{"token":"banned"}]"#)
        .await;
    client
        .hears(r#"["1","1","room:1","phx_reply",{"status":"error","response":{"reason":"forbidden"}}]"#)
        .await;
    client
}

async fn is_held(client: &mut Client) {
    client.say(r#"[null,"2","phoenix","heartbeat",{}]"#).await;
    client
        .hears(r#"[null,"2","phoenix","phx_reply",{"status":"ok","response":{}}]"#)
        .await;
}

#[tokio::test]
async fn a_refused_client_beyond_the_closing_handshakes_is_not_held() {
    let layer = held().max_closing_handshakes(0);
    let early = layer.early();
    let address = serve(route(layer).0).await;
    let silent = refused(address).await;
    refused(address).await.reads_close(4403, "forbidden").await;
    bounded("the end of both", early.wait()).await;
    drop(silent);
}

#[tokio::test]
async fn the_client_that_was_held_the_longest_gives_way() {
    for places in [1, 8] {
        let address = serve(route(held().max_closing_handshakes(places)).0).await;
        let mut first = refused(address).await;
        is_held(&mut first).await;
        let mut others = Vec::new();
        for _ in 0..places.max(2) - 1 {
            others.push(refused(address).await);
        }
        first.reads_close(4403, "forbidden").await;
        match places {
            // It had no place of its own.
            1 => others.remove(0).reads_close(4403, "forbidden").await,
            _ => is_held(&mut others[0]).await,
        }
    }
}

#[tokio::test]
async fn a_shutdown_holds_no_refused_client() {
    let layer = held();
    let early = layer.early();
    let mut held = refused(serve(route(layer).0).await).await;
    is_held(&mut held).await;
    early.end_all();
    held.reads_close(4403, "forbidden").await;
    bounded("the last", early.wait()).await;
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
