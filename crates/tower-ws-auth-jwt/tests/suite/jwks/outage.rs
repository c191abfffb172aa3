//! Keys outlive an outage of their server, up to a limit.

use std::time::Duration;

use test_support::until;
use tower_ws_auth_jwt::{Document, FetchError, Jwks};

use super::keys::{Pair, set};
use super::server::{Hands, PATIENCE, Reply, Server, impatient, jwt, verdict};

#[tokio::test]
async fn keys_are_kept_to_the_hard_limit_and_come_back() {
    let server = Server::publishing(set([Pair::P256.jwk("a")])).await;
    let hands = Hands::default();
    let jwks = server.jwks().clock(hands.clock());
    let jwks = jwks.cooldown(Duration::from_millis(30));
    let jwks = jwks.refresh(Duration::from_secs(60)).start().unwrap();
    let jwt = jwt(jwks.clone());
    jwks.available().await;
    let (known, unknown) = (Pair::P256.token("a"), Pair::Ed.token("b"));

    server.publish("/jwks", Reply::Status(500));
    hands.forward(60);
    // Nobody can say whether this key exists: it is no fault of the token.
    assert_eq!(verdict(&jwt, &unknown).await, "unavailable");
    assert_eq!(verdict(&jwt, &known).await, "accepted");
    hands.forward(24 * 3600 - 60);
    assert_eq!(verdict(&jwt, &known).await, "accepted");
    hands.forward(1);
    assert!(!jwks.is_available());
    assert_eq!(verdict(&jwt, &known).await, "unavailable");
    assert_eq!(
        jwt.verify_token(&known).unwrap_err().reason(),
        "unavailable"
    );

    server.publish("/jwks", Reply::Text(set([Pair::P256.jwk("a")])));
    until("the keys", || jwks.is_available()).await;
    assert_eq!(verdict(&jwt, &known).await, "accepted");
    hands.forward(60);
    assert_eq!(verdict(&jwt, &unknown).await, "token_invalid");
}

#[tokio::test]
async fn before_the_first_keys_everything_is_unavailable() {
    let server = Server::start().await;
    for reply in [
        Reply::Status(404),
        Reply::Silence,
        Reply::Text("<html>".into()),
    ] {
        server.publish("/jwks", reply);
        let jwks = impatient(server.jwks()).start().unwrap();
        let jwt = jwt(jwks.clone());
        assert_eq!(verdict(&jwt, &Pair::P256.token("a")).await, "unavailable");
        assert!(!jwks.is_available());
    }
    // Nothing listens there.
    let closed = Jwks::builder("http://127.0.0.1:9/jwks").start().unwrap();
    assert_eq!(
        verdict(&jwt(closed), &Pair::P256.token("a")).await,
        "unavailable"
    );
}

#[tokio::test]
async fn nobody_waits_longer_than_allowed() {
    let server = Server::start().await;
    server.publish("/jwks", Reply::Silence);
    let jwks = server.jwks().timeout(Duration::from_secs(60));
    let jwks = jwks.wait(Duration::from_millis(50)).start().unwrap();
    let jwt = jwt(jwks);
    let token = Pair::P256.token("a");
    let began = std::time::Instant::now();
    assert_eq!(verdict(&jwt, &token).await, "unavailable");
    // By default one waits for 3 s.
    assert!(began.elapsed() < Duration::from_millis(2900));
}

#[tokio::test]
async fn a_client_that_panics_is_one_that_failed() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let fetch = move |_| {
        let call = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            assert!(call > 1, "the client panics");
            Ok::<_, FetchError>(Document::new(set([Pair::P256.jwk("a")])))
        }
    };
    let jwks = Jwks::builder("https://issuer.example/jwks").fetch(fetch);
    let jwks = jwks.cooldown(Duration::from_millis(10)).start().unwrap();
    let jwt = jwt(jwks.clone());
    assert_eq!(verdict(&jwt, &Pair::P256.token("a")).await, "unavailable");
    let available = tokio::time::timeout(PATIENCE, jwks.available()).await;
    assert!(available.is_ok(), "nobody fetches any more");
    assert_eq!(verdict(&jwt, &Pair::P256.token("a")).await, "accepted");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_asked_at_longer_and_longer_intervals() {
    use std::sync::{Arc, Mutex};

    const OUTAGE: Duration = Duration::from_secs(600);

    let asked = Arc::new(Mutex::new(Vec::new()));
    let moments = Arc::clone(&asked);
    let fetch = move |_| {
        moments.lock().unwrap().push(tokio::time::Instant::now());
        async { Err::<Document, FetchError>("down".into()) }
    };
    let jwks = Jwks::builder("https://issuer.example/jwks").fetch(fetch);
    let _jwks = jwks.start().unwrap();
    tokio::time::sleep(OUTAGE).await;
    let asked = asked.lock().unwrap();
    let pauses = asked.windows(2).map(|two| (two[1] - two[0]).as_secs_f64());
    for (n, pause) in pauses.enumerate() {
        let whole = f64::from(1 << n.min(16)).min(60.0);
        assert!((whole / 2.0..=whole + 0.1).contains(&pause), "{n}: {pause}");
    }
    assert!(asked.len() > 12, "{}", asked.len());
}
