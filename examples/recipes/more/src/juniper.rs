//! juniper subscriptions (`graphql-transport-ws`): the resolver knows who asks.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::{BoxError, Extension, Router, response::Response, routing::any};
use futures_util::stream::{self, BoxStream, StreamExt};
use juniper::{DefaultScalarValue, EmptyMutation, RootNode, graphql_object, graphql_subscription};
use juniper_graphql_ws::graphql_transport_ws::{Connection, Input, Output};
use juniper_graphql_ws::{ArcSchema, ConnectionConfig};
use tokio::net::TcpListener;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{
    AuthLayer, Authenticated, ClientProtocol, CloseFrameLayer, LeaseLayer, MissingOrigin,
    OriginLayer, Origins, RedactLayer,
};

#[derive(Clone, serde::Deserialize)]
struct User {
    sub: String,
}

impl juniper::Context for User {}

struct Query;

#[graphql_object(context = User)]
impl Query {
    fn me(context: &User) -> &str {
        &context.sub
    }
}

struct Feed;

#[graphql_subscription(context = User)]
impl Feed {
    async fn greetings(context: &User) -> BoxStream<'static, String> {
        let name = &context.sub;
        let greetings = [format!("hello {name}"), format!("goodbye {name}")];
        stream::iter(greetings).boxed()
    }
}

type Api = RootNode<Query, EmptyMutation<User>, Feed>;

struct Incoming(Message);

impl TryFrom<Incoming> for Input<DefaultScalarValue> {
    type Error = serde_json::Error;

    fn try_from(Incoming(message): Incoming) -> Result<Self, serde_json::Error> {
        match message {
            Message::Close(_) => Ok(Input::Close),
            other => serde_json::from_str(other.to_text().unwrap_or_default()).map(Input::Message),
        }
    }
}

fn outgoing(output: Output<DefaultScalarValue>) -> Message {
    match output {
        Output::Message(message) => Message::text(serde_json::json!(message).to_string()),
        Output::Close { code, message } => {
            let reason = message.into();
            Message::Close(Some(CloseFrame { code, reason }))
        }
    }
}

async fn talk(socket: WebSocket, api: Arc<Api>, user: User) {
    let connection = Connection::new(ArcSchema(api), ConnectionConfig::new(user));
    let (to_api, from_api) = connection.split();
    let (to_client, from_client) = socket.split();
    let read = from_client.filter_map(async |message| Some(Ok(Incoming(message.ok()?))));
    let write = from_api.map(|output| Ok(outgoing(output)));
    tokio::select! {
        _ = std::pin::pin!(read).forward(to_api) => {}
        _ = write.forward(to_client) => {}
    }
}

async fn subscribe(
    upgrade: WebSocketUpgrade,
    user: Authenticated<User>,
    Extension(api): Extension<Arc<Api>>,
) -> Response {
    let upgrade = upgrade.protocols(["graphql-transport-ws"]);
    upgrade.on_upgrade(|socket| talk(socket, api, user.into_inner()))
}

pub async fn serve(listener: TcpListener, secret: &str) -> Result<(), BoxError> {
    let jwt = Jwt::<User>::builder(Key::hs256(secret)?).build()?;
    let guard = (
        // A refused client reads a close code that its library does not retry.
        CloseFrameLayer::new().client_protocol(ClientProtocol::graphql_ws()),
        OriginLayer::new(Origins::new(["https://app.example"])?, MissingOrigin::Allow),
        AuthLayer::new(jwt),
        LeaseLayer::expiry_only(),
    );
    let api = Api::new(Query, EmptyMutation::new(), Feed);
    let app = Router::new()
        .route("/graphql", any(subscribe).layer(guard))
        .layer(Extension(Arc::new(api)))
        .layer(RedactLayer::new(["token"], ["/graphql"])?);
    axum::serve(listener, app).await?;
    Ok(())
}
