use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use test_support::bounded;
use test_support::frame::masked;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_ws_auth_socket::private::Outcome;

use crate::upgrade::handlers;
use crate::upgrade::lab::{Io, Lab, Setup, patient, read_frame};

fn setup() -> Setup {
    Setup {
        http2: true,
        status: StatusCode::OK,
        ..Setup::default()
    }
}

/// Two streams of one connection.
async fn open(lab: &Lab) -> (Io, Io) {
    let stream = TokioIo::new(TcpStream::connect(lab.address).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    // The server's settings must be there before an extended CONNECT may be sent, and any answer
    // comes after them.
    let request = Request::get("http://localhost/");
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    bounded("settings", sender.send_request(request))
        .await
        .unwrap();
    let mut one = async || {
        let request = Request::connect("http://localhost/")
            .extension(Protocol::from_static("websocket"))
            .body(Empty::<Bytes>::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        TokioIo::new(hyper::upgrade::on(response).await.unwrap())
    };
    let first = bounded("first", one()).await;
    (first, bounded("second", one()).await)
}

#[tokio::test]
async fn one_stream_of_a_connection_ends_and_the_other_lives() {
    let mut lab = Lab::with(setup(), handlers::echo).await;
    let (mut first, mut second) = open(&lab).await;
    let close_handle = lab.close_handle().await;
    lab.close_handle().await;
    lab.cut(&close_handle, patient());
    let frame = bounded("close", read_frame(&mut first)).await;
    assert_eq!(frame.payload, b"\x11\x31token_expired");
    first
        .write_all(&masked(true, 8, b"\x11\x31"))
        .await
        .unwrap();
    let end = bounded("end", first.read(&mut [0])).await;
    assert!(matches!(end, Ok(0)), "{end:?}");
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
    second
        .write_all(&masked(true, 2, &vec![4; 70_000]))
        .await
        .unwrap();
    let frame = bounded("echo", read_frame(&mut second)).await;
    assert_eq!(frame.payload, vec![4; 70_000]);
    drop((first, second));
    lab.is_empty().await;
}

#[tokio::test]
async fn a_cut_before_the_upgrade_is_the_first_thing_that_the_client_reads() {
    let setup = Setup {
        early: true,
        ..setup()
    };
    let lab = Lab::with(setup, handlers::echo).await;
    let (mut first, _second) = open(&lab).await;
    let frame = bounded("close", read_frame(&mut first)).await;
    assert_eq!(frame.payload, b"\x11\x31token_expired");
    first
        .write_all(&masked(true, 8, b"\x11\x31"))
        .await
        .unwrap();
    lab.handlers.none_left("handlers").await;
}
