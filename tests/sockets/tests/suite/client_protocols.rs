//! Other client protocols have other close codes, with the same reason.

use std::time::Duration;

use socket_tests::{Answer, Http2, Stack, end_of, handshake, http2_servers, servers, token};
use tower_ws_auth::CloseFrameLayer;
use tower_ws_auth::close::{ClientProtocol, Close, CloseCode};

use crate::APP;

/// The close codes of a client protocol for three refusals: unknown, expired, malformed.
const READ: [(ClientProtocol, [u16; 3]); 4] = [
    (ClientProtocol::Http, [4401, 4401, 4400]),
    (ClientProtocol::Iana, [3000, 3000, 1008]),
    (ClientProtocol::Centrifuge, [3500, 3005, 3501]),
    (ClientProtocol::Pusher, [4009, 4100, 4009]),
];

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
            .palette(protocol),
    )
}

#[tokio::test]
async fn a_client_reads_the_configured_close_codes() {
    for (protocol, codes) in READ {
        for server in servers(under(protocol)).await.unwrap() {
            for ((query, reason), code) in refused().into_iter().zip(codes) {
                let answer = end_of(handshake(server.address, &query, &[APP]).await).await;
                assert_eq!(answer, Answer::closed(code, reason), "{protocol:?}");
            }
        }
    }
}

#[tokio::test]
async fn and_so_does_a_client_over_http2() {
    for (protocol, codes) in READ {
        for server in http2_servers(under(protocol)).await.unwrap() {
            let mut client = Http2::connect(server.address).await.unwrap();
            for ((query, reason), code) in refused().into_iter().zip(codes) {
                let answer = end_of(client.open(&query, &[APP]).await).await;
                assert_eq!(answer, Answer::closed(code, reason), "{protocol:?}");
            }
        }
    }
}

#[tokio::test]
async fn of_close_codes_and_a_function_the_last_setting_counts() {
    let own = |_: &_| Close::new(CloseCode::POLICY, "no");
    let close = CloseFrameLayer::new().reject_delay(Duration::ZERO);
    for (close, answer) in [
        (
            close
                .clone()
                .palette(ClientProtocol::Pusher)
                .close_with(own),
            Answer::closed(1008, "no"),
        ),
        (
            close.close_with(own).palette(ClientProtocol::Pusher),
            Answer::closed(4009, "token_invalid"),
        ),
    ] {
        for server in servers(Stack::closing(close)).await.unwrap() {
            let opened = handshake(server.address, "?token=x", &[APP]).await;
            assert_eq!(end_of(opened).await, answer);
        }
    }
}
