//! GraphQL, MCP, OpenTelemetry, yawc: the identity reaches where it is needed, and the token does not.

use std::net::SocketAddr;

use futures_util::SinkExt;
use serde_json::{Value, json};
use socket_tests::{Answer, Client, end_of};

use crate::clients::{APP, EVIL, SECRET, body, open, page, request, start, text, token};
use crate::hyper_clients::{serves_and_refuses, serves_and_refuses_over_http2};
use crate::{async_graphql_recipe, juniper_recipe, mcp, open_telemetry, yawc_recipe};

mod graphql {
    use super::*;

    async fn subscribe(address: SocketAddr, token: &str) -> Client {
        let headers = [
            ("origin", APP),
            ("sec-websocket-protocol", "graphql-transport-ws"),
        ];
        open(address, &format!("/graphql?token={token}"), &headers)
            .await
            .unwrap()
    }

    /// The next message of the API, beside the pings of the protocol.
    async fn next(client: Client) -> (Value, Client) {
        let (message, client) = text(Ok(client)).await;
        let message: Value = serde_json::from_str(&message).unwrap();
        match message["type"].as_str() {
            Some("ping" | "pong") => Box::pin(next(client)).await,
            _ => (message, client),
        }
    }

    async fn say(mut client: Client, message: Value) -> (Value, Client) {
        client.send(message.to_string().into()).await.unwrap();
        next(client).await
    }

    async fn resolves_who_asks(address: SocketAddr) {
        let client = subscribe(address, &token(json!({ "sub": "ada" }))).await;
        let (ack, client) = say(client, json!({ "type": "connection_init" })).await;
        assert_eq!(ack["type"], "connection_ack");
        let query = json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ me }" } });
        let (answer, client) = say(client, query).await;
        assert_eq!(answer["payload"]["data"]["me"], "ada");
        let (complete, client) = next(client).await;
        assert_eq!(complete["type"], "complete");
        let query = "subscription { greetings }";
        let query = json!({ "id": "2", "type": "subscribe", "payload": { "query": query } });
        let (first, client) = say(client, query).await;
        assert_eq!(first["payload"]["data"]["greetings"], "hello ada");
        let (second, _client) = next(client).await;
        assert_eq!(second["payload"]["data"]["greetings"], "goodbye ada");

        // A code that the library graphql-ws does not retry.
        let opened = subscribe(address, "guessed").await;
        let Answer::Closed(code, reason, _) = end_of(Ok(opened)).await else {
            panic!("not closed");
        };
        assert_eq!((code, reason.as_str()), (4401, "token_invalid"));
    }

    #[tokio::test]
    async fn of_async_graphql_resolves_who_asks() {
        let address = start(|listener| async_graphql_recipe::serve(listener, SECRET)).await;
        resolves_who_asks(address).await;
    }

    #[tokio::test]
    async fn of_juniper_resolves_who_asks() {
        let address = start(|listener| juniper_recipe::serve(listener, SECRET)).await;
        resolves_who_asks(address).await;
    }

    #[cfg(feature = "clients")]
    mod by_the_library_graphql_ws {
        use client_tests::Page;

        use super::*;

        const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/graphql_ws.cjs");

        async fn is_served_and_refused(address: SocketAddr) {
            let open = |token: &str| {
                let url = format!("ws://{address}/graphql?token={token}");
                let job = json!({ "url": url, "origin": APP });
                Page::open(SCRIPT, &job, "graphql-ws")
            };
            let mut page = open(&token(json!({ "sub": "ada" })));
            page.shows(&[
                json!({ "next": { "me": "ada" } }),
                json!({ "complete": "query" }),
                json!({ "next": { "greetings": "hello ada" } }),
                json!({ "next": { "greetings": "goodbye ada" } }),
                json!({ "complete": "subscription" }),
            ])
            .await;
            page.leaves().await;
            // It does not come back: that would be another line.
            let mut page = open("guessed");
            page.shows(&[
                json!({ "closed": [4401, "token_invalid"] }),
                json!({ "failed": "query" }),
            ])
            .await;
            page.leaves().await;
        }

        #[tokio::test]
        async fn of_async_graphql() {
            let address = start(|listener| async_graphql_recipe::serve(listener, SECRET)).await;
            is_served_and_refused(address).await;
        }

        #[tokio::test]
        async fn of_juniper() {
            let address = start(|listener| juniper_recipe::serve(listener, SECRET)).await;
            is_served_and_refused(address).await;
        }
    }
}

mod model_context_protocol {
    use super::*;

    async fn post(address: SocketAddr, lines: &str, call: Value) -> String {
        let call = call.to_string();
        let lines = format!(
            "{lines}Content-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{call}",
            call.len()
        );
        request(address, "POST /mcp", &lines).await
    }

    #[tokio::test]
    async fn a_tool_knows_who_asks_and_a_stranger_calls_none() {
        let address = start(|listener| mcp::serve(listener, SECRET)).await;
        let bearer = format!(
            "Authorization: Bearer {}\r\n",
            token(json!({ "sub": "ada" }))
        );
        let initialize = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            },
        });
        let stranger = post(address, "", initialize.clone()).await;
        assert!(stranger.starts_with("HTTP/1.1 401 "), "{stranger}");
        assert_eq!(body(&stranger), "credentials_missing");
        let foreign = post(
            address,
            &format!("Origin: {EVIL}\r\n{bearer}"),
            initialize.clone(),
        )
        .await;
        assert!(foreign.starts_with("HTTP/1.1 403 "), "{foreign}");

        let answer = post(address, &bearer, initialize).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let id = answer
            .lines()
            .find_map(|line| line.strip_prefix("mcp-session-id: "));
        let lines = format!("{bearer}Mcp-Session-Id: {}\r\n", id.unwrap());
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let answer = post(address, &lines, ready).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
        let call = json!({
            "jsonrpc": "2.0", "id": 2, "method": "tools/call",
            "params": { "name": "whoami", "arguments": {} },
        });
        let answer = post(address, &lines, call).await;
        assert!(answer.contains(r#""text":"ada""#), "{answer}");
    }
}

mod exported_spans {
    use super::*;
    use opentelemetry_sdk::trace::InMemorySpanExporter;

    #[tokio::test]
    async fn have_the_decision_and_no_token() {
        let exporter = InMemorySpanExporter::default();
        let twin = exporter.clone();
        let address = start(|listener| open_telemetry::serve(listener, SECRET, twin)).await;
        let valid = token(json!({ "sub": "ada" }));
        let (hello, client) = text(page(address, &format!("/ws?room=1&token={valid}")).await).await;
        assert_eq!(hello, "hello ada");
        drop(client);
        let opened = page(address, "/ws?token=a-guess-of-mine").await;
        assert_eq!(end_of(opened).await, Answer::closed(4401, "token_invalid"));

        let both = async {
            loop {
                let spans = exporter.get_finished_spans().unwrap();
                if spans.len() >= 2 {
                    return format!("{spans:?}");
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        let spans = tokio::time::timeout(test_support::PATIENCE, both)
            .await
            .unwrap();
        for part in [
            "/ws?room=1",
            "handshake accepted",
            "handshake refused",
            "token_invalid",
        ] {
            assert!(spans.contains(part), "{spans}");
        }
        assert!(
            !spans.contains(valid.rsplit('.').next().unwrap()),
            "{spans}"
        );
        assert!(!spans.contains("a-guess-of-mine"), "{spans}");
    }
}

#[tokio::test]
async fn yawc_serves_and_refuses() {
    let address = start(|listener| yawc_recipe::serve(listener, SECRET)).await;
    serves_and_refuses(address).await;
    serves_and_refuses_over_http2(address).await;
}
