//! The gateway before a server of async-graphql: it takes the token from `connection_init`, which the server
//! acknowledges. The library graphql-ws is the client.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_graphql::futures_util::stream::{self, Stream, StreamExt as _};
use async_graphql::http::ALL_WEBSOCKET_PROTOCOLS;
use async_graphql::{Context, Data, EmptyMutation, Object, Schema, Subscription};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use axum::routing::any;
use axum::{BoxError, Router};
use clap::Parser as _;
use client_tests::Page;
use gateway::{Gateway, Options};
use http::HeaderMap;
use serde_json::{Value, json};
use socket_tests::now;
use tokio::net::TcpListener;

use crate::clients::{APP, SECRET, start, token};

/// As the gateway names the user of a connection.
struct User(String);

struct Query;

#[Object]
impl Query {
    async fn me(&self, context: &Context<'_>) -> async_graphql::Result<String> {
        Ok(context.data::<User>()?.0.clone())
    }
}

struct Feed;

#[Subscription]
impl Feed {
    /// Never completes.
    async fn presence(
        &self,
        context: &Context<'_>,
    ) -> async_graphql::Result<impl Stream<Item = String>> {
        let name = context.data::<User>()?.0.clone();
        Ok(stream::iter([format!("{name} is here")]).chain(stream::pending()))
    }
}

/// What the server has seen.
#[derive(Clone, Default)]
struct Seen {
    handshakes: Arc<AtomicUsize>,
    /// The payloads of `connection_init`.
    payloads: Arc<Mutex<Vec<Value>>>,
}

/// A server that knows nothing of tokens.
async fn subscribe(
    upgrade: WebSocketUpgrade,
    protocol: GraphQLProtocol,
    headers: HeaderMap,
    State(seen): State<Seen>,
) -> Response {
    seen.handshakes.fetch_add(1, Ordering::SeqCst);
    let mut data = Data::default();
    let user = headers["x-auth-user"].to_str().unwrap();
    data.insert(User(user.to_owned()));
    upgrade
        .protocols(ALL_WEBSOCKET_PROTOCOLS)
        .on_upgrade(move |socket| {
            GraphQLWebSocket::new(socket, Schema::new(Query, EmptyMutation, Feed), protocol)
                .with_data(data)
                .on_connection_init(async move |payload| {
                    let payload = serde_json::to_value(payload).unwrap();
                    seen.payloads.lock().unwrap().push(payload);
                    Ok(Data::default())
                })
                .serve()
        })
}

async fn serve(listener: TcpListener, seen: Seen) -> Result<(), BoxError> {
    let app = Router::new().route("/graphql", any(subscribe));
    axum::serve(listener, app.with_state(seen)).await?;
    Ok(())
}

/// The gateway before it, which runs as long as the test.
async fn gateway_before(upstream: SocketAddr) -> SocketAddr {
    let upstream = format!("http://{upstream}");
    let options = [
        "gateway",
        "--listen=127.0.0.1:0",
        "--hold-ms=0",
        "--origin",
        APP,
        "--upstream",
        &upstream,
        "--jwt-secret",
        SECRET,
        "--first-message=graphql-ws",
        "--keep-credential",
    ];
    let options = Options::try_parse_from(options).unwrap();
    let gateway = Gateway::bind(options).await.unwrap();
    let address = gateway.address();
    tokio::spawn(gateway.serve(std::future::pending()));
    address
}

fn page(gateway: SocketAddr, tokens: &[&str], name: &str, query: &str) -> Page {
    const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/graphql_ws.cjs");
    let job = json!({
        "url": format!("ws://{gateway}/graphql"),
        "origin": APP,
        "tokens": tokens,
        "queries": [[name, query]],
    });
    Page::open(SCRIPT, &job, "graphql-ws")
}

fn of_ada(claims: Value) -> String {
    let mut claims = claims;
    claims["sub"] = "ada".into();
    socket_tests::token_with(&claims, SECRET.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_connection_init_is_checked_by_the_gateway_and_acknowledged_by_the_server() {
    let seen = Seen::default();
    let of_server = seen.clone();
    let upstream = start(|listener| serve(listener, of_server)).await;
    let gateway = gateway_before(upstream).await;
    let handshakes = || seen.handshakes.load(Ordering::SeqCst);
    let good = token(json!({ "sub": "ada" }));

    let mut accepted = page(gateway, &[&good], "query", "{ me }");
    accepted
        .shows(&[
            json!({ "next": { "me": "ada" } }),
            json!({ "complete": "query" }),
        ])
        .await;
    accepted.leaves().await;
    assert_eq!(handshakes(), 1);
    let bearer = json!({ "Authorization": format!("Bearer {good}") });
    assert_eq!(*seen.payloads.lock().unwrap(), [bearer]);

    // It does not come back: that would be another line.
    let mut refused = page(gateway, &["guessed"], "query", "{ me }");
    refused
        .shows(&[
            json!({ "closed": [4401, "token_invalid"] }),
            json!({ "failed": "query" }),
        ])
        .await;
    refused.leaves().await;
    assert_eq!(handshakes(), 1);

    // It comes back with the next token.
    let expired = of_ada(json!({ "exp": now() - 60 }));
    let mut expired = page(gateway, &[&expired, &good], "query", "{ me }");
    expired
        .shows(&[
            json!({ "closed": [4403, "token_expired"] }),
            json!({ "next": { "me": "ada" } }),
            json!({ "complete": "query" }),
        ])
        .await;
    expired.leaves().await;
    assert_eq!(handshakes(), 2);

    // The token ends while the subscription is open, which then goes on with the next one.
    let brief = of_ada(json!({ "exp": now() + 5 }));
    let mut brief = page(
        gateway,
        &[&brief, &good],
        "subscription",
        "subscription { presence }",
    );
    let here = json!({ "next": { "presence": "ada is here" } });
    let ended = json!({ "closed": [4403, "token_expired"] });
    brief.shows(&[here.clone(), ended, here]).await;
    brief.leaves().await;
    assert_eq!(handshakes(), 4);
}
