//! The fields that reach the upstream, and those that do not.

use serde_json::json;

use crate::passing::base64;
use crate::peer::{Running, ada, connect, handshake, now, raw, token, token_of};
use crate::upstream::Upstream;

#[tokio::test]
async fn the_upstream_learns_who_it_is_and_nobody_else_says_so() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let lines = "X-Auth-User: root\r\nx_auth_user: root\r\nX-Auth-Via: session\r\n\
                 X-Auth-Expires: 9\r\nX-Auth-Role: admin\r\n";
    let (_stream, answer) = raw(gateway.address, &handshake("/echo", lines)).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    assert_eq!(upstream.header("x-auth-via").as_deref(), Some("jwt"));
    let expires: u64 = upstream.header("x-auth-expires").unwrap().parse().unwrap();
    assert!((now() + 590..=now() + 600).contains(&expires));
    let head = upstream.head().to_ascii_lowercase();
    assert!(!head.contains("root") && !head.contains("admin"), "{head}");
    assert!(!head.contains("x_auth"), "{head}");
}

#[tokio::test]
async fn a_connection_header_cannot_take_away_what_the_gateway_adds() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let lines = "Connection: X-Auth-User, X-Forwarded-For, X-Hop\r\nX-Hop: 1\r\n";
    let (_stream, answer) = raw(gateway.address, &handshake("/echo", lines)).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    assert_eq!(
        upstream.header("x-forwarded-for").as_deref(),
        Some("127.0.0.1")
    );
    assert_eq!(upstream.header("x-hop"), None);
    assert_eq!(upstream.header("connection").as_deref(), Some("Upgrade"));
}

#[tokio::test]
async fn the_token_stays_here_wherever_it_came() {
    const COOKIE: &str = "theme=dark; connect.sid=s%3Aabc";
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let token = token_of("ada");
    let signature = token.rsplit('.').next().unwrap();
    let encoded = base64(token.as_bytes(), *b"-_");
    let field = |line: &str| format!("{line}\r\n");
    for (target, line, target_there, subprotocols) in [
        (
            format!("/echo?x=1&token={token}&y"),
            String::new(),
            "/echo?x=1&y",
            None,
        ),
        (
            format!("/echo?access_token={token}&x=1"),
            String::new(),
            "/echo?x=1",
            None,
        ),
        (
            format!("/echo?Authorization=Bearer%20{token}"),
            String::new(),
            "/echo",
            None,
        ),
        (
            "/echo?x=1".to_owned(),
            field(&format!("Authorization: Bearer {token}")),
            "/echo?x=1",
            None,
        ),
        (
            "/echo".to_owned(),
            field(&format!(
                "Sec-WebSocket-Protocol: phoenix, base64url.bearer.phx.{encoded}, chat.v2"
            )),
            "/echo",
            Some("phoenix, chat.v2"),
        ),
    ] {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\nCookie: {COOKIE}\r\n{line}\r\n"
        );
        let (_stream, answer) = raw(gateway.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{target}: {answer}");
        let head = upstream.head();
        for secret in [signature, &encoded] {
            assert!(!head.contains(secret), "{head}");
            assert!(!answer.contains(secret), "{answer}");
        }
        assert_eq!(upstream.header("authorization"), None);
        assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
        // Everything else is passed on, also the cookie, which no strategy here reads.
        let line = format!("GET {target_there} HTTP/1.1\r\n");
        assert!(head.starts_with(&line), "{head}");
        let offered = upstream.header("sec-websocket-protocol");
        assert_eq!(offered.as_deref(), subprotocols);
        assert_eq!(upstream.header("cookie").as_deref(), Some(COOKIE));
    }
}

#[tokio::test]
async fn a_name_cannot_begin_another_header() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let sub = "ada\r\nX-Auth-User: root, Zoë";
    let token = token(&json!({ "sub": sub, "exp": now() + 60 }));
    connect(
        gateway.address,
        &format!("/echo?token={token}"),
        &mut Vec::new(),
    )
    .await
    .unwrap();
    let user = upstream.header("x-auth-user");
    assert_eq!(
        user.as_deref(),
        Some("ada%0D%0AX-Auth-User:%20root%2C%20Zo%C3%AB")
    );
}

#[tokio::test]
async fn forwarding_headers_are_the_gateways_own_unless_they_are_trusted() {
    let upstream = Upstream::start().await;
    let lines = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n\
                 X-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n";
    let gateway = Running::start(upstream.address, &[]).await;
    raw(gateway.address, &handshake("/echo", lines)).await;
    let seen = |name| upstream.header(name);
    assert_eq!(seen("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(seen("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(seen("x-forwarded-host").as_deref(), Some("app.example"));
    assert_eq!(seen("host").as_deref(), Some("app.example"));
    let own = "for=127.0.0.1;host=\"app.example\";proto=http";
    assert_eq!(seen("forwarded").as_deref(), Some(own));
    assert_eq!(seen("x-real-ip").as_deref(), Some("127.0.0.1"));

    // One kind is believed, and the other one says the same.
    for (trust, client) in [("x-forwarded", "10.0.0.1"), ("forwarded", "10.0.0.9")] {
        let lines = lines.replace("for=10.0.0.1", "for=10.0.0.9;proto=https;host=shop.example")
            + "X-Forwarded-Host: shop.example\r\nX-Forwarded-Port: 666\r\n\
               X-Forwarded-User: root\r\nX-Forwarded-Prefix: /root\r\n";
        let gateway = Running::start(upstream.address, &["--trust-forwarded", trust]).await;
        raw(gateway.address, &handshake("/echo", &lines)).await;
        let both = format!("{client}, 127.0.0.1");
        assert_eq!(seen("x-forwarded-for"), Some(both), "{trust}");
        assert_eq!(seen("x-forwarded-proto").as_deref(), Some("https"));
        assert_eq!(seen("x-forwarded-host").as_deref(), Some("shop.example"));
        assert_eq!(seen("x-real-ip").as_deref(), Some(client));
        let rest = ";host=\"shop.example\";proto=https";
        let both = format!("for={client}{rest}, for=127.0.0.1{rest}");
        assert_eq!(seen("forwarded"), Some(both));
        for foreign in ["x-forwarded-port", "x-forwarded-user", "x-forwarded-prefix"] {
            assert_eq!(seen(foreign), None, "{trust} {foreign}");
        }
    }
}

/// A proxy that appends to the client's own line.
#[tokio::test]
async fn a_client_hides_nothing_of_the_element_that_a_trusted_proxy_appends() {
    let upstream = Upstream::start().await;
    for (trust, lines) in [
        (
            "x-forwarded",
            [
                "X-Forwarded-For: é, 1.2.3.4",
                "X-Forwarded-For: \"2001:db8:1::, 1.2.3.4",
            ],
        ),
        (
            "forwarded",
            [
                "Forwarded: for=é, for=1.2.3.4",
                "Forwarded: for=\"_a, for=\"1.2.3.4\"",
            ],
        ),
    ] {
        let gateway = Running::start(upstream.address, &["--trust-forwarded", trust]).await;
        for line in lines {
            let request = handshake("/echo", &format!("{line}\r\n"));
            let (_stream, answer) = raw(gateway.address, &request).await;
            assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
            let seen = upstream.header("x-real-ip");
            assert_eq!(seen.as_deref(), Some("1.2.3.4"), "{line}");
            let listed = upstream.header("x-forwarded-for").unwrap();
            assert!(listed.ends_with(", 1.2.3.4, 127.0.0.1"), "{line}: {listed}");
        }
    }
}

#[tokio::test]
async fn the_upstreams_headers_come_back_and_its_hops_do_not() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let (_stream, answer) = raw(gateway.address, &handshake("/echo", "")).await;
    let answer = answer.to_ascii_lowercase();
    assert!(answer.contains("set-cookie: a=1\r\n"), "{answer}");
    assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"));
    assert!(
        answer.contains("connection: upgrade\r\n") && !answer.contains("x-hop"),
        "{answer}"
    );
    drop(ada(&gateway, "/echo").await);
}
