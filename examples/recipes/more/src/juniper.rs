//! juniper subscriptions (`graphql-transport-ws`): the resolver knows who asks.

use std::sync::Arc;

use axum::{
    BoxError, Extension, Router, extract::ws::WebSocketUpgrade, response::Response, routing::any,
};
use futures_util::stream::{self, BoxStream, StreamExt};
use juniper::{EmptyMutation, RootNode, graphql_object, graphql_subscription};
use juniper_axum::subscriptions::serve_graphql_transport_ws;
use juniper_graphql_ws::ConnectionConfig;
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

async fn subscribe(
    upgrade: WebSocketUpgrade,
    user: Authenticated<User>,
    Extension(api): Extension<Arc<Api>>,
) -> Response {
    let upgrade = upgrade.protocols(["graphql-transport-ws"]);
    let config = ConnectionConfig::new(user.into_inner());
    upgrade.on_upgrade(|socket| serve_graphql_transport_ws(socket, api, config))
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
