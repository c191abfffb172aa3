//! A set, or a server, that means no good.

use std::fmt::Write as _;

use serde_json::Value;
use tower_ws_auth_jwt::{Algorithm, Jwks, JwksBuilder, Jwt, JwtEncoder, SigningKey};

use super::keys::{Pair, SHORT_RSA, b64, set};
use super::server::{Reply, Server, impatient, jwt, verdict};

fn started(jwks: JwksBuilder) -> (Jwks, Jwt<Value>) {
    let jwks = jwks.start().unwrap();
    let jwt = jwt(jwks.clone());
    (jwks, jwt)
}

/// A set of good keys among bad ones, of which each token is refused.
#[tokio::test]
async fn bad_keys_are_left_out_and_the_good_ones_stay() {
    let secret = r#"{"kty":"oct","kid":"oct","alg":"HS256","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    let p256 = Pair::P256.members();
    let keys = [
        secret.to_owned(),
        r#"{"kty":"oct","kid":"oct2","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#.into(),
        format!(r#"{{{},"kid":"off"}}"#, p256.replace("qi8\"", "qi0\"")),
        Pair::P256.jwk_with(r#""kid":"enc","use":"enc""#),
        Pair::P256.jwk_with(r#""kid":"ops","key_ops":["sign","encrypt"]"#),
        Pair::P256.jwk_with(r#""kid":"alg","alg":"ES384""#),
        Pair::P256.jwk_with(r#""kid":"hmac","alg":"HS256""#),
        Pair::P256.jwk_with(r#""kid":"private","d":"AAAA""#),
        Pair::P256.jwk_with(r#""kid":"twice","kid":"twice""#),
        Pair::P256.jwk_with(&format!(r#""kid":"{}""#, "k".repeat(257))),
        Pair::P256.jwk_with(r#""kid":7"#),
        Pair::Rsa.jwk_with(r#""kid":"hs","alg":"HS256""#),
        format!(r#"{{{SHORT_RSA},"kid":"short","alg":"RS256"}}"#),
        r#"{"kty":"RSA","kid":"e1","alg":"RS256","n":"AQAB","e":"AQ"}"#.into(),
        r#"{"kty":"quantum","kid":"new"}"#.into(),
        "7".into(),
        "null".into(),
        r#""key""#.into(),
        "[]".into(),
        "{}".into(),
        // These are good.
        Pair::P256.jwk_with(r#""kid":"ec","use":"sig","key_ops":["verify"],"alg":"ES256""#),
        // RS256 is what an RSA key without `alg` is for.
        Pair::Rsa.jwk_with(r#""kid":"rsa","use":"sig","x5c":["?"]"#),
        Pair::Ed.jwk("ed"),
        // Of one name, for another algorithm.
        Pair::P384.jwk("ed"),
        // Without its cryptography it is left out, and the others stay.
        Pair::P521.jwk("p521"),
    ];
    let server = Server::publishing(set(keys)).await;
    let hands = super::server::Hands::default();
    let (jwks, jwt) = started(server.jwks().clock(hands.clock()));
    jwks.available().await;
    for (pair, kid) in [
        (Pair::P256, "ec"),
        (Pair::Rsa, "rsa"),
        (Pair::Ed, "ed"),
        (Pair::P384, "ed"),
        #[cfg(feature = "aws-lc-rs")]
        (Pair::P521, "p521"),
    ] {
        assert_eq!(verdict(&jwt, &pair.token(kid)).await, "accepted", "{kid}");
    }
    // After the next fetch a `kid` that is missing is known to be.
    for (pair, kid) in [
        (Pair::P256, "off"),
        (Pair::P256, "enc"),
        (Pair::P256, "ops"),
        (Pair::P256, "alg"),
        (Pair::P256, "private"),
        (Pair::P256, "twice"),
        (Pair::P256, "rsa"),
        (Pair::Rsa, "ec"),
    ] {
        hands.forward(30);
        let verdict = verdict(&jwt, &pair.token(kid)).await;
        assert_eq!(verdict, "token_invalid", "{kid}");
    }
    for kid in ["oct", "oct2", "hmac", "ec"] {
        let key = SigningKey::hs256([0; 32]).unwrap().with_kid(kid).unwrap();
        let claims = serde_json::json!({ "exp": 2_000_000_000_u64 });
        let token = JwtEncoder::new(key).encode(&claims).unwrap();
        assert_eq!(verdict(&jwt, &token).await, "token_invalid", "{kid}");
    }
}

#[tokio::test]
async fn hs256_with_the_public_key_for_a_secret_is_refused() {
    let server = Server::publishing(set([Pair::Rsa.jwk("rsa"), Pair::P256.jwk("ec")])).await;
    let (jwks, jwt) = started(server.jwks());
    jwks.available().await;
    let claims = serde_json::json!({ "exp": 2_000_000_000_u64 });
    for (pair, kid) in [(Pair::Rsa, "rsa"), (Pair::P256, "ec")] {
        let jwk = pair.jwk(kid);
        for secret in [&pair.public_pem()[1..], jwk.as_bytes()] {
            let key = SigningKey::dangerous_short_hmac(Algorithm::HS256, secret).unwrap();
            let token = JwtEncoder::new(key.with_kid(kid).unwrap());
            let token = token.encode(&claims).unwrap();
            assert_eq!(verdict(&jwt, &token).await, "token_invalid", "{kid}");
        }
    }
}

#[tokio::test]
async fn keys_that_a_token_names_are_not_fetched() {
    let server = Server::publishing(set([Pair::P256.jwk("a")])).await;
    let elsewhere = Server::publishing(set([Pair::Ed.jwk("b")])).await;
    let hands = super::server::Hands::default();
    let (jwks, jwt) = started(server.jwks().clock(hands.clock()));
    jwks.available().await;
    hands.forward(30);
    let (url, jwk) = (elsewhere.url("/jwks"), Pair::Ed.jwk("b"));
    let header = format!(
        r#"{{"alg":"EdDSA","kid":"b","jku":"{url}","x5u":"{url}","x5c":["AA=="],"jwk":{jwk}}}"#
    );
    let signed = Pair::Ed.token("b");
    let (_, rest) = signed.split_once('.').unwrap();
    let token = format!("{}.{rest}", b64(header));
    // The issuer is asked for the key, and nobody else.
    assert_eq!(verdict(&jwt, &token).await, "token_invalid");
    hands.forward(30);
    assert_eq!(verdict(&jwt, &signed).await, "token_invalid");
    assert_eq!(server.asked("/jwks"), 3);
    assert_eq!(elsewhere.asked("/jwks"), 0);
}

#[tokio::test]
async fn keys_without_a_name_are_at_most_eight() {
    let ec = format!("{{{}}}", Pair::P256.members());
    let mut keys = vec![ec; 9];
    keys.push(format!("{{{}}}", Pair::Ed.members()));
    keys.push(Pair::P384.jwk("named"));
    let server = Server::publishing(set(keys)).await;
    let (jwks, jwt) = started(server.jwks());
    jwks.available().await;
    assert_eq!(verdict(&jwt, &Pair::P256.token("?")).await, "accepted");
    assert_eq!(verdict(&jwt, &Pair::P384.token("named")).await, "accepted");
    assert_eq!(verdict(&jwt, &Pair::Ed.token("?")).await, "unavailable");
}

#[tokio::test]
async fn a_document_that_is_no_reasonable_set_is_a_failed_fetch() {
    let good = Pair::P256.jwk("a");
    let elsewhere = Server::publishing(set([good.clone()])).await;
    let mut many = String::new();
    for number in 0..10_000 {
        let _ = write!(many, r#"{{"kid":"{number}"}},"#);
    }
    let server = Server::start().await;
    for (name, reply) in [
        (
            "too large",
            Reply::Text(format!("{}{}", set([good.clone()]), " ".repeat(1 << 20))),
        ),
        (
            "too many",
            Reply::Text(format!(r#"{{"keys":[{many}{good}]}}"#)),
        ),
        ("no JSON", Reply::Text("keys: []".into())),
        ("empty", Reply::Text(String::new())),
        ("cut short", Reply::Text(set([good.clone()])[..100].into())),
        ("more behind", Reply::Text(set([good.clone()]) + "{}")),
        ("a list", Reply::Text(format!("[{good}]"))),
        ("a key", Reply::Text(good.clone())),
        ("no list", Reply::Text(format!(r#"{{"keys":{good}}}"#))),
        (
            "twice",
            Reply::Text(format!(r#"{{"keys":[],"keys":[{good}]}}"#)),
        ),
        (
            "deep",
            Reply::Text(format!(
                r#"{{"keys":[{}{}]}}"#,
                "[".repeat(50_000),
                "]".repeat(40_000)
            )),
        ),
        (
            "deep beside",
            Reply::Text(format!(
                r#"{{"a":{}1{},"keys":[{good}]}}"#,
                "[".repeat(50_000),
                "]".repeat(50_000)
            )),
        ),
        ("endless", Reply::Endless),
        ("silent", Reply::Silence),
        ("redirect", Reply::Redirect(elsewhere.url("/jwks"))),
        ("redirect here", Reply::Redirect("/other".into())),
        ("created", Reply::Under(201, set([good.clone()]))),
        ("a part of it", Reply::Under(206, set([good.clone()]))),
        ("an error", Reply::Under(500, set([good.clone()]))),
    ] {
        server.publish("/jwks", reply);
        let jwks = if name == "silent" {
            impatient(server.jwks())
        } else {
            server.jwks()
        };
        let (jwks, jwt) = started(jwks);
        assert_eq!(
            verdict(&jwt, &Pair::P256.token("a")).await,
            "unavailable",
            "{name}"
        );
        assert!(!jwks.is_available(), "{name}");
    }
    assert_eq!(elsewhere.asked("/jwks"), 0);
}

#[tokio::test]
async fn a_deep_key_is_left_out_like_any_bad_one() {
    let deep = format!(
        r#"{{"kid":"deep","x":{}{}}}"#,
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    let server = Server::publishing(set([deep, Pair::P256.jwk("a")])).await;
    let (_jwks, jwt) = started(server.jwks());
    assert_eq!(verdict(&jwt, &Pair::P256.token("a")).await, "accepted");
}

#[tokio::test]
async fn a_set_without_a_usable_key_replaces_no_good_ones() {
    let server = Server::publishing(set([Pair::P256.jwk("a")])).await;
    let hands = super::server::Hands::default();
    let (jwks, jwt) = started(server.jwks().clock(hands.clock()));
    jwks.available().await;
    let enc = Pair::Ed.jwk_with(r#""kid":"enc","use":"enc""#);
    for useless in [set([]), set([enc])] {
        server.publish("/jwks", Reply::Text(useless));
        hands.forward(30);
        assert_eq!(verdict(&jwt, &Pair::Ed.token("b")).await, "unavailable");
        assert_eq!(verdict(&jwt, &Pair::P256.token("a")).await, "accepted");
    }
    // They stay no longer than through an outage.
    hands.forward(24 * 60 * 60);
    assert_eq!(verdict(&jwt, &Pair::P256.token("a")).await, "unavailable");
}

#[tokio::test]
async fn a_byte_order_mark_and_foreign_keys_do_no_harm() {
    let foreign = [
        r#"{"kty":"AKP","alg":"ML-DSA-44","kid":"pq","pub":"AAAA"}"#.to_owned(),
        r#"{"kty":"OKP","crv":"X25519","kid":"x","x":"AAAA"}"#.to_owned(),
        Pair::Rsa.jwk_with(r#""kid":"enc","use":"enc","alg":"RSA-OAEP""#),
        Pair::P256.jwk_with(r#""kid":"a","alg":null,"use":null,"key_ops":null"#),
        Pair::Ed.jwk_with(r#""kid":"b","alg":"Ed25519","x5c":["AA=="]"#),
    ];
    let server = Server::publishing(format!("\u{feff}{}", set(foreign))).await;
    let (jwks, jwt) = started(server.jwks());
    jwks.available().await;
    assert_eq!(verdict(&jwt, &Pair::P256.token("a")).await, "accepted");
    assert_eq!(verdict(&jwt, &Pair::Ed.token("b")).await, "accepted");
    let signed = Pair::Ed.token("b");
    let (_, rest) = signed.split_once('.').unwrap();
    // Another spelling of `alg` is not what was signed, and is read first.
    let renamed = format!("{}.{rest}", b64(r#"{"alg":"Ed25519","kid":"b"}"#));
    let refused = jwt.verify_token(&renamed).unwrap_err();
    assert_eq!(refused.detail(), "the signature is not good");
}

#[tokio::test]
async fn a_client_that_minds_no_limit_is_checked_again() {
    let fetch = |_| async {
        let set = set([Pair::P256.jwk("a")]) + &" ".repeat(1000);
        Ok::<_, tower_ws_auth_jwt::FetchError>(tower_ws_auth_jwt::Document::new(set))
    };
    let jwks = Jwks::builder("https://issuer.example/").fetch(fetch);
    let (_jwks, jwt) = started(jwks.max_bytes(1000));
    assert_eq!(verdict(&jwt, &Pair::P256.token("a")).await, "unavailable");
}

#[tokio::test]
async fn a_document_may_be_as_long_as_the_limit_and_no_longer() {
    let document = set([Pair::Ed.jwk("ed")]) + &" ".repeat(100_000);
    let server = Server::publishing(document.clone()).await;
    for (limit, expected) in [
        (document.len() + 1, "accepted"),
        (document.len(), "accepted"),
        (document.len() - 1, "unavailable"),
    ] {
        let (_jwks, jwt) = started(server.jwks().max_bytes(limit));
        assert_eq!(
            verdict(&jwt, &Pair::Ed.token("ed")).await,
            expected,
            "{limit}"
        );
    }
}
