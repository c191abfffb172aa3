//! `examples/gateway` behind the proxies of its README, with the configurations that it shows.

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use clap::Parser;
use gateway::{Gateway, Options};
use http::HeaderMap;
use socket_tests::{SECRET, token};
use stacks_tests::{APP, serve};
use test_support::http1::ask;

use super::haproxy::haproxy_with;
use super::nginx::nginx_with;
use super::passes_everything_on;
use super::proxy::Proxy;

/// A server that knows no token, behind the gateway.
async fn gateway() -> SocketAddr {
    let echo = async |upgrade: WebSocketUpgrade, headers: HeaderMap| -> Response {
        let user = headers["x-auth-user"].to_str().unwrap().to_owned();
        upgrade
            .protocols(["chat.v1"])
            .on_upgrade(async move |mut socket| {
                while let Some(Ok(message)) = socket.recv().await {
                    if let Message::Text(text) = message {
                        let answer = Message::text(format!("{user}: {text}"));
                        if socket.send(answer).await.is_err() {
                            return;
                        }
                    }
                }
            })
    };
    // As a Rack application does, it looks at `Forwarded` first.
    let show = async |request: Request| format!("{:?}", request.headers());
    let app = Router::new()
        .route("/ws", any(echo))
        .route("/show", any(show));
    let upstream = format!("http://{}", serve(app).await.unwrap());
    let secret = std::str::from_utf8(SECRET).unwrap();
    let options = Options::try_parse_from([
        "gateway",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        &upstream,
        "--origin",
        APP,
        "--jwt-secret",
        secret,
        "--trust-forwarded",
        "x-forwarded",
        "--path",
        "/show=authenticate",
    ]);
    let gateway = Gateway::bind(options.unwrap()).await.unwrap();
    let address = gateway.address();
    tokio::spawn(gateway.serve(std::future::pending()));
    address
}

/// The block of the README in this language.
fn shown(language: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/gateway/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, block) = readme.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// The word behind this one.
fn behind(word: &str, text: &str) -> String {
    let (_, rest) = text.split_once(word).unwrap();
    rest.trim_start()
        .split([';', '\n', ' '])
        .next()
        .unwrap()
        .to_owned()
}

async fn nginx() -> Proxy {
    let gateway = gateway().await;
    let block = shown("nginx").replace("127.0.0.1:4000", &gateway.to_string());
    assert!(block.contains(&gateway.to_string()));
    let (map, location) = block.split_once('\n').unwrap();
    let (map, location) = (map.to_owned(), location.to_owned());
    let site = move |ours: String| {
        let listen = behind("listen", &ours);
        format!("{map}\nserver {{\nlisten {listen};\n{location}\n}}")
    };
    nginx_with(gateway, site).await
}

async fn haproxy() -> Proxy {
    let gateway = gateway().await;
    let block = shown("haproxy").replace("127.0.0.1:4000", &gateway.to_string());
    assert!(block.contains(&gateway.to_string()));
    let config = move |ours: String| {
        let bind = behind("bind", &ours);
        let defaults =
            "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n";
        format!(
            "{defaults}{}",
            block.replace("bind :8080", &format!("bind {bind}"))
        )
    };
    haproxy_with(gateway, config).await
}

#[tokio::test]
async fn clients_read_the_same_behind_nginx() {
    passes_everything_on(&nginx().await).await;
}

#[tokio::test]
async fn clients_read_the_same_behind_haproxy() {
    passes_everything_on(&haproxy().await).await;
}

#[tokio::test]
async fn what_an_outsider_says_about_itself_ends_before_the_server() {
    for proxy in [nginx().await, haproxy().await] {
        let bearer = format!("Bearer {}", token(600));
        let forged = [
            ("Authorization", &*bearer),
            ("X-Forwarded-For", "192.0.2.66"),
            ("X_Forwarded_For", "192.0.2.66"),
            ("X-Forwarded-Proto", "forged"),
            ("X-Forwarded-Host", "forged.example"),
            ("X-Forwarded-Port", "666"),
            ("X-Forwarded-User", "forged"),
            ("X-Forwarded-Prefix", "/forged"),
            (
                "Forwarded",
                "for=192.0.2.66;host=forged.example;proto=forged",
            ),
            ("X-Real-IP", "192.0.2.66"),
            ("X-Auth-User", "forged"),
            ("X-Auth-Claim-Role", "forged"),
            ("Remote-User", "forged"),
            ("X-WEBAUTH-USER", "forged"),
            ("X-Original-URL", "/forged"),
            ("Connection", "X-Forwarded-For, X-Auth-User"),
        ];
        let answer = ask(proxy.address, "GET /show", &forged, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for word in ["forged", "192.0.2.66", "666"] {
            assert!(!answer.body.contains(word), "{word} in {answer:?}");
        }
        let address = proxy.address;
        for expected in [
            "\"x-auth-user\": \"ada\"".to_owned(),
            "\"x-forwarded-for\": \"127.0.0.1, 127.0.0.1\"".to_owned(),
            "\"x-forwarded-proto\": \"http\"".to_owned(),
            format!("\"x-forwarded-host\": \"{address}\""),
            "\"x-real-ip\": \"127.0.0.1\"".to_owned(),
            format!("for=127.0.0.1;host=\\\"{address}\\\";proto=http, for=127.0.0.1;"),
        ] {
            assert!(answer.body.contains(&expected), "{expected} in {answer:?}");
        }
        // Without a token nothing reaches it.
        assert_eq!(
            ask(proxy.address, "GET /show", &forged[1..], "")
                .await
                .status,
            401
        );
        assert_eq!(
            ask(proxy.address, "GET /ws", &forged[..1], "").await.status,
            400
        );
    }
}
