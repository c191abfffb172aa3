//! Our cookies and those of the real express-session: each accepts the other's, and both read the
//! same id from the same `Cookie` field.
#![cfg(feature = "node")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod node;
mod random;

use std::time::Duration;

use test_support::of_tier;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Request};
use node::Express;
use random::Fields;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_ws_auth::session::{MemorySessions, Secrets, SessionStore, Sessions};
use tower_ws_auth::{Authenticate, Origins};

const SECRETS: [&str; 2] = ["the first of two secrets", "another one, which is older"];

fn sessions() -> Sessions<Value> {
    let secrets = Secrets::express(SECRETS).unwrap();
    Sessions::builder(secrets, MemorySessions::new(1000))
        .build()
        .unwrap()
}

/// Sessions, and another handle on their store, as Redis would be.
fn sharing() -> (Sessions<Value>, MemorySessions) {
    let store = MemorySessions::new(1000);
    let secrets = Secrets::express(SECRETS).unwrap();
    (
        Sessions::builder(secrets, store.clone()).build().unwrap(),
        store,
    )
}

fn fields(lines: &[String]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
    }
    headers
}

/// The id that we read from these fields.
fn ours(sessions: &Sessions<Value>, lines: &[String]) -> Option<String> {
    sessions
        .signed_id(&fields(lines))
        .map(|id| id.as_str().to_owned())
}

#[tokio::test]
async fn express_session_accepts_the_cookie_that_we_set() {
    let sessions = sessions();
    let mut express = Express::start(&SECRETS);
    for _ in 0..100 {
        let (id, cookie) = sessions.create(&json!({ "user": "ada" })).await.unwrap();
        let pair = cookie
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        assert_eq!(express.ask(&[pair]).as_deref(), Some(id.as_str()));
    }
}

#[test]
fn we_accept_the_cookie_that_express_session_sets() {
    let sessions = sessions();
    let mut express = Express::start(&SECRETS);
    let ids = [
        "u7IeVO1CZiPsJkNJAPZ5oQ0Wsg9Sm5_4",
        "a.b",
        "with space",
        "zoë",
        "a%b",
        "-",
        "=;,\"",
    ];
    for id in ids {
        for secret in SECRETS {
            let pair = format!("connect.sid={}", express.sign(id, secret));
            assert_eq!(ours(&sessions, &[pair]).as_deref(), Some(id), "{id}");
        }
        let foreign = format!(
            "connect.sid={}",
            express.sign(id, "a secret of somebody else")
        );
        assert_eq!(ours(&sessions, &[foreign]), None);
    }
}

#[tokio::test]
async fn a_login_at_express_opens_a_socket_here() {
    let (sessions, store) = sharing();
    let strategy = sessions.strategy(Origins::new(["https://app.example"]).unwrap(), |record| {
        record["user"].as_str().map(ToOwned::to_owned)
    });
    let mut express = Express::start(&SECRETS);
    let (cookie, sid, record) = express.login("ada");
    let id = sessions
        .signed_id(&fields(std::slice::from_ref(&cookie)))
        .unwrap();
    assert_eq!(id.as_str(), sid);

    let who = async || {
        let request = Request::get("/ws")
            .header(COOKIE, &cookie)
            .header("origin", "https://app.example");
        let mut head = request.body(()).unwrap().into_parts().0;
        let cookie = strategy.take(&mut head).unwrap().unwrap();
        let verified = strategy.verify(cookie, &head).await;
        verified
            .map(|grant| grant.into_parts().0)
            .map_err(|rejection| rejection.reason())
    };
    assert_eq!(who().await, Err("session_invalid"));
    assert!(
        store
            .create(&id, &record, Duration::from_secs(60))
            .await
            .unwrap()
    );
    assert_eq!(who().await, Ok("ada".to_owned()));
}

#[tokio::test]
async fn a_text_that_express_cut_inside_of_an_emoji_survives_a_change_here() {
    #[derive(Serialize, Deserialize)]
    struct User {
        user: String,
    }
    let store = MemorySessions::new(1);
    let secrets = Secrets::express(SECRETS).unwrap();
    let sessions: Sessions<User> = Sessions::builder(secrets, store.clone()).build().unwrap();
    let mut express = Express::start(&SECRETS);
    let (cookie, _, record) = express.login_with("ada", Some("hello \u{1f600}"));
    let text = r#""text":"hello \ud83d""#;
    assert!(record.contains(text), "{record}");
    let headers = fields(std::slice::from_ref(&cookie));
    let id = sessions.signed_id(&headers).unwrap();
    let life = Duration::from_secs(60);
    assert!(store.create(&id, &record, life).await.unwrap());
    let mut loaded = sessions.load(&headers).await.unwrap().unwrap();
    loaded.user = "bob".to_owned();
    sessions.save(&mut loaded).await.unwrap();
    let saved = store.load(&id).await.unwrap().unwrap().record;
    assert!(saved.contains(text), "{saved}");
    assert_eq!(express.user(&cookie, &saved).as_deref(), Some("bob"));
}

#[tokio::test]
async fn a_login_here_is_one_at_express() {
    let (sessions, store) = sharing();
    let mut express = Express::start(&SECRETS);
    let (id, cookie) = sessions.create(&json!({ "user": "ada" })).await.unwrap();
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
    let record = store.load(&id).await.unwrap().unwrap().record;
    assert_eq!(express.user(cookie, &record).as_deref(), Some("ada"));
    let foreign = format!("{}x", &cookie[..cookie.len() - 1]);
    assert_eq!(express.user(&foreign, &record), None);
}

#[test]
fn both_read_the_same_id_from_every_cookie_field() {
    let count = of_tier(10_000, 100_000);
    let sessions = sessions();
    let mut express = Express::start(&SECRETS);
    let mut random = Fields::new(0x5eed);
    let values: Vec<String> = ["sid-1", "a.b", "zoë"]
        .iter()
        .flat_map(|id| SECRETS.map(|secret| (*id, secret)))
        .map(|(id, secret)| express.sign(id, secret))
        .collect();
    let all: Vec<Vec<String>> = (0..count).map(|_| random.cookie_fields(&values)).collect();
    let theirs = express.ask_all(&all);
    let mut accepted = 0;
    for (lines, theirs) in all.iter().zip(theirs) {
        accepted += usize::from(theirs.is_some());
        assert_eq!(ours(&sessions, lines), theirs, "{lines:?}");
    }
    // Or the generator would have missed what matters.
    assert!(
        (count / 10..count / 10 * 9).contains(&accepted),
        "{accepted} were accepted"
    );
}
