use std::time::{Duration, Instant};

use test_support::frame::masked;
use test_support::{arrives_no_more, bounded, settle};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tower_ws_auth_socket::private::{Limits, Outcome};

use crate::upgrade::handlers;
use crate::upgrade::lab::{Lab, Setup, patient, short};

#[tokio::test]
async fn an_idle_connection_ends_on_both_sides_with_the_same_close() {
    let (mut lab, mut client, close_handle) = Lab::opened(handlers::reads_the_code).await;
    client.send(1, b"hello").await;
    // Until the handler has read it.
    client.begins(b"").await;
    assert!(!close_handle.is_over());
    assert!(lab.cut(&close_handle, patient()));
    client.reads_the_code().await;
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
    lab.is_empty().await;
    assert!(close_handle.is_over());
}

#[tokio::test]
async fn the_first_cut_wins() {
    let (lab, mut client, close_handle) = Lab::opened(handlers::echo).await;
    assert!(lab.cut(&close_handle, patient()));
    assert!(!lab.cut(&close_handle.clone(), patient()));
    client.reads_the_code().await;
    lab.is_empty().await;
    assert!(!lab.cut(&close_handle, patient()));
}

#[tokio::test]
async fn a_connection_that_nobody_cuts_is_as_it_was() {
    let (lab, mut client, close_handle) = Lab::opened(handlers::echo).await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
        let payload = vec![5; size];
        client.send(2, &payload).await;
        assert_eq!(client.frame().await.payload, payload);
    }
    assert_eq!(lab.guards.now(), 1);
    client.send(8, b"\x03\xe8").await;
    assert_eq!(client.frame().await.opcode, 8);
    client.reads_the_end().await;
    lab.is_empty().await;
    assert!(close_handle.is_over());
    assert!(!lab.cut(&close_handle, patient()));
}

#[tokio::test]
async fn a_handler_that_sleeps_loses_its_connection() {
    let (mut lab, mut client, close_handle) = Lab::opened(handlers::sleeper).await;
    lab.cut(&close_handle, patient());
    client.reads_the_code().await;
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
    lab.guards.none_left("guards").await;
    assert!(close_handle.is_over());
    assert_eq!(lab.handlers.now(), 1, "it still sleeps");
    handlers::sign().notify_one();
    lab.is_empty().await;
}

#[tokio::test]
async fn a_handler_that_only_writes_ends() {
    let (lab, mut client, close_handle) = Lab::opened(handlers::chatterbox).await;
    client.frame().await;
    lab.cut_ends(client, &close_handle).await;
}

#[tokio::test]
async fn a_handler_with_two_tasks_ends() {
    let (lab, mut client, close_handle) = Lab::opened(handlers::duplex).await;
    client.frame().await;
    lab.cut_ends(client, &close_handle).await;
}

#[tokio::test]
async fn the_close_frame_may_stand_between_fragments() {
    let (lab, mut client, close_handle) = Lab::opened(handlers::fragments).await;
    let frame = client.frame().await;
    assert!(!frame.fin);
    lab.cut(&close_handle, patient());
    let frame = client.frame().await;
    assert_eq!(
        (frame.opcode, &frame.payload[..2]),
        (8, b"\x11\x31".as_slice())
    );
    client.send(8, b"").await;
    client.reads_the_end().await;
    lab.is_empty().await;
}

#[tokio::test]
async fn a_frame_that_is_being_written_is_finished_first() {
    let (lab, mut client, close_handle) = Lab::opened(handlers::slow_writer).await;
    client.hears().await;
    lab.cut(&close_handle, patient());
    handlers::sign().notify_one();
    assert_eq!(client.frame().await.payload, [1; 60]);
    client.reads_the_code().await;
    lab.is_empty().await;
}

#[tokio::test]
async fn a_large_message_is_finished_first() {
    let (lab, mut client, close_handle) = Lab::opened(handlers::echo).await;
    let payload = vec![5; 8 << 20];
    client.send(2, &payload).await;
    // The echo waits for this client.
    arrives_no_more(&client.stream).await;
    lab.cut(&close_handle, patient());
    assert_eq!(client.frame().await.payload.len(), payload.len());
    client.reads_the_code().await;
    lab.is_empty().await;
}

#[tokio::test]
async fn a_handler_that_sleeps_over_half_a_frame_loses_its_connection_at_the_deadline() {
    let (mut lab, client, close_handle) = Lab::opened(handlers::half_a_frame).await;
    client.hears().await;
    let began = Instant::now();
    lab.cut(&close_handle, short());
    assert!(matches!(lab.outcome().await, Outcome::Deadline));
    at_the_short_deadline(began);
    lab.guards.none_left("guards").await;
    assert_eq!(lab.handlers.now(), 1, "it still sleeps");
    handlers::sign().notify_one();
    drop(client);
    lab.is_empty().await;
}

#[tokio::test]
async fn half_a_frame_that_nobody_will_finish_is_not_waited_for() {
    let (mut lab, client, close_handle) = Lab::opened(handlers::drops_half_a_frame).await;
    client.hears().await;
    lab.cut(&close_handle, patient());
    // The closing handshake waits for the rest of the frame first.
    settle().await;
    handlers::sign().notify_one();
    assert!(matches!(lab.outcome().await, Outcome::Broken(_)));
    lab.is_empty().await;
    drop(client);
}

#[tokio::test]
async fn vectored_writes_keep_their_boundaries() {
    let mut lab = Lab::new(handlers::vectored).await;
    for pause in [0, 1, 5, 20, 50] {
        let (mut client, close_handle) = lab.open().await;
        client.frame().await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        lab.cut_ends(client, &close_handle).await;
    }
}

#[tokio::test]
async fn a_client_that_never_answers_is_gone_by_the_deadline() {
    let (mut lab, mut client, close_handle) = Lab::opened(handlers::echo).await;
    let began = Instant::now();
    lab.cut(&close_handle, short());
    client.reads_the_code_silently().await;
    lab.handlers.none_left("the handler does not wait").await;
    client.reads_the_end().await;
    assert!(matches!(lab.outcome().await, Outcome::Deadline));
    at_the_short_deadline(began);
    lab.is_empty().await;
}

/// And not at the default one.
fn at_the_short_deadline(began: Instant) {
    let took = began.elapsed();
    let right = short().deadline..Limits::default().deadline;
    assert!(right.contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_gone_by_the_deadline() {
    let (mut lab, client, close_handle) = Lab::opened(handlers::chatterbox).await;
    arrives_no_more(&client.stream).await;
    lab.cut(&close_handle, short());
    assert!(matches!(lab.outcome().await, Outcome::Deadline));
    lab.is_empty().await;
    drop(client);
}

#[tokio::test]
async fn a_client_that_floods_reads_its_code() {
    let (mut lab, client, close_handle) = Lab::opened(handlers::echo).await;
    let (mut read, mut write) = client.stream.into_split();
    let flood = tokio::spawn(async move {
        let frame = masked(true, 2, &[1; 1000]);
        while write.write_all(&frame).await.is_ok() {}
    });
    let (tell_begin, begun) = oneshot::channel();
    let reading = tokio::spawn(async move {
        for _ in 0..100 {
            crate::upgrade::lab::read_frame(&mut read).await;
        }
        tell_begin.send(()).unwrap();
        loop {
            let frame = crate::upgrade::lab::read_frame(&mut read).await;
            if frame.opcode == 8 {
                assert_eq!(frame.payload, b"\x11\x31token_expired");
                return;
            }
        }
    });
    bounded("a hundred echoes", begun).await.unwrap();
    lab.cut(&close_handle, patient());
    bounded("the code", reading).await.unwrap();
    assert!(matches!(lab.outcome().await, Outcome::ByteCap));
    bounded("the flood's end", flood).await.unwrap();
    lab.is_empty().await;
}

#[tokio::test]
async fn the_handler_reads_a_half_read_frame_to_its_end() {
    let (lab, mut client, close_handle) = Lab::opened(handlers::reads_the_code).await;
    let frame = masked(true, 1, &[b'x'; 5000]);
    client.begins(&frame[..3000]).await;
    lab.cut(&close_handle, patient());
    client.reads_the_code_silently().await;
    assert_eq!(lab.handlers.now(), 1);
    client.stream.write_all(&frame[3000..]).await.unwrap();
    lab.handlers.none_left("handler").await;
    client.send(8, b"\x11\x31").await;
    client.reads_the_end().await;
    lab.is_empty().await;
}

#[tokio::test]
async fn the_handler_ends_although_the_client_never_completes_its_frame() {
    let (mut lab, mut client, close_handle) = Lab::opened(handlers::echo).await;
    let frame = masked(true, 1, &[b'x'; 5000]);
    client.begins(&frame[..9]).await;
    lab.cut(&close_handle, short());
    client.reads_the_code_silently().await;
    assert!(matches!(lab.outcome().await, Outcome::Deadline));
    lab.is_empty().await;
}

#[tokio::test]
async fn the_rest_of_an_immense_frame_is_not_waited_for() {
    let (lab, mut client, close_handle) = Lab::opened(handlers::echo).await;
    let head = b"\x82\xff\x00\x00\x00\x00\x00\x7f\xff\xff\x01\x02\x03\x04";
    client.begins(head).await;
    lab.cut(&close_handle, patient());
    client.reads_the_code_silently().await;
    lab.handlers.none_left("handler").await;
    drop(client);
    lab.is_empty().await;
}

#[tokio::test]
async fn a_handler_between_two_half_frames_gets_both_to_their_ends() {
    let (mut lab, mut client, close_handle) = Lab::opened(handlers::reads_in_between).await;
    let frame = masked(true, 1, &[b'x'; 1000]);
    client.stream.write_all(&frame[..300]).await.unwrap();
    client.hears().await;
    lab.cut(&close_handle, patient());
    client.stream.write_all(&frame[300..]).await.unwrap();
    assert_eq!(client.frame().await.payload, [1; 1000]);
    client.reads_the_code().await;
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
    lab.is_empty().await;
}

#[tokio::test]
async fn a_handler_that_has_read_the_clients_close_reads_no_second_one() {
    let (lab, mut client, close_handle) = Lab::opened(handlers::reads_a_close_once).await;
    client.send(8, b"\x03\xe8").await;
    assert_eq!(client.frame().await.payload, b"read");
    lab.cut(&close_handle, patient());
    client.reads_the_code_silently().await;
    client.reads_the_end().await;
    lab.is_empty().await;
}

#[tokio::test]
async fn a_handlers_own_close_frame_stands() {
    let (mut lab, mut client, close_handle) = Lab::opened(handlers::closes_first).await;
    let frame = client.frame().await;
    assert_eq!(frame.opcode, 8);
    lab.cut(&close_handle, patient());
    lab.handlers.none_left("handler").await;
    client.send(8, b"").await;
    client.reads_the_end().await;
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
    lab.is_empty().await;
}

#[tokio::test]
async fn a_clients_own_close_frame_gets_one_answer() {
    let (mut lab, mut client, close_handle) = Lab::opened(handlers::sleeper).await;
    client.send(8, b"\x03\xe8").await;
    lab.cut(&close_handle, patient());
    client.reads_the_code_silently().await;
    client.reads_the_end().await;
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
    handlers::sign().notify_one();
    lab.is_empty().await;
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_nothing() {
    let (mut lab, client, close_handle) = Lab::opened(handlers::sleeper).await;
    drop(client);
    lab.cut(&close_handle, patient());
    lab.outcome().await;
    lab.guards.none_left("guards").await;
}

#[tokio::test]
async fn a_guard_may_hang_on_another() {
    let setup = Setup {
        twice: true,
        ..Setup::default()
    };
    let mut lab = Lab::with(setup, handlers::echo).await;
    let (mut client, close_handle) = lab.open().await;
    client.send(2, &[6; 10_000]).await;
    assert_eq!(client.frame().await.payload, [6; 10_000]);
    assert_eq!(lab.guards.now(), 2);
    lab.cut(&close_handle, patient());
    client.reads_the_code().await;
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
    lab.is_empty().await;
}

#[tokio::test]
async fn a_closing_handshake_that_is_dropped_drops_the_connection() {
    let (lab, mut client, close_handle) = Lab::opened(handlers::echo).await;
    assert!(close_handle.cut(&crate::upgrade::lab::close(), patient(), drop));
    client.reads_the_end().await;
    lab.is_empty().await;
}
