use http::StatusCode;
use tower_ws_auth_socket::private::{Outcome, Protocol, UpgradeGuard};

use crate::upgrade::handlers;
use crate::upgrade::lab::{Client, Lab, Setup, patient};

#[tokio::test]
async fn a_cut_before_the_upgrade_is_the_first_thing_that_the_client_reads() {
    let setup = Setup {
        early: true,
        ..Setup::default()
    };
    let mut lab = Lab::with(setup, handlers::reads_the_code).await;
    let mut client = Client::open(lab.address).await;
    let frame = client.frame().await;
    assert_eq!(frame.payload, b"\x11\x31token_expired");
    client.send(8, b"").await;
    client.reads_the_end().await;
    assert!(matches!(lab.outcome().await, Outcome::PeerClosed));
    lab.is_empty().await;
}

#[tokio::test]
async fn a_cut_before_an_answer_without_upgrade_ends_the_closing_handshake() {
    let setup = Setup {
        early: true,
        status: StatusCode::FORBIDDEN,
        ..Setup::default()
    };
    let mut lab = Lab::with(setup, handlers::echo).await;
    let (_, head) = Client::ask(lab.address).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    assert!(matches!(lab.outcome().await, Outcome::NotUpgraded));
    lab.is_empty().await;
    assert_eq!(lab.failed.now(), 1);
}

#[tokio::test]
async fn a_reclaimed_connection_can_be_told_why() {
    let setup = Setup {
        status: StatusCode::UNAUTHORIZED,
        ..Setup::default()
    };
    let mut lab = Lab::with(setup, handlers::echo).await;
    let (mut client, close_handle) = lab.open().await;
    client.reads_the_code().await;
    assert!(close_handle.is_over());
    assert!(!lab.cut(&close_handle, patient()));
    lab.is_empty().await;
    assert_eq!(lab.failed.now(), 1, "its handler never had it");
}

#[tokio::test]
async fn a_server_without_upgrades_fails_the_handlers_wait() {
    let setup = Setup {
        upgrades: false,
        ..Setup::default()
    };
    let mut lab = Lab::with(setup, handlers::echo).await;
    let (mut client, close_handle) = lab.open().await;
    client.reads_the_end().await;
    lab.is_empty().await;
    assert!(close_handle.is_over());
    assert_eq!(lab.failed.now(), 1);
}

#[tokio::test]
async fn a_server_without_upgrades_ends_an_early_cut() {
    let setup = Setup {
        upgrades: false,
        early: true,
        ..Setup::default()
    };
    let mut lab = Lab::with(setup, handlers::echo).await;
    let mut client = Client::open(lab.address).await;
    client.reads_the_end().await;
    assert!(matches!(lab.outcome().await, Outcome::NotUpgraded));
    lab.is_empty().await;
}

#[test]
fn a_server_that_offers_no_upgrade_gets_no_guard() {
    let (mut head, ()) = http::Request::new(()).into_parts();
    assert!(UpgradeGuard::interpose(&mut head, Protocol::WebSocket).is_none());
}
