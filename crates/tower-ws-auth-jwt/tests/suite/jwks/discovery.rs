//! `OpenID` Connect Discovery 1.0 §4: an issuer says where its keys are, and is who it says.

use std::sync::{Arc, Mutex};

use serde_json::json;
use test_support::until;
use tower_ws_auth_jwt::{ConfigError, Document, FetchError, Jwks, Jwt, Key};

use super::keys::{Pair, set};
use super::server::{Hands, Reply, Server, jwt, patient, verdict};

const CONFIGURATION: &str = "/.well-known/openid-configuration";

/// A server whose configuration has this issuer and this URL of keys.
async fn configured(issuer: impl Fn(&Server) -> String, keys: &str) -> Server {
    let server = Server::publishing(set([Pair::P256.jwk("a")])).await;
    let keys = if keys.starts_with('/') {
        server.url(keys)
    } else {
        keys.to_owned()
    };
    let text =
        json!({ "issuer": issuer(&server), "jwks_uri": keys, "scopes_supported": ["openid"] });
    server.publish(CONFIGURATION, Reply::Text(text.to_string()));
    server
}

#[tokio::test]
async fn the_keys_verify_tokens_of_their_issuer_alone() {
    let server = configured(|server| server.url(""), "/jwks").await;
    let issuer = server.url("");
    let jwks = patient(Jwks::discover(&issuer)).start().unwrap();
    assert_eq!(jwks.issuer(), Some(&*issuer));
    let jwt = jwt(jwks);
    assert_eq!(
        verdict(&jwt, &Pair::P256.token_of("a", &issuer)).await,
        "accepted"
    );
    for other in ["https://other.example", &format!("{issuer}/"), ""] {
        assert_eq!(
            verdict(&jwt, &Pair::P256.token_of("a", other)).await,
            "token_invalid"
        );
    }
    // Without `iss`.
    assert_eq!(verdict(&jwt, &Pair::P256.token("a")).await, "token_invalid");
    assert_eq!((server.asked(CONFIGURATION), server.asked("/jwks")), (1, 1));
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_issuer_stands_once_in_the_url() {
    let server = configured(|server| server.url("/"), "/jwks").await;
    let issuer = server.url("/");
    let jwt = jwt(patient(Jwks::discover(&issuer)).start().unwrap());
    assert_eq!(
        verdict(&jwt, &Pair::P256.token_of("a", &issuer)).await,
        "accepted"
    );
}

#[tokio::test]
async fn a_configuration_of_another_issuer_is_none_4_3() {
    for issuer in ["https://other.example", "", "http://127.0.0.1"] {
        let server = configured(|_| issuer.to_owned(), "/jwks").await;
        let jwks = patient(Jwks::discover(server.url(""))).start().unwrap();
        let token = Pair::P256.token_of("a", &server.url(""));
        assert_eq!(verdict(&jwt(jwks), &token).await, "unavailable");
        assert_eq!(server.asked("/jwks"), 0);
    }
    // By a slash alone.
    let server = configured(|server| server.url("/"), "/jwks").await;
    let jwks = patient(Jwks::discover(server.url(""))).start().unwrap();
    let token = Pair::P256.token_of("a", &server.url(""));
    assert_eq!(verdict(&jwt(jwks), &token).await, "unavailable");
}

/// A client of an issuer whose keys are said to be there. What it was asked for is kept: a host
/// that does not answer is no proof that nobody went there.
async fn asked_for(issuer: &'static str, keys: &'static str) -> (&'static str, Vec<String>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let urls = Arc::clone(&asked);
    let fetch = move |url: http::Uri| {
        urls.lock().unwrap().push(url.to_string());
        let text = if url.path() == CONFIGURATION {
            json!({ "issuer": issuer, "jwks_uri": keys }).to_string()
        } else {
            set([Pair::P256.jwk("a")])
        };
        async { Ok::<_, FetchError>(Document::new(text)) }
    };
    let jwks = patient(Jwks::discover(issuer).fetch(fetch))
        .start()
        .unwrap();
    let verdict = verdict(&jwt(jwks), &Pair::P256.token_of("a", issuer)).await;
    let asked = asked.lock().unwrap().clone();
    (verdict, asked)
}

#[tokio::test]
async fn keys_are_fetched_from_https_or_this_machine_only() {
    let here = "http://127.0.0.1:8080";
    let configuration = format!("{here}{CONFIGURATION}");
    for keys in [
        "https://1.1.1.1/jwks",
        "http://127.0.0.1/jwks",
        "http://[::1]:1/jwks",
        "http://localhost/jwks",
        "https://localhost/jwks",
    ] {
        let (verdict, asked) = asked_for(here, keys).await;
        assert_eq!(verdict, "accepted", "{keys}");
        assert_eq!(asked, [&*configuration, keys]);
    }
    for keys in [
        "http://issuer.example/jwks",
        "http://10.0.0.1/jwks",
        "http://127.0.0.1.issuer.example/jwks",
        "http://localhost.issuer.example/jwks",
        "http://127.1/jwks",
        "http://0.0.0.0/jwks",
        "file:///etc/jwks",
        "https://user@issuer.example/jwks",
        "jwks",
    ] {
        let (verdict, asked) = asked_for(here, keys).await;
        assert_eq!(verdict, "unavailable", "{keys}");
        assert_eq!(asked, [&*configuration], "{keys}");
    }
}

#[tokio::test]
async fn an_issuers_document_sends_nobody_to_an_address_that_is_not_public() {
    for keys in [
        "http://127.0.0.1/jwks",
        "https://127.0.0.1/jwks",
        "https://localhost/jwks",
        "https://keys.localhost:8443/jwks",
        "https://127.1/jwks",
        "https://2130706433/jwks",
        "https://0x7f.1/jwks",
        "https://0177.0.0.1/jwks",
        "https://LocalHost.:8443/jwks",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/jwks",
        "https://172.16.0.1/jwks",
        "https://192.168.0.1/jwks",
        "https://100.64.0.1/jwks",
        "https://0.0.0.0/jwks",
        "https://[::1]/jwks",
        "https://[fd00::1]/jwks",
        "https://[fe80::1]/jwks",
        "https://[::ffff:169.254.169.254]/jwks",
        "https://[64:ff9b::a00:1]/jwks",
    ] {
        let (verdict, asked) = asked_for("https://issuer.example", keys).await;
        assert_eq!(verdict, "unavailable", "{keys}");
        let configuration = format!("https://issuer.example{CONFIGURATION}");
        assert_eq!(asked, [configuration], "{keys}");
    }
    // The application named this host itself; an address that is public needs no look-up.
    for (issuer, keys) in [
        ("https://10.0.0.1", "https://10.0.0.1:8443/jwks"),
        ("https://issuer.example", "https://1.1.1.1/jwks"),
    ] {
        let (verdict, asked) = asked_for(issuer, keys).await;
        assert_eq!(verdict, "accepted", "{keys}");
        assert_eq!(asked, [&format!("{issuer}{CONFIGURATION}"), keys]);
    }
}

#[tokio::test]
async fn the_issuer_of_the_keys_and_that_of_the_rules_agree() {
    let server = configured(|server| server.url(""), "/jwks").await;
    let issuer = server.url("");
    let jwks = patient(Jwks::discover(&issuer)).start().unwrap();
    let build = |issuers: &[&str]| {
        let builder = Jwt::<()>::builder(jwks.clone());
        builder.issuers(issuers.iter().copied()).build()
    };
    assert!(build(&[&issuer]).is_ok());
    let error = build(&["https://other.example"]).unwrap_err();
    assert!(matches!(error, ConfigError::ForeignKeys(own) if own == issuer));

    // Beside the application's own tokens: nobody speaks in the other's name.
    let own = Key::hs256([1; 32]).unwrap();
    let jwt =
        Jwt::builder(jwks.clone().with_local_keys(own)).issuers([&issuer, "https://own.example"]);
    let jwt = jwt.build().unwrap();
    assert_eq!(
        verdict(&jwt, &Pair::P256.token_of("a", &issuer)).await,
        "accepted"
    );
    let posing = Pair::P256.token_of("a", "https://own.example");
    assert_eq!(verdict(&jwt, &posing).await, "token_invalid");
}

#[tokio::test]
async fn keys_that_moved_are_found_again() {
    let server = configured(|server| server.url(""), "/jwks").await;
    let issuer = server.url("");
    let hands = Hands::default();
    let jwks = patient(Jwks::discover(&issuer)).clock(hands.clock());
    let jwks = jwks.cooldown(std::time::Duration::from_millis(20));
    let jwks = jwks.start().unwrap();
    let jwt = jwt(jwks.clone());
    jwks.available().await;
    let text = json!({ "issuer": issuer, "jwks_uri": server.url("/moved") }).to_string();
    server.publish(CONFIGURATION, Reply::Text(text));
    server.publish("/moved", Reply::Text(set([Pair::Ed.jwk("b")])));
    server.publish("/jwks", Reply::Status(404));
    // Longer than the cooldown.
    hands.forward(1);
    let token = Pair::Ed.token_of("b", &issuer);
    assert_eq!(verdict(&jwt, &token).await, "unavailable");
    until("a fetch from there", || server.asked("/moved") == 1).await;
    assert_eq!(verdict(&jwt, &token).await, "accepted");
}

#[tokio::test(start_paused = true)]
async fn the_configuration_is_read_again_once_a_day() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let fetch = move |url: http::Uri| {
        let document = if url.path().ends_with("/openid-configuration") {
            count.fetch_add(1, Ordering::SeqCst);
            r#"{"issuer":"https://a.example","jwks_uri":"https://a.example/jwks"}"#.to_owned()
        } else {
            set([Pair::P256.jwk("a")])
        };
        async { Ok::<_, FetchError>(Document::new(document)) }
    };
    let jwks = Jwks::discover("https://a.example").fetch(fetch);
    let _jwks = jwks.start().unwrap();
    let hour = std::time::Duration::from_secs(3600);
    for (hours, times) in [(1, 1), (22, 1), (2, 2), (22, 2), (2, 3)] {
        tokio::time::sleep(hour * hours).await;
        assert_eq!(asked.load(Ordering::SeqCst), times);
    }
}
