use std::net::SocketAddr;

use socket_tests::{Answer, end_of, token};
use stacks_tests::browser;
use tempfile::TempDir;
use tokio::process::Command;

use super::proxy::{Proxy, configuration, free};
use super::{
    CANARY, a_crowd_reads_its_code, ends_soon_without_a_code, heads_arrive, leaks,
    passes_everything_on, upstream,
};

/// nginx with the site as the page shows it.
pub(crate) async fn nginx(app: SocketAddr) -> Proxy {
    nginx_with(app, |site| site).await
}

pub(crate) async fn nginx_with(app: SocketAddr, change: impl FnOnce(String) -> String) -> Proxy {
    let folder = TempDir::new().unwrap();
    let path = folder.path().display();
    let address = free();
    let site = change(configuration("nginx/site.conf", address, app));
    let site = site.replace("/var/log/nginx", &path.to_string());
    let bodies: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {path}/{kind};\n"))
        .concat();
    let main = format!(
        "daemon off; master_process off; pid {path}/nginx.pid; error_log {path}/error.log;\n\
         events {{ worker_connections 2000; }}\nhttp {{\naccess_log off;\n{bodies}{site}\n}}\n"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, main).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder.path()).arg("-c").arg(file);
    // Until it has read that file; by default it is one of the system's.
    command.arg("-e").arg(folder.path().join("error.log"));
    Proxy::start(address, folder, command).await
}

#[tokio::test]
async fn accepted_and_refused_clients_read_the_same_as_without_it() {
    passes_everything_on(&nginx(upstream().await).await).await;
}

#[tokio::test]
async fn three_hundred_refused_clients_at_once_read_their_code() {
    a_crowd_reads_its_code(&nginx(upstream().await).await).await;
}

#[tokio::test]
async fn the_application_reads_host_origin_and_client() {
    heads_arrive(nginx).await;
}

#[tokio::test]
async fn tokens_stay_out_of_its_log() {
    assert!(!leaks(&nginx(upstream().await).await).await);
}

#[tokio::test]
async fn its_default_format_logs_tokens() {
    let proxy = nginx_with(upstream().await, |site| {
        site.replace("access.log without_query", "access.log combined")
    });
    assert!(leaks(&proxy.await).await);
}

#[tokio::test]
async fn tokens_stay_out_of_its_error_log_while_the_application_is_down() {
    let proxy = nginx(free()).await;
    assert_eq!(status_while_down(&proxy).await, 502);
    let logs = proxy.logs(1).await;
    assert!(!logs.contains(CANARY), "{logs}");
}

#[tokio::test]
async fn its_default_error_log_has_them() {
    let proxy = nginx_with(free(), |site| {
        site.replace("error.log crit", "error.log error")
    });
    let proxy = proxy.await;
    assert_eq!(status_while_down(&proxy).await, 502);
    assert!(proxy.logs(2).await.contains(CANARY));
}

async fn status_while_down(proxy: &Proxy) -> u16 {
    let opened = browser(proxy.address, &format!("?token={CANARY}")).await;
    match end_of(opened).await {
        Answer::Http(status, _) => status,
        other => panic!("{other:?}"),
    }
}

mod wrong_settings {
    use super::*;

    #[tokio::test]
    async fn without_the_two_headers_every_handshake_is_refused() {
        let proxy = nginx_with(upstream().await, |site| {
            site.replace("proxy_set_header Upgrade $http_upgrade;", "")
                .replace("proxy_set_header Connection $connection_upgrade;", "")
        });
        let opened = browser(proxy.await.address, &format!("?token={}", token(600))).await;
        let answer = end_of(opened).await;
        assert_eq!(answer, Answer::http(400, "handshake_invalid"));
    }

    #[tokio::test]
    async fn with_http_1_0_too() {
        let proxy = nginx_with(upstream().await, |site| {
            site.replace("proxy_http_version 1.1;", "")
        });
        let opened = browser(proxy.await.address, &format!("?token={}", token(600))).await;
        let answer = end_of(opened).await;
        assert_eq!(answer, Answer::http(400, "handshake_invalid"));
    }

    #[tokio::test]
    async fn a_short_read_timeout_ends_a_silent_socket_without_a_code() {
        let proxy = nginx_with(upstream().await, |site| {
            site.replace("proxy_read_timeout 1h;", "proxy_read_timeout 3s;")
        });
        ends_soon_without_a_code(&proxy.await).await;
    }
}
