//! A server of the Model Context Protocol (rmcp, streamable HTTP): its tools know who asks. Each
//! request carries its token, so no lease is needed.

use axum::{BoxError, Router};
use http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{tool, tool_router};
use tokio::net::TcpListener;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{AuthLayer, Authenticated, MissingOrigin, OriginLayer, Origins};

#[derive(Clone, serde::Deserialize)]
struct Claims {
    sub: String,
}

#[derive(Clone)]
struct Desk;

#[tool_router(server_handler)]
impl Desk {
    #[tool(description = "Says who asks")]
    async fn whoami(&self, Extension(head): Extension<Parts>) -> String {
        let user = head.extensions.get::<Authenticated<Claims>>();
        user.map_or_else(|| "nobody".to_owned(), |user| user.sub.clone())
    }
}

pub async fn serve(listener: TcpListener, secret: &str) -> Result<(), BoxError> {
    let jwt = Jwt::<Claims>::builder(Key::hs256(secret)?).build()?;
    let guard = (
        OriginLayer::new(Origins::new(["https://app.example"])?, MissingOrigin::Allow),
        // These are ordinary requests, and no handshakes.
        AuthLayer::new(jwt).any_request(),
    );
    let config = StreamableHttpServerConfig::default();
    let desk =
        StreamableHttpService::new(|| Ok(Desk), LocalSessionManager::default().into(), config);
    let app = Router::new().route_service("/mcp", tower::Layer::layer(&guard, desk));
    axum::serve(listener, app).await?;
    Ok(())
}
