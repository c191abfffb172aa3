//! async-graphql subscriptions (`graphql-transport-ws`): the resolver knows who asks.

use async_graphql::futures_util::stream::{self, Stream};
use async_graphql::http::ALL_WEBSOCKET_PROTOCOLS;
use async_graphql::{Context, Data, EmptyMutation, Object, Schema, Subscription};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::{
    BoxError, Extension, Router, extract::ws::WebSocketUpgrade, response::Response, routing::any,
};
use tokio::net::TcpListener;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{
    AuthLayer, Authenticated, ClientProtocol, CloseFrameLayer, LeaseLayer, MissingOrigin,
    OriginLayer, Origins, RedactLayer,
};

#[derive(Clone, serde::Deserialize)]
struct Claims {
    sub: String,
}

struct Query;

#[Object]
impl Query {
    async fn me(&self, context: &Context<'_>) -> async_graphql::Result<String> {
        Ok(context.data::<Claims>()?.sub.clone())
    }
}

struct Feed;

#[Subscription]
impl Feed {
    async fn greetings(
        &self,
        context: &Context<'_>,
    ) -> async_graphql::Result<impl Stream<Item = String>> {
        let name = &context.data::<Claims>()?.sub;
        Ok(stream::iter([
            format!("hello {name}"),
            format!("goodbye {name}"),
        ]))
    }
}

type Api = Schema<Query, EmptyMutation, Feed>;

async fn subscribe(
    upgrade: WebSocketUpgrade,
    protocol: GraphQLProtocol,
    user: Authenticated<Claims>,
    Extension(api): Extension<Api>,
) -> Response {
    let mut data = Data::default();
    data.insert(user.into_inner());
    let upgrade = upgrade.protocols(ALL_WEBSOCKET_PROTOCOLS);
    upgrade.on_upgrade(move |socket| {
        GraphQLWebSocket::new(socket, api, protocol)
            .with_data(data)
            .serve()
    })
}

pub async fn serve(listener: TcpListener, secret: &str) -> Result<(), BoxError> {
    let jwt = Jwt::<Claims>::builder(Key::hs256(secret)?).build()?;
    let guard = (
        // A refused client reads a close code that its library does not retry.
        CloseFrameLayer::new().client_protocol(ClientProtocol::graphql_ws()),
        OriginLayer::new(Origins::new(["https://app.example"])?, MissingOrigin::Allow),
        AuthLayer::new(jwt),
        LeaseLayer::expiry_only(),
    );
    let api = Schema::new(Query, EmptyMutation, Feed);
    let app = Router::new()
        .route("/graphql", any(subscribe).layer(guard))
        .layer(Extension(api))
        .layer(RedactLayer::new(["token"], ["/graphql"])?);
    axum::serve(listener, app).await?;
    Ok(())
}
