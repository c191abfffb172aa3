use std::net::SocketAddr;

use socket_tests::{Answer, Http2, end_of, token};
use stacks_tests::APP;
use tempfile::TempDir;
use tokio::process::Command;

use super::proxy::{Proxy, configuration, free};
use super::{
    a_crowd_reads_its_code, ends_soon_without_a_code, heads_arrive, leaks, passes_everything_on,
    upstream,
};

/// `HAProxy` with the configuration as the page shows it.
pub(crate) async fn haproxy(app: SocketAddr) -> Proxy {
    haproxy_with(app, |configuration| configuration).await
}

pub(crate) async fn haproxy_with(app: SocketAddr, change: impl FnOnce(String) -> String) -> Proxy {
    let folder = TempDir::new().unwrap();
    let address = free();
    let file = folder.path().join("haproxy.cfg");
    let text = change(configuration("haproxy/haproxy.cfg", address, app));
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    Proxy::start(address, folder, command).await
}

#[tokio::test]
async fn accepted_and_refused_clients_read_the_same_as_without_it() {
    passes_everything_on(&haproxy(upstream().await).await).await;
}

#[tokio::test]
async fn three_hundred_refused_clients_at_once_read_their_code() {
    a_crowd_reads_its_code(&haproxy(upstream().await).await).await;
}

/// A browser chooses HTTP/2 as soon as TLS and its ALPN offer it. The application reads HTTP/1.1.
#[tokio::test]
async fn over_http2_too() {
    let proxy = haproxy_with(upstream().await, |text| {
        let address = text.split_once("bind ").unwrap().1.lines().next().unwrap();
        text.replace(address, &format!("{address} proto h2"))
    });
    let proxy = proxy.await;
    let mut connection = Http2::connect(proxy.address).await.unwrap();
    let page = [("origin", APP), ("sec-websocket-protocol", "chat.v1")];
    let query = format!("?token={}", token(2));
    let opened = connection.open(&query, &page).await;
    assert!(opened.is_ok(), "{opened:?}");
    let answer = end_of(opened).await;
    assert_eq!(answer, Answer::closed(4401, "token_expired"));
    for _ in 0..5 {
        let query = format!("?token={}", token(-3600));
        let refused = connection.open(&query, &page).await;
        let answer = end_of(refused).await;
        assert_eq!(answer, Answer::closed(4401, "token_expired"));
    }
}

#[tokio::test]
async fn the_application_reads_host_origin_and_client() {
    heads_arrive(haproxy).await;
}

#[tokio::test]
async fn tokens_stay_out_of_its_log() {
    assert!(!leaks(&haproxy(upstream().await).await).await);
}

#[tokio::test]
async fn its_default_format_logs_tokens() {
    let proxy = haproxy_with(upstream().await, |text| {
        let format = r#"log-format "%ci [%tr] %HM %HP %HV %ST %B %Tt %b/%s""#;
        assert!(text.contains(format));
        text.replace(format, "option httplog")
    });
    assert!(leaks(&proxy.await).await);
}

#[tokio::test]
async fn without_a_timeout_for_tunnels_a_silent_socket_ends_without_a_code() {
    let proxy = haproxy_with(upstream().await, |text| {
        text.replace("timeout tunnel 1h", "").replace("30s", "3s")
    });
    ends_soon_without_a_code(&proxy.await).await;
}
