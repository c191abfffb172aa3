//! Clients that pretend another identity, reach for another target, or keep others out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{ORIGIN, PATIENCE, Running, SOON, ada, connect, end_of, next, refused, token_of};
use crate::peer::{handshake, raw};
use crate::upstream::Upstream;

const PAUSE_OF_A_DRIP: Duration = Duration::from_millis(20);

/// Sends bytes and reads to the end of the connection, which a reset is too.
pub(crate) async fn all_of(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

mod who_it_is {
    use super::*;

    #[tokio::test]
    async fn is_said_by_nobody_else_in_whatever_writing() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &["--trust-forwarded"]).await;
        let lines = "X-AUTH-USER: root\r\nx_Auth_User: root\r\nX-Auth_User: root\r\n\
                     X.Auth.User: root\r\nX!Auth~User: root\r\nProxy: root\r\n\
                     X-Original-URL: /root\r\nX_Rewrite_URL: /root\r\nX_Forwarded_For: root\r\n";
        let (_stream, answer) = raw(gateway.address, &handshake("/echo", lines)).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        let head = upstream.head();
        assert!(!head.contains("root"), "{head}");
        assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    }

    #[tokio::test]
    async fn cannot_be_taken_away_by_connection_nor_what_a_trusted_proxy_says() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &["--trust-forwarded"]).await;
        let lines = "Connection: X-Auth-User, X-Auth-Via, X-Forwarded-For, X-Real-IP, close\r\n\
                     X-Forwarded-For: 10.0.0.1\r\nX-Real-IP: 10.0.0.7\r\n";
        let (_stream, answer) = raw(gateway.address, &handshake("/echo", lines)).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
        assert_eq!(upstream.header("x-auth-via").as_deref(), Some("jwt"));
        let listed = upstream.header("x-forwarded-for");
        assert_eq!(listed.as_deref(), Some("10.0.0.1, 127.0.0.1"));
        assert_eq!(upstream.header("x-real-ip").as_deref(), Some("10.0.0.1"));
        assert!(!upstream.head().contains("10.0.0.7"));
        assert_eq!(upstream.header("connection").as_deref(), Some("Upgrade"));
        // The fields of a handshake cannot be removed and still count.
        for needed in ["Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version"] {
            let lines = format!("Connection: {needed}\r\n");
            let (_stream, answer) = raw(gateway.address, &handshake("/echo", &lines)).await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{needed}: {answer}");
        }
        assert_eq!(upstream.connections(), 1);
    }

    #[tokio::test]
    async fn is_not_smuggled_in_by_the_line() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &[]).await;
        for lines in [
            "X-A: 1\rX-Auth-User: root\r\n",
            "X-A: 1\r\n X-Auth-User: root\r\n",
            "X-A: 1\0\r\n",
            "X-Auth-User : root\r\n",
            "X-A\r\n",
            ": root\r\n",
        ] {
            let answer = all_of(gateway.address, handshake("/echo", lines).as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{lines:?}: {answer}");
        }
        assert_eq!(upstream.connections(), 0);
        // A bare line feed ends a line, for the check as for the upstream.
        let lines = "X-A: 1\nX-Auth-User: root\r\n";
        let (_stream, answer) = raw(gateway.address, &handshake("/echo", lines)).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    }
}

mod where_it_goes {
    use super::*;

    #[tokio::test]
    async fn is_the_upstream_and_its_base_whatever_the_target_names() {
        let upstream = Upstream::start().await;
        let base = format!("http://{}/base", upstream.address);
        let gateway = Running::before(&base, &[]).await;
        let target = "http://other.example/echo?x=1";
        let (_stream, answer) = raw(gateway.address, &handshake(target, "")).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        let head = upstream.head();
        assert!(
            head.starts_with("GET /base/echo?x=1 HTTP/1.1\r\n"),
            "{head}"
        );
        // RFC 9112 §3.2.2: the target's host, and not the line beside it.
        assert_eq!(upstream.header("host").as_deref(), Some("other.example"));
        for target in [
            "http://root@other.example/echo",
            "/..;/admin",
            "/%252e%252e/admin",
            "//../admin",
        ] {
            let (_stream, answer) = raw(gateway.address, &handshake(target, "")).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{target}: {answer}");
        }
        assert_eq!(upstream.connections(), 1);
    }

    #[tokio::test]
    async fn is_a_host_and_of_the_operators_choice_if_there_is_one() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &[]).await;
        for host in [
            "root@app.example",
            "app.example/admin",
            "a b",
            "",
            "a\r\nHost: b",
        ] {
            let request =
                handshake("/echo", "").replace("Host: app.example", &format!("Host: {host}"));
            let (_stream, answer) = raw(gateway.address, &request).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{host}: {answer}");
        }
        assert_eq!(upstream.connections(), 0);

        let options = ["--upstream-host", "internal.example"];
        let gateway = Running::start(upstream.address, &options).await;
        raw(gateway.address, &handshake("/echo", "")).await;
        let seen = |name| upstream.header(name);
        assert_eq!(seen("host").as_deref(), Some("internal.example"));
        assert_eq!(seen("x-forwarded-host").as_deref(), Some("app.example"));
    }
}

mod a_second_request {
    use super::*;

    const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: app.example\r\n\r\n";

    #[tokio::test]
    async fn does_not_hide_in_a_body() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &[]).await;
        for framing in [
            format!("Content-Length: {}\r\n", HIDDEN.len()),
            "Content-Length: 0\r\nContent-Length: 5\r\n".to_owned(),
            "Content-Length: 0, 5\r\n".to_owned(),
            "Content-Length: +0\r\n".to_owned(),
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n".to_owned(),
            "Transfer-Encoding: xchunked\r\n".to_owned(),
            "Transfer-Encoding : chunked\r\n".to_owned(),
            // Named as a field that ends here.
            format!(
                "Connection: Content-Length\r\nContent-Length: {}\r\n",
                HIDDEN.len()
            ),
            "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n".to_owned(),
        ] {
            let request = handshake("/echo", &framing) + HIDDEN;
            let answer = all_of(gateway.address, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{framing}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{framing}: {answer}");
        }
        assert_eq!(upstream.connections(), 0);
        // No body at all is accepted.
        raw(
            gateway.address,
            &handshake("/echo", "Content-Length: 0\r\n"),
        )
        .await;
        assert_eq!(upstream.header("content-length"), None);
    }

    #[tokio::test]
    async fn is_not_read_behind_a_handshake_that_somebody_refuses() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &[]).await;
        let second = handshake("/echo", "");
        for path in ["/403", "/200", "/wrong", "/gone"] {
            let request = handshake(path, "") + &second;
            let answer = all_of(gateway.address, request.as_bytes()).await;
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{path}: {answer}");
            assert!(answer.contains("connection: close\r\n"), "{path}: {answer}");
        }
        let nobody = handshake("/echo", "").replace("Bearer ", "Bearer x");
        let answer = all_of(gateway.address, (nobody + &second).as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        assert_eq!(upstream.connections(), 4);
    }
}

mod a_place {
    use super::*;

    #[tokio::test]
    async fn has_no_room_for_an_endless_head() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &[]).await;
        let long = format!("X-A: {}\r\n", "x".repeat(1 << 20));
        let many = "X-A: 1\r\n".repeat(1000);
        let path = format!("/{}", "x".repeat(1 << 20));
        // Less than what the HTTP library takes by itself.
        let too_long = format!("X-A: {}\r\n", "x".repeat(80 * 1024));
        for request in [
            handshake("/echo", &long),
            handshake("/403", &too_long),
            handshake("/echo", &many),
            handshake(&path, ""),
        ] {
            let answer = all_of(gateway.address, request.as_bytes()).await;
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
                "{answer}"
            );
        }
        assert_eq!(upstream.connections(), 0);
        gateway.is_empty_within(SOON).await;
        let fits = format!("X-A: {}\r\n", "x".repeat(32 * 1024));
        let (_stream, answer) = raw(gateway.address, &handshake("/echo", &fits)).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    }

    #[tokio::test]
    async fn is_not_kept_by_the_slow() {
        let upstream = Upstream::start().await;
        let options = ["--head-timeout", "2", "--max-connections", "1"];
        let gateway = Running::start(upstream.address, &options).await;
        // More than there are places at the door: silent, in half of a head, in half of a preface,
        // and with HTTP/2 spoken and nothing asked.
        let h2 = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(),
            &[0, 0, 0, 4, 0, 0, 0, 0, 0],
        ];
        let starts = [
            b"".to_vec(),
            b"GET /echo HTTP/1.1\r\nX-".to_vec(),
            h2[0][..9].to_vec(),
            h2.concat(),
        ];
        let mut slow = Vec::new();
        for begin in starts.iter().cycle().take(1100) {
            let mut stream = TcpStream::connect(gateway.address).await.unwrap();
            stream.write_all(begin).await.unwrap();
            slow.push(stream);
        }
        let began = Instant::now();
        let mut socket = ada(&gateway, "/echo").await;
        assert!(began.elapsed() < SOON);
        socket.send(Message::text("hi")).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("hi"));
        drop(socket);
        gateway.is_empty_within(SOON).await;
        drop(slow);
    }

    #[tokio::test]
    async fn is_not_kept_by_one_that_sends_its_head_byte_by_byte() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &["--head-timeout", "0.5"]).await;
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let sending = async {
            for byte in handshake("/echo", "").bytes().cycle() {
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
                sleep(PAUSE_OF_A_DRIP).await;
            }
        };
        // Not by the default timeout of ten seconds.
        timeout(Duration::from_secs(8), sending)
            .await
            .expect("it is listened to for ever");
        assert_eq!(upstream.connections(), 0);
    }

    #[tokio::test]
    async fn is_not_kept_by_one_that_takes_nothing() {
        let upstream = Upstream::start().await;
        let options = ["--idle-timeout", "0.5"];
        let gateway = Running::start(upstream.address, &options).await;
        let (stream, _head) = raw(gateway.address, &handshake("/flood", "")).await;
        // The silence, and how long a closing handshake may take.
        gateway.is_empty_within(SOON).await;
        upstream.is_empty_within(SOON).await;
        drop(stream);
    }

    #[tokio::test]
    async fn holds_little_of_what_comes_before_the_upstream_has_answered() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &[]).await;
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let request = handshake("/silent", "");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut sent = 0;
        let much = vec![0; 64 * 1024];
        while let Ok(more) = timeout(Duration::from_secs(2), stream.write(&much)).await {
            sent += more.unwrap();
        }
        // The kernel's buffers for a connection on loopback.
        assert!(sent < 32 * 1024 * 1024, "{sent}");
    }

    #[tokio::test]
    async fn is_one_of_so_many_for_each_user() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &["--max-per-user", "2"]).await;
        let two = (ada(&gateway, "/echo").await, ada(&gateway, "/echo").await);
        let bearer = format!("Bearer {}", token_of("ada"));
        let third = refused(gateway.address, "/echo", &[("authorization", &bearer)]).await;
        assert_eq!(third, (429, "rate_limited".to_owned()));
        let mut with = vec![("origin", ORIGIN.to_owned()), ("authorization", bearer)];
        let mut page = connect(gateway.address, "/echo", &mut with).await.unwrap();
        let close = end_of(&mut page).await;
        assert_eq!(close, Some((4429, "rate_limited".to_owned())));
        let mut eve = vec![("authorization", format!("Bearer {}", token_of("eve")))];
        connect(gateway.address, "/echo", &mut eve).await.unwrap();
        assert_eq!(upstream.connections(), 3);
        drop(two);
    }
}
