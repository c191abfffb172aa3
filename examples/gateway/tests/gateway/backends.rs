//! Real servers and their clients, with the gateway in between.

use futures_util::SinkExt;
use serde_json::json;
use test_support::http1::ask;
use tokio_tungstenite::tungstenite::Message;
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, SigningKey};

use crate::node::Node;
use crate::peer::{Running, SECRET, SOON, connect, next, token_of};

async fn server(name: &str) -> (Node, std::net::SocketAddr) {
    Node::run("backends.cjs", &["server", name])
        .listening()
        .await
}

fn client(name: &str, gateway: &Running, token: &str) -> Node {
    let url = format!("http://{}", gateway.address);
    Node::run("backends.cjs", &["client", name, &url, token])
}

#[tokio::test]
async fn a_query_of_graphql_ws_is_answered_for_the_tokens_user() {
    let (_server, upstream) = server("graphql-ws").await;
    let gateway = Running::start(upstream, &[]).await;
    let mut ada = client("graphql-ws", &gateway, &token_of("ada"));
    assert_eq!(ada.line().await, json!({ "data": { "me": "ada" } }));
    assert_eq!(ada.line().await, json!({ "complete": true }));
    let mut nobody = client("graphql-ws", &gateway, "bad");
    let refused = nobody.line().await;
    assert!(
        refused["error"].as_str().unwrap().contains("401"),
        "{refused}"
    );
    drop(ada);
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn signalr_negotiates_and_connects_as_the_tokens_user() {
    let (mut server, upstream) = server("signalr").await;
    let gateway = Running::start(upstream, &["--path", "/hub=authenticate"]).await;
    let mut ada = client("signalr", &gateway, &token_of("ada"));
    assert_eq!(ada.line().await, json!({ "user": "ada" }));
    let negotiated = server.line().await;
    assert_eq!(negotiated["method"], "POST");
    assert_eq!(negotiated["user"], "ada");
    assert!(
        negotiated["url"]
            .as_str()
            .unwrap()
            .starts_with("/hub/negotiate?")
    );
    assert_eq!(
        server.line().await,
        json!({ "url": "/hub?id=t1", "user": "ada" })
    );
    let mut nobody = client("signalr", &gateway, "bad");
    let refused = nobody.line().await;
    assert!(
        refused["error"].as_str().unwrap().contains("401"),
        "{refused}"
    );
    drop(ada);
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn fastapi_behind_uvicorn_reads_who_it_is() {
    let (mut app, upstream) = Node::python("application.py").listening().await;
    let options = ["--path", "/me=authenticate"];
    let gateway = Running::start(upstream, &options).await;
    let bearer = format!("Bearer {}", token_of("ada"));
    let fields = [("Authorization", &*bearer), ("X-Auth-User", "root")];
    let answer = ask(gateway.address, "GET /me", &fields, "").await;
    assert_eq!(answer.json(), json!({ "user": "ada", "scheme": "http" }));
    let nobody = ask(gateway.address, "GET /me", &fields[1..], "").await;
    assert_eq!(nobody.status, 401);
    let path = format!("/ws?room=1&token={}", token_of("ada"));
    let mut forged = vec![("x_auth_user", "root".to_owned())];
    let opened = connect(gateway.address, &path, &mut forged);
    let mut socket = opened.await.unwrap();
    assert_eq!(
        app.line().await,
        json!({ "user": "ada", "query": "room=1" })
    );
    socket.send(Message::text("hi")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("ada: hi"));
    drop(socket);
    gateway.is_empty_within(SOON).await;
}

#[tokio::test]
async fn phoenix_joins_as_the_tokens_user() {
    let (mut server, upstream) = server("phoenix").await;
    let gateway = Running::start(upstream, &[]).await;
    let url = format!("http://{}", gateway.address);
    let token = token_of("ada");
    for (place, offered) in [("params", None), ("authToken", Some("phoenix"))] {
        let arguments = ["client", "phoenix", &url, &token, place];
        let mut ada = Node::run("backends.cjs", &arguments);
        assert_eq!(ada.line().await, json!({ "user": "ada" }), "{place}");
        let seen = server.line().await;
        assert_eq!(seen["url"], "/socket/websocket?vsn=2.0.0", "{place}");
        assert_eq!(seen["user"], "ada");
        // The token among them stays at the gateway.
        assert_eq!(seen["offered"].as_str(), offered, "{place}");
        let mut nobody = Node::run("backends.cjs", &["client", "phoenix", &url, "a.b.c", place]);
        let refused = nobody.line().await;
        assert!(
            refused["error"].as_str().unwrap().contains("401"),
            "{refused}"
        );
    }
    gateway.is_empty_within(SOON).await;
}

/// The token of a seed, whose server reads it once more.
#[tokio::test]
async fn a_server_that_compares_names_byte_for_byte_finds_them() {
    const SHORT: &str = "a secret of 20 bytes";
    let (mut server, upstream) = server("exact").await;
    let options = [
        "--jwt-secret",
        SHORT,
        "--dangerous-short-jwt-secret",
        "--jwt-user",
        "/user_id",
        "--jwt-query",
        "Authorization",
        "--keep-credential",
    ];
    assert_ne!(SHORT, SECRET);
    let gateway = Running::start(upstream, &options).await;
    let key = SigningKey::dangerous_short_hmac(Algorithm::HS256, SHORT).unwrap();
    let claims = json!({ "user_id": 7, "username": "ada", "exp": test_support::now() + 60 });
    let token = JwtEncoder::new(key).encode(&claims).unwrap();
    let mut ada = client("exact", &gateway, &token);
    assert_eq!(ada.line().await, json!({ "message": "7" }));
    let seen = server.line().await;
    assert_eq!(seen["key"], true);
    assert_eq!(seen["user"], "7");
    let url = seen["url"].as_str().unwrap();
    assert!(url.starts_with("/ws?Authorization=Bearer%20ey"), "{url}");
    let mut nobody = client("exact", &gateway, "bad");
    assert_eq!(nobody.line().await, json!({ "status": 401 }));
    drop(ada);
    gateway.is_empty_within(SOON).await;
}
