use test_support::bounded;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_ws_auth_socket::private::{Outcome, Protocol};

use crate::upgrade::handlers;
use crate::upgrade::lab::{Lab, Setup, patient};

#[tokio::test]
async fn another_protocol_ends_without_a_frame() {
    let setup = Setup {
        protocol: Protocol::Opaque,
        ..Setup::default()
    };
    let mut lab = Lab::with(setup, handlers::bytes_to_the_end).await;
    let (mut client, close_handle) = lab.open().await;
    // Would be a close frame, and half of another one.
    client.stream.write_all(b"\x88\x00\x88").await.unwrap();
    bounded("their reading", handlers::sign().notified()).await;
    lab.cut(&close_handle, patient());
    let mut rest = Vec::new();
    bounded("end", client.stream.read_to_end(&mut rest))
        .await
        .unwrap();
    assert_eq!(rest, b"");
    lab.handlers.none_left("handler").await;
    client.stream.write_all(b"\x88\x00still").await.unwrap();
    drop(client);
    assert!(matches!(lab.outcome().await, Outcome::PeerGone));
    lab.is_empty().await;
}
