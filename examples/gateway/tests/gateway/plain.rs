//! Requests that are no handshakes.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::hostile_clients::all_of;
use crate::peer::{ORIGIN, PATIENCE, Running, SOON, handshake, now, raw, token, token_of};
use crate::upstream::Upstream;

/// Some of everything.
const PATHS: [&str; 4] = [
    "--http",
    "refuse",
    "--path",
    "/in=authenticate,/out=pass,/out/secret=refuse",
];

fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n{lines}\r\n")
}

fn bearer(user: &str) -> String {
    format!("Authorization: Bearer {}\r\n", token_of(user))
}

#[tokio::test]
async fn a_credential_opens_the_paths_that_authenticate() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &PATHS).await;
    let target = format!("/in/info?x=1&token={}&y", token_of("ada"));
    let answer = all_of(gateway.address, get(&target, "").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-powered-by: test\r\n"), "{answer}");
    assert!(!answer.contains("x-hop"), "{answer}");
    assert!(
        upstream
            .head()
            .starts_with("GET /in/info?x=1&y HTTP/1.1\r\n")
    );
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    assert_eq!(upstream.header("x-auth-via").as_deref(), Some("jwt"));
    assert!(upstream.header("x-auth-expires").is_some());
    assert_eq!(upstream.header("connection"), None);
    assert_eq!(upstream.connections(), 1);

    let expired = token(&json!({ "sub": "ada", "exp": now() - 60 }));
    for (target, reason) in [
        ("/in/info".to_owned(), "credentials_missing"),
        (format!("/in/info?token={expired}"), "token_expired"),
    ] {
        let answer = all_of(gateway.address, get(&target, "").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(answer.ends_with(reason), "{answer}");
    }
    let foreign = bearer("ada") + "Origin: https://evil.example\r\n";
    let answer = all_of(gateway.address, get("/in", &foreign).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(upstream.connections(), 1);
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn bodies_pass_both_ways_with_a_length_and_in_chunks() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &PATHS).await;
    let large = "x".repeat(1 << 20);
    for path in ["/in/echo", "/out/echo"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}",
            bearer("ada")
        );
        let length = format!("{head}Content-Length: {}\r\n\r\n{large}", large.len());
        let answer = all_of(gateway.address, length.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}");
        assert!(answer.ends_with(&format!("\r\n\r\n{large}")), "{path}");
        let chunks = format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let answer = all_of(gateway.address, chunks.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(upstream.body(), "5\r\nhello\r\n0\r\n\r\n");
        let none = format!("{head}Content-Length: 0\r\n\r\n");
        let answer = all_of(gateway.address, none.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(upstream.header("content-length").as_deref(), Some("0"));
        // The gateway has answered it, and the body follows anyway.
        let hesitant = format!("{head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi");
        let answer = all_of(gateway.address, hesitant.as_bytes()).await;
        assert!(answer.ends_with("\r\n\r\nhi"), "{answer}");
        assert_eq!(upstream.header("expect"), None);
    }
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn what_passes_is_nobodys_and_keeps_its_own_credential() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &PATHS).await;
    let lines = "Cookie: connect.sid=s%3Aa.b\r\nAuthorization: Basic YTpi\r\n\
                 X-Auth-User: root\r\nX_Auth_User: root\r\nRemote-User: root\r\n";
    let answer = all_of(gateway.address, get("/out/page?token=a", lines).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let head = upstream.head();
    assert!(
        head.starts_with("GET /out/page?token=a HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(!head.contains("root"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("x-auth"), "{head}");
    let cookie = upstream.header("cookie");
    assert_eq!(cookie.as_deref(), Some("connect.sid=s%3Aa.b"));
    assert_eq!(
        upstream.header("authorization").as_deref(),
        Some("Basic YTpi")
    );
    let forwarded = upstream.header("x-forwarded-for");
    assert_eq!(forwarded.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn a_client_takes_nothing_away_of_what_a_trusted_proxy_says() {
    let upstream = Upstream::start().await;
    let options = [&PATHS[..], &["--trust-forwarded"]].concat();
    let gateway = Running::start(upstream.address, &options).await;
    let lines = bearer("ada")
        + "X-Forwarded-For: 10.0.0.1\r\nX-Hop: 1\r\n\
           Connection: X-Forwarded-For, X-Auth-User, X-Hop\r\n";
    for path in ["/in", "/out"] {
        let answer = all_of(gateway.address, get(path, &lines).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let listed = upstream.header("x-forwarded-for");
        assert_eq!(listed.as_deref(), Some("10.0.0.1, 127.0.0.1"), "{path}");
        assert_eq!(upstream.header("x-hop"), None);
        let user = upstream.header("x-auth-user");
        assert_eq!(user.is_some(), path == "/in");
    }
}

#[tokio::test]
async fn a_path_that_passes_opens_no_other_protocol() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &PATHS).await;
    let handshake = handshake("/out/echo", "");
    let nobody: String = handshake
        .lines()
        .filter(|line| !line.starts_with("Authorization"))
        .flat_map(|line| [line, "\r\n"])
        .collect();
    for request in [
        nobody.clone(),
        nobody.replace("Connection: Upgrade", "Connection: keep-alive"),
        nobody.replace("GET ", "POST "),
        get(
            "/out",
            "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        ),
    ] {
        let answer = all_of(gateway.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(upstream.connections(), 0);
    // Without `Upgrade` it is a page, and the upstream cannot take it for more.
    let half = nobody.replace("Upgrade: websocket\r\n", "");
    let half = half.replace("Connection: Upgrade", "Connection: Upgrade, close");
    let request = half.replace("/out/echo", "/out/switch");
    let answer = all_of(gateway.address, request.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 502"),
        "{answer}"
    );
    let answer = all_of(gateway.address, get("/out/switch", "").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(!answer.contains("secret"), "{answer}");
}

#[tokio::test]
async fn another_writing_of_a_path_lets_nothing_more_through() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &PATHS).await;
    for path in [
        "/",
        "/other",
        "/out/secret",
        "/out/SECRET",
        "/out/%73ecret",
        "/out/%2573ecret",
        "/out//secret",
        "/out/secret;x=1",
        "/out%2Fsecret",
        "/out/../in",
        "/out/..%2Fother",
        "/out/..;/other",
        "/%6Fut",
        "http://app.example/other",
        "*",
    ] {
        let answer = all_of(gateway.address, get(path, "").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn no_request_hides_in_another_one() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &PATHS).await;
    let hidden = "GET /in/hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    // Each request on a connection is decided by itself.
    let two = "GET /out HTTP/1.1\r\nHost: a\r\n\r\n".to_owned() + &get("/in/hidden", "");
    let answer = all_of(gateway.address, two.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("HTTP/1.1 401"),
        "{answer}"
    );
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nContent-Length: 44\r\n",
        "Content-Length: +44\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let request = format!(
            "POST /out/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{framing}\r\n0\r\n\r\n{hidden}"
        );
        all_of(gateway.address, request.as_bytes()).await;
        // Its framing is one, and the hidden request was never asked. The double asserts the first.
        assert!(!upstream.head().contains("/in/hidden"), "{framing}");
    }
}

#[tokio::test]
async fn a_stream_of_events_arrives_at_once_and_ends_with_its_token() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &PATHS).await;
    let short = token(&json!({ "sub": "ada", "exp": now() + 3 }));
    let request = get(&format!("/in/events?token={short}"), "");
    let (mut stream, mut answer) = raw(gateway.address, &request).await;
    let reading = async {
        while !answer.contains("one\n") {
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes).await.unwrap();
            answer += std::str::from_utf8(&bytes[..count]).unwrap();
        }
        // It breaks off: an end by its last chunk would look complete.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.ends_with(b"0\r\n\r\n"));
    };
    timeout(PATIENCE, reading).await.expect("the stream stays");
    upstream.is_empty_within(SOON).await;
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn bodies_and_answers_are_bounded_in_time() {
    let upstream = Upstream::start().await;
    let options = [&PATHS[..], &["--http-timeout", "0.5"]].concat();
    let gateway = Running::start(upstream.address, &options).await;
    let began = Instant::now();
    let answer = all_of(gateway.address, get("/out/silent", "").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    let answer = all_of(gateway.address, get("/out/stall", "").as_bytes()).await;
    assert!(answer.ends_with("half"), "{answer}");
    // A body that never comes.
    let head = "POST /out/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf";
    let answer = all_of(gateway.address, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // A client that takes nothing of a large answer.
    let mut stuck = TcpStream::connect(gateway.address).await.unwrap();
    stuck
        .write_all(get("/out/huge", "").as_bytes())
        .await
        .unwrap();
    while upstream.written() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gateway.is_empty_within(SOON).await;
    upstream.is_empty_within(SOON).await;
    assert!(began.elapsed() < SOON);
    drop(stuck);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &PATHS).await;
    for path in ["/out/silent", "/out/events", "/out/stall"] {
        let before = upstream.connections();
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(get(path, "").as_bytes()).await.unwrap();
        while upstream.connections() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(stream);
        gateway.is_empty_within(SOON).await;
        upstream.is_empty_within(SOON).await;
    }
}

#[tokio::test]
async fn a_request_takes_one_of_the_places() {
    let upstream = Upstream::start().await;
    let options = [&PATHS[..], &["--max-connections", "1"]].concat();
    let gateway = Running::start(upstream.address, &options).await;
    let (stream, _head) = raw(gateway.address, &get("/out/events", "")).await;
    let answer = all_of(gateway.address, get("/out", "").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    drop(stream);
    gateway.is_empty_within(SOON).await;
    let answer = all_of(gateway.address, get("/out", "").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_request_without_a_user_takes_no_place_of_a_user() {
    let upstream = Upstream::start().await;
    let options = [&PATHS[..], &["--max-connections", "1"]].concat();
    let gateway = Running::start(upstream.address, &options).await;
    let (stranger, _head) = raw(gateway.address, &get("/out/events", "")).await;
    let (user, answer) = raw(gateway.address, &handshake("/echo", "")).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    // Each kind has its own, and no more.
    for request in [
        get("/out", ""),
        get("/in", &bearer("eve")),
        handshake("/echo", ""),
    ] {
        let answer = all_of(gateway.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    }
    drop((stranger, user));
}

#[tokio::test]
async fn a_prefix_may_have_capital_letters() {
    let upstream = Upstream::start().await;
    let options = ["--path", "/chatHub=authenticate"];
    let gateway = Running::start(upstream.address, &options).await;
    for (path, status) in [("/chatHub/negotiate", "200"), ("/chathub/negotiate", "400")] {
        let request = get(path, &bearer("ada"));
        let answer = all_of(gateway.address, request.as_bytes()).await;
        let expected = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&expected), "{path}: {answer}");
    }
}

mod a_session_of_engine_io {
    use super::*;

    const PATHS: [&str; 2] = ["--http", "authenticate"];
    const OPEN: &str = "/socket.io/open?EIO=4&transport=polling";

    async fn ask(gateway: &Running, target: &str, user: &str) -> String {
        all_of(gateway.address, get(target, &bearer(user)).as_bytes()).await
    }

    /// The target of later polls.
    async fn opened(gateway: &Running, user: &str) -> String {
        let zipped = bearer(user) + "Accept-Encoding: gzip\r\n";
        let answer = all_of(gateway.address, get(OPEN, &zipped).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let sid = answer.split('"').nth(3).unwrap();
        assert!(sid.starts_with("SERVER."), "{answer}");
        format!("{OPEN}&sid={sid}")
    }

    #[tokio::test]
    async fn is_of_no_use_to_another_user() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &PATHS).await;
        let polling = opened(&gateway, "ada").await;
        // Its answer is read, so it must not be compressed.
        assert_eq!(upstream.header("accept-encoding"), None);
        let answer = ask(&gateway, &polling, "ada").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let head = upstream.head();
        assert!(
            head.starts_with("GET /socket.io/open?EIO=4&transport=polling&sid=SERVER HTTP/1.1\r\n"),
            "{head}"
        );
        let before = upstream.connections();
        let sid = polling.rsplit('=').next().unwrap();
        for stolen in [
            polling.clone(),
            format!("{OPEN}&sid=SERVER"),
            format!("{OPEN}&%73id=SERVER"),
            format!("/socket.io/?sid={sid}"),
            "/socket.io/?sid=SERVER".to_owned(),
            format!("/SOCKET.io/?sid={sid}"),
            "/%73ocket.io/?sid=SERVER".to_owned(),
            "//socket.io/?sid=SERVER".to_owned(),
        ] {
            let answer = ask(&gateway, &stolen, "eve").await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{stolen}: {answer}");
            assert!(answer.ends_with("\"Session ID unknown\"}"), "{answer}");
        }
        let socket = polling.replace("/open", "/echo");
        let socket = handshake(&socket.replace("polling", "websocket"), "");
        let stolen = socket.replace(&bearer("ada"), &bearer("eve"));
        assert_ne!(socket, stolen);
        let answer = all_of(gateway.address, stolen.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert_eq!(upstream.connections(), before);
        let (_stream, answer) = raw(gateway.address, &socket).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        // Other programs use this key for what several users share.
        for user in ["ada", "eve"] {
            let answer = ask(&gateway, "/in/?sid=room", user).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }

    /// Its page reads that on another origin too.
    #[tokio::test]
    async fn ends_a_poll_that_waits_with_its_token() {
        let upstream = Upstream::start().await;
        let gateway = Running::start(upstream.address, &PATHS).await;
        let polling = opened(&gateway, "ada").await.replace("/open", "/silent");
        let brief = token(&json!({ "sub": "ada", "exp": now() + 2 }));
        let target = format!("{polling}&token={brief}");
        let lines = format!("Origin: {ORIGIN}\r\n");
        let answer = all_of(gateway.address, get(&target, &lines).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let ended = "42[\"auth_ended\",{\"reason\":\"token_expired\"}]\u{1e}1";
        assert!(answer.ends_with(ended), "{answer}");
        let permitted = format!("access-control-allow-origin: {ORIGIN}\r\n");
        assert!(answer.contains(&permitted), "{answer}");
        gateway.is_empty_within(SOON).await;
    }

    #[tokio::test]
    async fn is_known_to_every_gateway_that_shares_the_secret() {
        let upstream = Upstream::start().await;
        let start = async |secret: &str| {
            let options = [&PATHS[..], &["--socket-io-secret", secret]].concat();
            Running::start(upstream.address, &options).await
        };
        let shared = "a secret of these tests, of more than 32 bytes";
        let other = shared.replace("these", "other");
        let one = start(shared).await;
        let polling = opened(&one, "ada").await;
        let answer = ask(&start(shared).await, &polling, "ada").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let answer = ask(&start(&other).await, &polling, "ada").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }

    #[tokio::test]
    async fn is_its_servers_own_beside_a_credential_that_is_kept() {
        let upstream = Upstream::start().await;
        let options = [&PATHS[..], &["--keep-credential"]].concat();
        let gateway = Running::start(upstream.address, &options).await;
        let polling = opened(&gateway, "ada").await;
        let token = token_of("ada");
        let target = format!("{polling}&token={token}");
        let answer = all_of(gateway.address, get(&target, "").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let read = format!("GET {OPEN}&sid=SERVER&token={token} HTTP/1.1\r\n");
        assert!(upstream.head().starts_with(&read), "{}", upstream.head());
    }
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_asks_first_and_reads_its_refusal() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &PATHS).await;
    let asks = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: a\r\n\
                Cookie: a=1\r\nX-HTTP-Method-Override: DELETE\r\nX-A: 1\r\nContent-Length: 2\r\n";
    let preflight = |origin: &str| {
        let lines = format!("{asks}Origin: {origin}\r\n");
        get("/in/x?_method=DELETE", &lines).replace("GET ", "OPTIONS ") + "hi"
    };
    let answer = all_of(gateway.address, preflight(ORIGIN).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let head = upstream.head().to_ascii_lowercase();
    assert!(head.starts_with("options /in/x http/1.1\r\n"), "{head}");
    let mut names: Vec<_> = head
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    names.sort_unstable();
    let allowed = [
        "access-control-request-headers",
        "access-control-request-method",
        "host",
        "origin",
    ];
    assert_eq!(names, allowed);
    assert_eq!(upstream.body(), "");
    let answer = all_of(
        gateway.address,
        preflight("https://evil.example").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(!answer.contains("access-control"), "{answer}");

    let refused = get("/in/x", &format!("Origin: {ORIGIN}\r\n"));
    let answer = all_of(gateway.address, refused.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let permitted = format!("access-control-allow-origin: {ORIGIN}\r\n");
    assert!(answer.contains(&permitted), "{answer}");
    assert_eq!(upstream.connections(), 1);
}
