//! The recipe for Socket.IO, with socket.io-client.
#![cfg(feature = "clients")]

use std::net::SocketAddr;

use client_tests::Page;
use serde_json::json;

use crate::{APP, EVIL, SECRET, body, cookie, request, socket_io, start};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/socket_io.cjs");

async fn server() -> SocketAddr {
    start(|listener| socket_io::serve(listener, SECRET)).await
}

async fn login(address: SocketAddr, name: &str) -> String {
    let form = format!(
        "Origin: {APP}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\nname={name}",
        5 + name.len()
    );
    cookie(&request(address, "POST /login", &form).await)
}

fn open(address: SocketAddr, namespace: &str, transports: &[&str], cookie: &str) -> Page {
    let job = json!({
        "port": address.port(), "namespace": namespace, "transports": transports, "cookie": cookie,
    });
    Page::open(SCRIPT, &job, "socket.io-client")
}

const TRANSPORTS: [&[&str]; 2] = [&["polling"], &["websocket"]];

#[tokio::test]
async fn a_logout_ends_each_transport() {
    for transports in TRANSPORTS {
        let address = server().await;
        let cookie = login(address, "ada").await;
        let mut page = open(address, "", transports, &cookie);
        page.shows(&[json!({ "event": "hello", "name": "ada" })])
            .await;
        let lines = format!("Origin: {APP}\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n");
        let answer = request(address, "POST /logout", &lines).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let ended = page.next().await;
        if transports == ["polling"] && ended["event"] == "disconnect" {
            // It was about to send a packet, such as a pong: that is 401, and the new attempt reads why.
            assert_eq!(ended["reason"], "transport error", "{ended}");
            page.shows(&[json!({ "event": "connect_error", "message": "session_invalid" })])
                .await;
        } else {
            assert_eq!(ended["event"], "auth_ended", "{ended}");
            // A poll under way ends with the session, and the next one is refused.
            let next = transports == ["polling"] && ended["reason"] == "session_invalid";
            assert!(next || ended["reason"] == "session_ended", "{ended}");
            // It does not come back by itself.
            page.shows(&[json!({ "event": "disconnect", "active": false })])
                .await;
        }
        page.leaves().await;

        let mut again = open(address, "", transports, &cookie);
        again
            .shows(&[json!({ "event": "connect_error", "message": "session_invalid" })])
            .await;
    }
}

#[tokio::test]
async fn the_namespace_of_administrators_refuses_others() {
    let address = server().await;
    for transports in TRANSPORTS {
        for (name, event) in [
            ("root", json!({ "event": "hello", "name": "root" })),
            (
                "ada",
                json!({ "event": "connect_error", "message": "forbidden" }),
            ),
        ] {
            let cookie = login(address, name).await;
            let mut page = open(address, "/admin", transports, &cookie);
            page.shows(&[event]).await;
            page.leaves().await;
        }
    }
}

/// A browser sends no `Origin` with a GET of its own page: the first poll.
#[tokio::test]
async fn the_first_poll_of_a_page_needs_no_origin_and_a_foreign_one_is_refused() {
    let address = server().await;
    let cookie = login(address, "ada").await;
    let poll = async |field: &str| {
        let lines = format!("Cookie: {cookie}\r\n{field}\r\n\r\n");
        request(address, "GET /socket.io/?EIO=4&transport=polling", &lines).await
    };
    let opened = poll("Sec-Fetch-Site: same-origin").await;
    assert!(body(&opened).starts_with("0{"), "{opened}");
    for field in [
        "Sec-Fetch-Site: cross-site",
        "X-Nothing: 1",
        &format!("Origin: {EVIL}"),
    ] {
        let refused = poll(field).await;
        assert!(refused.starts_with("HTTP/1.1 403 "), "{field}: {refused}");
    }
}

#[tokio::test]
async fn a_stranger_reads_why_by_each_transport() {
    let address = server().await;
    for transports in TRANSPORTS {
        let mut page = open(address, "", transports, "");
        page.shows(&[json!({ "event": "connect_error", "message": "credentials_missing" })])
            .await;
        page.leaves().await;
    }
}
