//! First messages in every shape (RFC 6455 §5).

use test_support::frame::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, masked, unmasked};
use test_support::{bounded, until};
use tokio::io::AsyncReadExt;

use super::lab::{Client, auth, json, patient, route, serve, server};

#[tokio::test]
async fn a_message_and_what_is_pipelined_behind_it_come_in_any_pieces() {
    let address = server().await;
    let stream = [
        masked(true, TEXT, auth("ada").as_bytes()),
        masked(true, TEXT, b"one"),
        masked(false, TEXT, b"tw"),
        masked(true, CONTINUATION, b"o"),
        masked(true, TEXT, &[b'x'; 2000]),
    ]
    .concat();
    for size in [1, 7, 100, 1000, 10_000] {
        let mut client = Client::open(address).await;
        for piece in stream.chunks(size) {
            client.send(piece).await;
            if size < 10 {
                tokio::task::yield_now().await;
            }
        }
        client.hears("ada: one").await;
        client.hears("ada: two").await;
        client.hears(&format!("ada: {}", "x".repeat(2000))).await;
        client.is("ada").await;
    }
}

#[tokio::test]
async fn fragments_with_pings_between_them_are_one_message() {
    let mut client = Client::open(server().await).await;
    let message = auth("ada");
    let (first, last) = message.as_bytes().split_at(9);
    client.send(&masked(true, PING, b"before")).await;
    assert_eq!(client.frame().await.payload, b"before");
    client.send(&masked(false, TEXT, first)).await;
    client.send(&masked(true, PING, b"between")).await;
    let pong = client.frame().await;
    assert_eq!((pong.opcode, &pong.payload[..]), (PONG, &b"between"[..]));
    client.send(&masked(true, CONTINUATION, last)).await;
    client.is("ada").await;
}

#[tokio::test]
async fn what_cannot_be_a_first_message_has_its_code() {
    let address = server().await;
    let long = vec![b'x'; 16 * 1024 + 1];
    for (bytes, code) in [
        (unmasked(true, TEXT, b"x"), 1002),
        (masked(true, CONTINUATION, b"x"), 1002),
        (
            [masked(false, TEXT, b"x"), masked(true, TEXT, b"y")].concat(),
            1002,
        ),
        (masked(false, PING, b""), 1002),
        (masked(true, 3, b""), 1002),
        (b"\xc1\x80\0\0\0\0".to_vec(), 1002),
        (masked(true, BINARY, auth("ada").as_bytes()), 1003),
        (masked(true, TEXT, b"\xff\xfe"), 1007),
        (masked(true, TEXT, &long), 1009),
        (masked(true, PING, &[0; 125]).repeat(40), 1009),
    ] {
        let mut client = Client::open(address).await;
        client.send(&bytes).await;
        // Pings are answered until it is enough.
        let frame = loop {
            let frame = client.frame().await;
            if frame.opcode != PONG {
                break frame;
            }
        };
        assert_eq!(frame.close(), Some((code, "message_malformed")));
    }
}

#[tokio::test]
async fn a_message_of_the_exact_limit_is_read() {
    let limit = 1000;
    let address = serve(route(patient(json()).max_bytes(limit)).0).await;
    let padded = |length: usize| {
        let message = auth("ada");
        message.clone() + &" ".repeat(length - message.len())
    };
    let mut client = Client::open(address).await;
    client.say(&padded(limit)).await;
    client.is("ada").await;
    let mut client = Client::open(address).await;
    client.say(&padded(limit + 1)).await;
    client.reads_close(1009, "message_malformed").await;
}

#[tokio::test]
async fn a_client_that_closes_first_is_answered_and_the_stream_ends() {
    let mut client = Client::open(server().await).await;
    client
        .send(&masked(true, CLOSE, &4000_u16.to_be_bytes()))
        .await;
    assert_eq!(client.frame().await.close(), Some((4000, "")));
    let end = bounded("the end", client.0.read(&mut [0])).await;
    assert!(matches!(end, Ok(0)), "{end:?}");
}

#[tokio::test]
async fn messages_during_the_decision_wait_for_the_handler_in_their_order() {
    let (route, names) = route(patient(json()));
    let mut client = Client::open(serve(route).await).await;
    client.say(&auth("slow")).await;
    for number in 0..200 {
        client.say(&format!("{number} {}", "x".repeat(100))).await;
    }
    names.sign.notify_one();
    for number in 0..200 {
        client
            .hears(&format!("slow: {number} {}", "x".repeat(100)))
            .await;
    }
    assert_eq!(names.deciding.ever(), 1);
}

#[tokio::test]
async fn a_second_first_message_is_the_handlers() {
    let mut client = Client::open(server().await).await;
    client.say(&auth("ada")).await;
    client.say(&auth("eve")).await;
    client.hears(&format!("ada: {}", auth("eve"))).await;
}

#[tokio::test]
async fn a_client_that_goes_before_its_message_leaves_nothing() {
    let layer = patient(json());
    let early = layer.early();
    let address = serve(route(layer).0).await;
    let mut client = Client::open(address).await;
    client
        .send(&masked(true, TEXT, auth("ada").as_bytes())[..9])
        .await;
    until("the client", || early.waiting() > 0).await;
    drop(client);
    bounded("the end", early.wait()).await;
    assert_eq!(early.waiting(), 0);
}
