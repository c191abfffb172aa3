//! What an operator's Prometheus reads.
//!
//! A recorder is the whole process's, so each of these tests has a chat in a process of its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;

use futures_util::StreamExt;
use serde_json::json;
use test_support::until_ok;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::peer::{
    PATIENCE, SECRET, Socket, connect, login, next, now, own_origin, post, refusal, start, ticket,
    token, token_of, welcomed,
};

/// It ends with its `Child`.
async fn program(options: &[&str]) -> (Child, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chat"))
        .args(["--listen", "127.0.0.1:0", "--hold-ms", "0"])
        .args(["--jwt-secret", SECRET])
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
    let line = line.unwrap();
    let address = line.strip_prefix("listening on http://").unwrap();
    let address = address.parse().unwrap();
    // Or what it prints next would break the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, address)
}

/// Status, head and body.
async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let all = stream.read_to_string(&mut answer);
    timeout(PATIENCE, all).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// Every series and its value, by its name and its labels in their order.
#[derive(Debug, PartialEq)]
struct Counts(BTreeMap<String, f64>);

impl Counts {
    async fn of(address: SocketAddr) -> Self {
        let (status, head, body) = get(address, "/metrics").await;
        assert_eq!(status, 200);
        assert!(
            head.contains("content-type: text/plain; version=0.0.4"),
            "{head}"
        );
        assert!(head.contains("cache-control: no-store"), "{head}");
        let samples = body
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        Self(
            samples
                .map(|line| {
                    let (series, value) = line.rsplit_once(' ').unwrap();
                    let series = match series.split_once('{') {
                        Some((name, labels)) => {
                            let mut labels: Vec<_> =
                                labels.trim_end_matches('}').split(',').collect();
                            labels.sort_unstable();
                            format!("{name}{{{}}}", labels.join(","))
                        }
                        None => series.to_owned(),
                    };
                    (series.replace('"', ""), value.parse().unwrap())
                })
                .collect(),
        )
    }

    /// When what is counted after the wire has told it is counted too.
    async fn when(address: SocketAddr, series: &str, value: f64) -> Self {
        let last = RefCell::new(None);
        let what = || format!("{series} {value} in {:#?}", last.borrow());
        until_ok(what, async || {
            let counts = Self::of(address).await;
            let counted = (counts.get(series) - value).abs() < 0.1;
            last.replace(Some(counts));
            counted
        })
        .await;
        last.into_inner().unwrap()
    }

    fn get(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or_default()
    }

    /// All the series of a name, and nothing else of it.
    fn assert(&self, name: &str, expected: &[(&str, f64)]) {
        let all: Vec<_> = self
            .0
            .iter()
            .filter_map(|(series, n)| {
                let labels = series.strip_prefix(name)?;
                let labels = labels.strip_prefix('{')?.strip_suffix('}')?;
                Some((labels, *n))
            })
            .collect();
        assert_eq!(all, expected, "{name}");
    }
}

/// Code or status, and reason, of one that answers a close frame and goes then.
async fn told(opened: Result<Socket, Error>) -> (u16, String) {
    let mut socket = match opened {
        Ok(socket) => socket,
        refused => return refusal(refused).await,
    };
    let mut told = None;
    let all = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(Some(frame)) = message {
                told = Some((frame.code.into(), frame.reason.as_str().to_owned()));
            }
        }
    };
    timeout(PATIENCE, all).await.unwrap();
    told.unwrap()
}

#[tokio::test]
async fn without_the_flag_there_are_none() {
    let address = start(&[]).await;
    assert_eq!(get(address, "/metrics").await.0, 404);
}

#[tokio::test]
async fn a_fresh_server_says_that_nothing_is_open() {
    let (_child, address) = program(&["--metrics"]).await;
    assert_eq!(
        Counts::of(address).await.0,
        BTreeMap::from([("ws_auth_leases".to_owned(), 0.0)])
    );
}

#[tokio::test]
async fn every_decision_is_counted_by_strategy_outcome_and_kind() {
    let (_child, address) = program(&["--metrics"]).await;
    let (cookie, own) = (login(address, "ada").await, own_origin(address));
    let page = [("origin", own.as_str())];
    let logged_in = [("origin", own.as_str()), ("cookie", cookie.as_str())];
    let evil = [("origin", "https://evil.example"), logged_in[1]];
    let good = format!("jwt?token={}", token_of("ada"));
    let any = format!("any?token={}", token_of("ada"));
    let expired = token(&json!({ "sub": "ada", "exp": now() - 60 }));
    let expired = format!("jwt?token={expired}");
    let minted = ticket(address, &cookie, "{}").await;
    let by_ticket = format!("ticket?ticket={minted}");
    let any_ticket = format!("any?ticket={minted}");

    let mut open = Vec::new();
    for (path, headers) in [
        (good.as_str(), &page[..0]),
        (&good, &page),
        (&any, &page),
        (&by_ticket, &page),
        ("session", &logged_in),
        ("any", &logged_in),
    ] {
        let mut socket = connect(address, path, headers).await.unwrap();
        assert_eq!(next(&mut socket).await["user"], "ada", "{path}");
        open.push(socket);
    }
    for (path, headers) in [
        (expired.as_str(), &page[..0]),
        (&expired, &page),
        ("jwt", &page),
        ("jwt?token=", &page),
        (&any_ticket, &page),
        ("any", &page),
        (&good, &evil),
        ("session", &evil),
        ("session", &page[..0]),
    ] {
        let (code, reason) = told(connect(address, path, headers).await).await;
        assert!(
            matches!(code, 400..=499 | 4400..=4499),
            "{path}: {code} {reason}"
        );
    }

    let counts = Counts::when(
        address,
        "ws_auth_closing_handshakes_total{outcome=peer_closed}",
        5.0,
    )
    .await;
    counts.assert(
        "ws_auth_decisions_total",
        &[
            (
                "kind=credentials_malformed,outcome=refused,strategy=jwt",
                1.0,
            ),
            (
                "kind=credentials_missing,outcome=refused,strategy=any_of",
                1.0,
            ),
            ("kind=credentials_missing,outcome=refused,strategy=jwt", 1.0),
            ("kind=none,outcome=accepted,strategy=jwt", 3.0),
            // Two sockets and the ticket's minting.
            ("kind=none,outcome=accepted,strategy=session", 3.0),
            ("kind=none,outcome=accepted,strategy=ticket", 1.0),
            ("kind=origin_denied,outcome=refused,strategy=origin", 3.0),
            ("kind=ticket_invalid,outcome=refused,strategy=ticket", 1.0),
            ("kind=token_expired,outcome=refused,strategy=jwt", 2.0),
        ],
    );
    // Those without an `Origin`, and those with a foreign one, were told by HTTP.
    counts.assert(
        "ws_auth_closing_handshakes_total",
        &[("outcome=peer_closed", 5.0)],
    );
    counts.assert(
        "ws_auth_decision_seconds_count",
        &[
            ("strategy=any_of", 1.0),
            ("strategy=jwt", 7.0),
            ("strategy=session", 3.0),
            ("strategy=ticket", 2.0),
        ],
    );
    assert!((counts.get("ws_auth_leases") - 6.0).abs() < 0.1);
    drop(open);
    let counts = Counts::when(address, "ws_auth_leases", 0.0).await;
    // They went: nothing ended them.
    counts.assert("ws_auth_leases_ended_total", &[]);
}

#[tokio::test]
async fn reasons_are_counted_by_their_reason_and_the_gauge_comes_back_to_zero() {
    let (child, address) = program(&["--metrics"]).await;
    let (cookie, own) = (login(address, "ada").await, own_origin(address));
    let headers = [("origin", own.as_str()), ("cookie", cookie.as_str())];
    let mut by_session = connect(address, "session", &headers).await.unwrap();
    next(&mut by_session).await;
    let by_token = welcomed(address, "ada").await;
    let of_bob = welcomed(address, "bob").await;
    // The last one: it must still be there when the four are counted.
    let brief = token(&json!({ "sub": "eve", "exp": now() + 5 }));
    let mut brief = connect(address, &format!("jwt?token={brief}"), &[])
        .await
        .unwrap();
    next(&mut brief).await;
    Counts::when(address, "ws_auth_leases", 4.0).await;

    assert_eq!(told(Ok(brief)).await.1, "token_expired");
    let body = r#"{"user":"ada"}"#;
    post(address, "/revoke", &[("Cookie", &cookie)], body).await;
    assert_eq!(told(Ok(by_token)).await.1, "revoked");
    assert_eq!(told(Ok(by_session)).await.1, "revoked");
    post(address, "/logout", &[("Cookie", &cookie)], "").await;
    Counts::when(address, "ws_auth_leases", 1.0).await;
    let counts = Counts::when(
        address,
        "ws_auth_closing_handshakes_total{outcome=peer_closed}",
        3.0,
    )
    .await;
    drop(of_bob);
    Counts::when(address, "ws_auth_leases", 0.0).await;

    counts.assert(
        "ws_auth_leases_ended_total",
        &[("reason=revoked", 2.0), ("reason=token_expired", 1.0)],
    );
    counts.assert(
        "ws_auth_revocations_total",
        &[("reason=revoked", 1.0), ("reason=session_ended", 1.0)],
    );
    counts.assert(
        "ws_auth_closing_handshakes_total",
        &[("outcome=peer_closed", 3.0)],
    );
    drop(child);
}

#[tokio::test]
async fn a_storm_of_every_outcome_leaves_nothing_open_and_no_label_that_a_client_wrote() {
    let (_child, address) = program(&["--metrics"]).await;
    let own = own_origin(address);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let own = own.clone();
        tasks.spawn(async move {
            let user = format!("user-{n}");
            match n % 4 {
                0 => drop(welcomed(address, &user).await),
                1 => {
                    // Gone without a word.
                    let path = format!("jwt?token={}", token_of(&user));
                    let mut socket = connect(address, &path, &[]).await.unwrap();
                    next(&mut socket).await;
                    drop(socket.into_inner());
                }
                2 => {
                    let path = format!("jwt?token=forged-{n}");
                    let refused = connect(address, &path, &[("origin", &own)]).await;
                    assert_eq!(told(refused).await.1, "token_invalid");
                }
                _ => {
                    // Refused, and gone before it has said closing handshake.
                    let path = format!("jwt?token=forged-{n}");
                    let refused = connect(address, &path, &[("origin", &own)]).await.unwrap();
                    drop(refused.into_inner());
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    Counts::when(address, "ws_auth_leases", 0.0).await;
    let closing_handshakes = |counts: &Counts| {
        let all = counts.0.iter();
        all.filter(|(series, _)| series.starts_with("ws_auth_closing_handshakes_total"))
            .map(|(_, n)| n)
            .sum::<f64>()
    };
    let all_told = async || closing_handshakes(&Counts::of(address).await) > 99.9;
    until_ok("all are told", all_told).await;

    let counts = Counts::of(address).await;
    counts.assert(
        "ws_auth_decisions_total",
        &[
            ("kind=none,outcome=accepted,strategy=jwt", 100.0),
            ("kind=token_invalid,outcome=refused,strategy=jwt", 100.0),
        ],
    );
    assert!(
        (closing_handshakes(&counts) - 100.0).abs() < 0.1,
        "{counts:?}"
    );
    let (_, _, body) = get(address, "/metrics").await;
    assert!(!body.contains("user-") && !body.contains("forged"));
    for name in [
        "ws_auth_decisions_total counter",
        "ws_auth_decision_seconds histogram",
        "ws_auth_closing_handshakes_total counter",
        "ws_auth_leases gauge",
    ] {
        assert!(body.contains(&format!("# TYPE {name}")), "{body}");
    }
}
