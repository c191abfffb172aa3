//! The example of the README, as it stands there.

use axum::{BoxError, Router, extract::ws::WebSocketUpgrade, response::Response, routing::any};
use tower_http::trace::TraceLayer;
use tower_ws_auth::jwt::{Jwt, Key};
use tower_ws_auth::{
    AuthLayer, Authenticated, CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins,
    RedactLayer,
};

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

fn app(secret: &str) -> Result<Router, BoxError> {
    let jwt = Jwt::<Claims>::builder(Key::hs256(secret)?)
        .audience("chat")
        .build()?;
    let guard = (
        CloseFrameLayer::new(),
        OriginLayer::new(
            Origins::new(["https://app.example.com"])?,
            MissingOrigin::Allow,
        ),
        AuthLayer::new(jwt),
        LeaseLayer::expiry_only(),
    );
    Ok(Router::new()
        .route("/ws", any(chat).layer(guard))
        .layer(TraceLayer::new_for_http())
        .layer(RedactLayer::new(["token"], ["/ws"])?)) // outermost
}

mod as_it_stands {
    use serde_json::json;
    use socket_tests::{Answer, end_of, handshake, now, token_with};
    use test_support::Log;

    use super::*;

    const SECRET: &str = "a secret of thirty-two characters";
    const PAGE: [(&str, &str); 1] = [("origin", "https://app.example.com")];

    fn token(claims: &serde_json::Value) -> String {
        token_with(claims, SECRET.as_bytes())
    }

    /// Without spaces: rustfmt breaks its lines elsewhere than the page.
    fn dense(text: &str) -> String {
        let text = text.replace(",)", ")");
        text.split_whitespace()
            .collect::<String>()
            .replace(",)", ")")
            .replace(",}", "}")
    }

    #[test]
    fn the_page_shows_this_file() {
        let readme = include_str!("../../../../../README.md");
        let (_, block) = readme.split_once("```rust,no_run\n").unwrap();
        let (shown, _) = block.split_once("#[tokio::main]").unwrap();
        let (here, _) = include_str!("readme.rs")
            .split_once("mod as_it_stands")
            .unwrap();
        let (_, here) = here
            .split_once("//! The example of the README, as it stands there.")
            .unwrap();
        assert_eq!(dense(shown), dense(here));
    }

    #[tokio::test]
    async fn admits_refuses_and_logs_no_token_in_a_thousand_lines_of_trace() {
        let log = Log::capture();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app(SECRET).unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });

        let mut shown = Vec::new();
        for round in 0..200 {
            let user = format!("ada-{round}");
            let valid = token(&json!({ "sub": user, "aud": "chat", "exp": now() + 60 }));
            let expired = token(&json!({ "sub": user, "aud": "chat", "exp": now() - 3600 }));
            let opened = handshake(address, &format!("?token={valid}"), &PAGE).await;
            let mut client = opened.unwrap();
            let hello = futures_util::StreamExt::next(&mut client)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(hello.to_text().unwrap(), format!("hello {user}"));
            let opened = handshake(address, &format!("?room=1&token={expired}"), &[]).await;
            assert_eq!(end_of(opened).await, Answer::http(401, "token_expired"));
            shown.extend([valid, expired]);
        }
        let opened = handshake(address, &format!("?token={}", shown[1]), &PAGE).await;
        assert_eq!(end_of(opened).await, Answer::closed(4401, "token_expired"));

        let text = log.text();
        assert!(text.lines().count() >= 1000, "{}", text.lines().count());
        assert!(
            text.contains("uri=/ws?room=1"),
            "the layer outside logs nothing"
        );
        for token in shown {
            let signature = token.rsplit('.').next().unwrap();
            assert!(!text.contains(signature), "a token is in the log");
        }
    }
}
