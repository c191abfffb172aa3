//! What an operator sees and does.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use serde_json::json;
use test_support::http1::ask;
use test_support::{Log, bounded};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_tungstenite::tungstenite::Message;
use tower_ws_auth::jwt::{JwtEncoder, SigningKey};

use crate::hostile_clients::all_of;
use crate::peer::{
    ORIGIN, Running, SECRET, SOON, ada, connect, end_of, handshake, next, now, refused, token_of,
};
use crate::upstream::Upstream;

const OTHER: &str = "another secret of 32 bytes .....";

/// Secrets in a file of their own, which is gone with it.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("gateway-{name}-{}", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }

    fn flag(&self) -> String {
        format!("@{}", self.0.display())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn signed_by(secret: &str) -> String {
    let key = SigningKey::hs256(secret).unwrap();
    let claims = json!({ "sub": "ada", "exp": now() + 600 });
    format!(
        "/echo?token={}",
        JwtEncoder::new(key).encode(&claims).unwrap()
    )
}

#[tokio::test]
async fn the_admin_address_answers_health_readiness_and_metrics_and_the_other_one_does_not() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &["--admin-listen", "127.0.0.1:0"]).await;
    drop(ada(&gateway, "/echo").await);
    let admin = gateway.admin.unwrap();
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = ask(admin, &format!("GET {path}"), &[], "").await;
        assert_eq!((answer.status, &*answer.body), (200, body));
    }
    let metrics = ask(admin, "GET /metrics", &[], "").await;
    let accepted = r#"ws_auth_decisions_total{strategy="jwt",outcome="accepted",kind="none"}"#;
    assert!(metrics.body.contains(accepted), "{}", metrics.body);
    assert_eq!(ask(admin, "GET /echo", &[], "").await.status, 404);
    assert_eq!(ask(admin, "POST /healthz", &[], "").await.status, 405);
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = ask(gateway.address, &format!("GET {path}"), &[], "").await;
        assert_eq!(answer.status, 400, "{path}");
    }
}

#[tokio::test]
async fn it_is_not_ready_without_the_keys_or_while_it_stops() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let upstream = Upstream::start().await;
    let jwks = format!("http://{nobody}/jwks.json");
    let flags = ["--admin-listen", "127.0.0.1:0", "--jwks-url", &jwks];
    let gateway = Running::start(upstream.address, &flags).await;
    let answer = ask(gateway.admin.unwrap(), "GET /readyz", &[], "").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("--jwks-url"), "{answer:?}");
    let answer = ask(gateway.admin.unwrap(), "GET /healthz", &[], "").await;
    assert_eq!(answer.status, 200);

    let flags = ["--admin-listen", "127.0.0.1:0", "--drain", "60"];
    let mut gateway = Running::start(upstream.address, &flags).await;
    let admin = gateway.admin.unwrap();
    let socket = ada(&gateway, "/echo").await;
    gateway.tell_to_stop();
    let stops = async {
        while ask(admin, "GET /readyz", &[], "").await.status == 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    bounded("it stops", stops).await;
    let answer = ask(admin, "GET /readyz", &[], "").await;
    assert_eq!(answer.body, "the gateway stops\n");
    drop(socket);
    gateway.stopped().await;
}

#[tokio::test]
async fn one_line_says_who_came_from_where_and_how_it_ended() {
    let log = Log::capture();
    let upstream = Upstream::start().await;
    let options = ["--path", "/in=authenticate", "--idle-timeout", "0.3"];
    let gateway = Running::start(upstream.address, &options).await;
    let mut socket = ada(&gateway, "/echo?secret=CANARY").await;
    socket.send(Message::text("hi")).await.unwrap();
    next(&mut socket).await;
    assert_eq!(
        end_of(&mut socket).await,
        Some((4408, "idle_timeout".to_owned()))
    );
    drop(socket);
    let mut socket = ada(&gateway, "/close/4321").await;
    end_of(&mut socket).await;
    drop(socket);
    let bearer = format!("Bearer {}", token_of("Zoë\n"));
    let fields = [("Authorization", &*bearer)];
    ask(
        gateway.address,
        "POST /in/echo?secret=CANARY",
        &fields,
        "12345",
    )
    .await;
    refused(
        gateway.address,
        "/echo?token=CANARY",
        &[("origin", "https://evil.example")],
    )
    .await;
    connect(
        gateway.address,
        "/echo?token=CANARY",
        &mut vec![("origin", ORIGIN.to_owned())],
    )
    .await
    .unwrap();
    gateway.is_empty_within(SOON).await;
    let text = log.text();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("gateway::access"))
        .collect();
    assert_eq!(lines.len(), 5, "{text}");
    for (line, parts) in lines.iter().zip([
        &["user=\"ada\" method=GET path=\"/echo\" status=101 code=4408 reason=\"idle_timeout\""][..],
        &["user=\"ada\" method=GET path=\"/close/4321\" status=101 code=4321 duration_ms="],
        &[
            "user=\"Zo%C3%AB%0A\" method=POST path=\"/in/echo\" status=200 duration_ms=",
            "bytes_up=5 bytes_down=5",
        ],
        &[" method=GET path=\"/echo\" status=403 duration_ms="],
        // A page reads it in a close frame.
        &[" method=GET path=\"/echo\" status=401 duration_ms="],
    ]) {
        for part in parts {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(line.contains(" client=127.0.0.1:"), "{line}");
        assert!(!line.contains("CANARY"), "{line}");
    }
    // The decision, the end and the line have one number.
    let number = lines[0].split("connection=").nth(1).unwrap();
    let number = number.split(' ').next().unwrap();
    for event in ["handshake accepted", "lease ended"] {
        let line = text.lines().find(|line| line.contains(event)).unwrap();
        let same = format!("connection={number} who=\"ada\"");
        assert!(line.contains(&same), "{same} in {line}");
    }
    assert!(!lines[3].contains("connection="), "{}", lines[3]);
}

#[tokio::test]
async fn what_is_no_http_leaves_a_line_too() {
    let log = Log::capture();
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let too_large = handshake("/echo", &format!("X-A: {}\r\n", "x".repeat(80 * 1024)));
    let no_http = "GET /echo?token=CANARY HTTP/1.1\r\nX-A : 1\r\n\r\n";
    for request in [no_http, &too_large] {
        all_of(gateway.address, request.as_bytes()).await;
    }
    gateway.is_empty_within(SOON).await;
    let text = log.text();
    let lines = text.lines().filter(|line| line.contains("INFO gateway"));
    let lines: Vec<_> = lines.filter(|line| line.contains("is no HTTP")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines.iter().all(|line| line.contains("client=127.0.0.1:")),
        "{text}"
    );
    assert!(!lines.concat().contains("CANARY"), "{text}");
}

#[tokio::test]
async fn an_upstream_that_fails_is_one_line_with_the_flag_and_the_cause() {
    let log = Log::capture();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let upstream = Upstream::start().await;
    let bearer = format!("Bearer {}", token_of("ada"));
    let with = [("authorization", &*bearer)];
    for (address, path, cause) in [
        (nobody, "/echo", "nothing listens at --upstream"),
        (
            upstream.address,
            "/gone",
            "--upstream hung up without an answer",
        ),
        (
            upstream.address,
            "/ssh",
            "--upstream answers in no HTTP/1.1",
        ),
        (
            upstream.address,
            "/wrong",
            "`Sec-WebSocket-Accept` of --upstream",
        ),
        (upstream.address, "/bare", "no `Upgrade: websocket`"),
        (upstream.address, "/200", "a success that is no 101"),
    ] {
        let gateway = Running::start(address, &[]).await;
        let before = log.text().len();
        assert_eq!(refused(gateway.address, path, &with).await.0, 502, "{path}");
        let text = log.text()[before..].to_owned();
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.contains("a handshake failed"))
            .collect();
        assert_eq!(lines.len(), 1, "{text}");
        assert!(lines[0].contains(cause), "{cause} in {}", lines[0]);
    }
    let text = log.text();
    assert!(
        text.contains("--upstream refuses a handshake status=200"),
        "{text}"
    );
}

#[tokio::test]
async fn a_secret_of_a_file_changes_without_a_restart_and_a_bad_one_changes_nothing() {
    let upstream = Upstream::start().await;
    let file = File::new("reload", &format!("{OTHER}\n"));
    let flag = file.flag();
    let gateway = Running::start(upstream.address, &["--jwt-secret", &flag]).await;
    let mut open = connect(gateway.address, &signed_by(OTHER), &mut vec![])
        .await
        .unwrap();
    let third = "a third secret of 32 bytes, too ..";
    assert_eq!(
        refused(gateway.address, &signed_by(third), &[]).await.0,
        401
    );
    file.write(third);
    gateway.reload.now().unwrap();
    drop(
        connect(gateway.address, &signed_by(third), &mut vec![])
            .await
            .unwrap(),
    );
    assert_eq!(
        refused(gateway.address, &signed_by(OTHER), &[]).await.0,
        401
    );
    open.send(Message::text("hi")).await.unwrap();
    assert_eq!(next(&mut open).await, Message::text("hi"));
    for bad in ["", "\n", "sh0rt"] {
        file.write(bad);
        let error = gateway.reload.now().unwrap_err().to_string();
        assert!(error.contains("--jwt-secret"), "{error}");
        assert!(!error.contains("sh0rt"), "{error}");
        drop(
            connect(gateway.address, &signed_by(third), &mut vec![])
                .await
                .unwrap(),
        );
    }
    drop(file);
    let error = gateway.reload.now().unwrap_err().to_string();
    assert!(
        error.contains("--jwt-secret @") && error.contains("No such file"),
        "{error}"
    );
}

/// The program itself.
#[cfg(unix)]
#[tokio::test]
async fn sighup_reads_secrets_again_and_never_ends_the_process() {
    obeys_signals(Command::new(env!("CARGO_BIN_EXE_gateway")), "sighup", None).await;
}

/// There it has one thread, in which everything happens.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn signals_are_obeyed_on_one_core() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let cores = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let core = cores.unwrap().trim().split([',', '-']).next().unwrap();
    // Of util-linux, as is `kill`.
    let mut process = Command::new("taskset");
    process.args(["--cpu-list", core, env!("CARGO_BIN_EXE_gateway")]);
    obeys_signals(process, "one-core", Some(1)).await;
}

#[cfg(unix)]
async fn obeys_signals(mut program: Command, name: &str, threads: Option<usize>) {
    let upstream = Upstream::start().await;
    let file = File::new(name, OTHER);
    let mut process = program
        .args(["--listen", "127.0.0.1:0", "--origin", ORIGIN])
        .args(["--upstream", &format!("http://{}", upstream.address)])
        .args(["--jwt-secret", &file.flag()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut out = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let ready = bounded("it listens", out.next_line())
        .await
        .unwrap()
        .unwrap();
    let address = ready
        .strip_prefix("listening on http://")
        .unwrap()
        .parse()
        .unwrap();
    if let Some(threads) = threads {
        let tasks = format!("/proc/{}/task", process.id().unwrap());
        assert_eq!(std::fs::read_dir(tasks).unwrap().count(), threads);
    }
    let mut says = async |text: &str| {
        while !bounded("its log", log.next_line())
            .await
            .unwrap()
            .unwrap()
            .contains(text)
        {}
    };
    drop(
        connect(address, &signed_by(OTHER), &mut vec![])
            .await
            .unwrap(),
    );
    file.write(SECRET);
    test_support::signal(process.id().unwrap(), "HUP");
    says("SIGHUP: the secrets are read again").await;
    drop(
        connect(address, &signed_by(SECRET), &mut vec![])
            .await
            .unwrap(),
    );
    assert_eq!(refused(address, &signed_by(OTHER), &[]).await.0, 401);
    file.write("short");
    test_support::signal(process.id().unwrap(), "HUP");
    says("SIGHUP: the former secrets stay in force").await;
    drop(
        connect(address, &signed_by(SECRET), &mut vec![])
            .await
            .unwrap(),
    );
    test_support::signal(process.id().unwrap(), "TERM");
    assert!(bounded("it ends", process.wait()).await.unwrap().success());
}

#[tokio::test]
async fn a_drain_ends_connections_one_after_the_other() {
    let drain = Duration::from_millis(1500);
    let upstream = Upstream::start().await;
    let mut gateway = Running::start(upstream.address, &["--drain", "1.5"]).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(ada(&gateway, "/echo").await);
    }
    gateway.tell_to_stop();
    let began = Instant::now();
    let mut ends = tokio::task::JoinSet::new();
    for mut socket in sockets {
        ends.spawn(async move {
            let end = end_of(&mut socket).await;
            assert_eq!(end, Some((1001, "going_away".to_owned())));
            began.elapsed()
        });
    }
    let mut ends = ends.join_all().await;
    ends.sort_unstable();
    // A slow machine spreads them further.
    assert!(ends[19] > ends[0] + drain / 2, "{ends:?}");
    gateway.stopped().await;
    upstream.is_empty_within(SOON).await;
}

#[tokio::test]
async fn an_upstreams_refusal_is_a_code_for_a_page_if_that_is_wanted() {
    let upstream = Upstream::start().await;
    let bearer = || format!("Bearer {}", token_of("ada"));
    let page = || vec![("origin", ORIGIN.to_owned()), ("authorization", bearer())];
    let gateway = Running::start(upstream.address, &["--convert-upstream-errors"]).await;
    for (path, code, reason) in [
        ("/401", 4401, "credentials_missing"),
        ("/403", 4403, "forbidden"),
        ("/429", 4429, "rate_limited"),
        ("/503", 4503, "unavailable"),
    ] {
        let mut socket = connect(gateway.address, path, &mut page()).await.unwrap();
        let end = end_of(&mut socket).await;
        assert_eq!(end, Some((code, reason.to_owned())), "{path}");
        // Others read the answer itself.
        let authorization = bearer();
        let fields = [("authorization", &*authorization)];
        let status = refused(gateway.address, path, &fields).await.0;
        assert_eq!(status, path[1..].parse::<u16>().unwrap());
    }
    // A page of another origin never learns it.
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(refused(gateway.address, "/503", &foreign).await.0, 403);
    let gateway = Running::start(upstream.address, &[]).await;
    assert!(connect(gateway.address, "/403", &mut page()).await.is_err());
    gateway.is_empty_within(SOON).await;
}
