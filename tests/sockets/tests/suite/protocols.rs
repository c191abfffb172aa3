//! Other clients read other close codes; the reason stays.

use std::time::Duration;

use socket_tests::{Answer, Http2, Stack, end_of, handshake, http2_servers, servers, token};
use tower_ws_auth::CloseFrameLayer;
use tower_ws_auth::close::{ClientProtocol, Close, CloseCode};

use crate::APP;

/// What three refused clients read under a protocol of codes: unknown, expired, malformed.
fn read() -> [(ClientProtocol, [u16; 3]); 5] {
    [
        (ClientProtocol::plain(), [4401, 4401, 4400]),
        (ClientProtocol::iana(), [3000, 3000, 1008]),
        (ClientProtocol::pusher(), [4009, 4009, 4009]),
        (ClientProtocol::phoenix(), [1000, 1000, 1000]),
        (ClientProtocol::graphql_ws(), [4401, 4403, 4400]),
    ]
}

fn refused() -> [(String, &'static str); 3] {
    [
        (String::new(), "credentials_missing"),
        (format!("?token={}", token(-60)), "token_expired"),
        ("?token=".to_owned(), "credentials_malformed"),
    ]
}

fn under(protocol: ClientProtocol) -> Stack {
    Stack::closing(
        CloseFrameLayer::new()
            .reject_delay(Duration::ZERO)
            .client_protocol(protocol),
    )
}

#[tokio::test]
async fn a_client_reads_the_codes_of_its_protocol() {
    for (protocol, codes) in read() {
        for server in servers(under(protocol.clone())).await.unwrap() {
            for ((query, reason), code) in refused().into_iter().zip(codes) {
                let answer = end_of(handshake(server.address, &query, &[APP]).await).await;
                assert_eq!(answer, Answer::closed(code, reason), "{protocol:?}");
            }
        }
    }
}

#[tokio::test]
async fn and_so_does_a_client_over_http2() {
    for (protocol, codes) in read() {
        for server in http2_servers(under(protocol.clone())).await.unwrap() {
            let mut client = Http2::connect(server.address).await.unwrap();
            for ((query, reason), code) in refused().into_iter().zip(codes) {
                let answer = end_of(client.open(&query, &[APP]).await).await;
                assert_eq!(answer, Answer::closed(code, reason), "{protocol:?}");
            }
        }
    }
}

#[tokio::test]
async fn of_a_protocol_and_a_function_the_last_one_counts() {
    let own = |_: &_| Close::new(CloseCode::POLICY, "no");
    let close = CloseFrameLayer::new().reject_delay(Duration::ZERO);
    for (close, answer) in [
        (
            close
                .clone()
                .client_protocol(ClientProtocol::pusher())
                .close_with(own),
            Answer::closed(1008, "no"),
        ),
        (
            close
                .close_with(own)
                .client_protocol(ClientProtocol::pusher()),
            Answer::closed(4009, "token_invalid"),
        ),
    ] {
        for server in servers(Stack::closing(close)).await.unwrap() {
            let opened = handshake(server.address, "?token=x", &[APP]).await;
            assert_eq!(end_of(opened).await, answer);
        }
    }
}
