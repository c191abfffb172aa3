//! The way to Redis is encrypted.

use std::path::PathBuf;
use std::time::Duration;

use node_tests::Node;
use rcgen::CertifiedKey;
use tempfile::TempDir;
use test_servers::Server;
use test_support::free_port;
use tokio::process::Command;
use tokio::time::timeout;

use crate::{PROGRAM, refused};

/// A Redis that speaks TLS as well, and its certificate.
struct Encrypted {
    server: Server,
    url: String,
    certificate: PathBuf,
    _folder: TempDir,
}

fn encrypted() -> Encrypted {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let port = free_port();
    let certificate_name = certificate.to_str().unwrap();
    let server = Server::with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        certificate_name,
        "--tls-key-file",
        key.to_str().unwrap(),
        "--tls-ca-cert-file",
        certificate_name,
        "--tls-auth-clients",
        "no",
    ]);
    Encrypted {
        server,
        url: format!("rediss://127.0.0.1:{port}"),
        certificate,
        _folder: folder,
    }
}

#[tokio::test]
async fn by_tls_two_nodes_share_tickets_sessions_and_revocations() {
    let redis = encrypted();
    let start = || Node::start_trusting(&redis.certificate, PROGRAM, &redis.url, &[]);
    let (a, b) = tokio::join!(start(), start());
    let cookie = a.login("ada").await;
    let session = b.open_page("/session", &cookie).await;
    let path = format!("/ticket?ticket={}", a.ticket(&cookie, None).await);
    let ticket = b.open(&path).await;
    assert_eq!(a.refusal(&path).await, refused(401, "ticket_invalid"));
    let path = format!("/jwt?token={}", b.token(&cookie, 600).await);
    let jwt = a.open(&path).await;
    b.revoke(&cookie, "ada").await;
    for socket in [session, ticket, jwt] {
        assert_eq!(socket.end().await, refused(4403, "revoked"));
    }
    assert_eq!(a.refusal(&path).await, refused(401, "token_invalid"));
    // They have not gone round it.
    let clients: String = redis.server.ask("CLIENT LIST").await;
    let port = format!(" laddr=127.0.0.1:{}", redis.server.port());
    let plain = clients.lines().filter(|client| client.contains(&port));
    assert_eq!(plain.count(), 1, "but for the one that asks: {clients}");
}

#[tokio::test]
async fn a_node_does_not_start_on_a_redis_whose_certificate_it_does_not_trust() {
    let (redis, other) = (encrypted(), encrypted());
    let program = Command::new(PROGRAM)
        .args(["--listen", "127.0.0.1:0", "--redis", &redis.url])
        .env("SSL_CERT_FILE", &other.certificate)
        .kill_on_drop(true)
        .output();
    let ended = timeout(Duration::from_secs(60), program).await;
    let ended = ended.expect("it has started").unwrap();
    assert!(!ended.status.success());
    assert!(ended.stdout.is_empty(), "{ended:?}");
    let error = String::from_utf8(ended.stderr).unwrap();
    assert!(error.contains("--redis: "), "{error}");
}
