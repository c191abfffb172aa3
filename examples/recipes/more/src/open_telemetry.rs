//! Spans for OpenTelemetry: each handshake is one, with our decision as its event, and no token.

use axum::{BoxError, Router, extract::ws::WebSocketUpgrade, response::Response, routing::any};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
use tokio::net::TcpListener;
use tower_http::trace::TraceLayer;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{
    AuthLayer, Authenticated, CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins,
    RedactLayer,
};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Clone, serde::Deserialize)]
struct Claims {
    sub: String,
}

async fn chat(upgrade: WebSocketUpgrade, user: Authenticated<Claims>) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let _ = socket.send(format!("hello {}", user.sub).into()).await;
        while let Some(Ok(_message)) = socket.recv().await {}
    })
}

/// With an exporter of your choice, such as that of `opentelemetry-otlp`.
pub async fn serve(
    listener: TcpListener,
    secret: &str,
    exporter: impl SpanExporter + 'static,
) -> Result<(), BoxError> {
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter)
        .build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("chat"));
    tracing_subscriber::registry().with(spans).try_init()?;

    let jwt = Jwt::<Claims>::builder(Key::hs256(secret)?).build()?;
    let guard = (
        CloseFrameLayer::new(),
        OriginLayer::new(Origins::new(["https://app.example"])?, MissingOrigin::Allow),
        AuthLayer::new(jwt),
        LeaseLayer::expiry_only(),
    );
    let app = Router::new()
        .route("/ws", any(chat).layer(guard))
        .layer(TraceLayer::new_for_http())
        // Outside of the layer that makes the spans.
        .layer(RedactLayer::new(["token"], ["/ws"])?);
    axum::serve(listener, app).await?;
    Ok(())
}
