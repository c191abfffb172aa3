//! Tokens of programs that know nothing of the gateway.

use clap::Parser;
use gateway::{Gateway, Options};
use serde_json::{Value, json};
use test_support::http1::ask;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tower_ws_auth::jwt::{Algorithm, JwtEncoder, SigningKey};

use crate::peer::{ORIGIN, Running, connect, now, refused};
use crate::upstream::Upstream;

/// As short as the one of a seed, 20 bytes.
const SHORT: &str = "a secret of 20 bytes";

/// The one of RFC 8037, appendix A.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----";

fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    let key = SigningKey::dangerous_short_hmac(algorithm, secret).unwrap();
    JwtEncoder::new(key).encode(claims).unwrap()
}

fn of_the_seed(claims: &Value) -> String {
    signed(Algorithm::HS256, SHORT, claims)
}

const SEED: [&str; 5] = [
    "--jwt-secret",
    SHORT,
    "--dangerous-short-jwt-secret",
    "--jwt-user",
    "/user_id",
];

#[tokio::test]
async fn the_token_of_a_seed_enters_and_its_user_is_announced() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &SEED).await;
    let claims = json!({ "user_id": 7, "username": "ada", "exp": now() + 600 });
    let token = of_the_seed(&claims);
    for query in [
        format!("Authorization=Bearer%20{token}"),
        format!("Authorization=Bearer+{token}"),
        format!("Authorization={token}"),
    ] {
        let path = format!("/echo?{query}");
        drop(connect(gateway.address, &path, &mut vec![]).await.unwrap());
        assert_eq!(upstream.header("x-auth-user").as_deref(), Some("7"));
    }
}

#[tokio::test]
async fn a_token_whose_claim_names_no_user_is_refused() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &SEED).await;
    for user in [
        json!(null),
        json!(""),
        json!(true),
        json!(1.5),
        json!(["7"]),
        json!({ "0": "7" }),
    ] {
        let token = of_the_seed(&json!({ "user_id": user, "sub": "ada", "exp": now() + 600 }));
        let path = format!("/echo?Authorization={token}");
        let refused = refused(gateway.address, &path, &[]).await;
        assert_eq!(refused, (401, "token_invalid".into()), "{user}");
    }
}

#[tokio::test]
async fn a_user_with_a_line_break_ends_no_header() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &SEED).await;
    let user = "7\r\nX-Auth-User: root";
    let token = of_the_seed(&json!({ "user_id": user, "exp": now() + 600 }));
    let path = format!("/echo?token={token}");
    drop(connect(gateway.address, &path, &mut vec![]).await.unwrap());
    let announced = upstream.header("x-auth-user");
    assert_eq!(announced.as_deref(), Some("7%0D%0AX-Auth-User:%20root"));
}

#[tokio::test]
async fn several_secrets_issuers_audiences_and_query_keys_will_do() {
    let upstream = Upstream::start().await;
    let long = "b".repeat(64);
    let options = [
        "--jwt-secret",
        &long,
        "--jwt-issuer",
        "https://a.example,https://b.example",
        "--jwt-audience",
        "web",
        "--jwt-audience",
        "app",
        "--jwt-query",
        "jwt,ticket",
    ];
    let gateway = Running::start(upstream.address, &options).await;
    let token = |iss: &str, aud: &str| {
        let claims = json!({ "sub": "ada", "iss": iss, "aud": aud, "exp": now() + 600 });
        signed(Algorithm::HS256, &long, &claims)
    };
    for (iss, aud, key) in [
        ("https://a.example", "web", "jwt"),
        ("https://b.example", "app", "ticket"),
    ] {
        let path = format!("/echo?{key}={}", token(iss, aud));
        drop(connect(gateway.address, &path, &mut vec![]).await.unwrap());
    }
    for (iss, aud, key, reason) in [
        ("https://c.example", "web", "jwt", "token_invalid"),
        ("https://a.example", "other", "jwt", "token_invalid"),
        ("https://a.example", "web", "token", "credentials_missing"),
    ] {
        let path = format!("/echo?{key}={}", token(iss, aud));
        let refused = refused(gateway.address, &path, &[]).await;
        assert_eq!(refused, (401, reason.into()), "{iss} {aud} {key}");
    }
}

#[tokio::test]
async fn a_pem_file_verifies_and_its_text_is_no_secret() {
    let folder = std::env::temp_dir().join(format!("gateway-pem-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("ed25519.pem");
    // RFC 8037, appendix A.
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    std::fs::write(&file, public).unwrap();
    let upstream = Upstream::start().await;
    let options = ["--jwt-public-key", file.to_str().unwrap()];
    let gateway = Running::start(upstream.address, &options).await;
    let claims = json!({ "sub": "ada", "exp": now() + 600 });
    let key = SigningKey::from_pem(Algorithm::EdDSA, PRIVATE).unwrap();
    let path = format!(
        "/echo?token={}",
        JwtEncoder::new(key).encode(&claims).unwrap()
    );
    drop(connect(gateway.address, &path, &mut vec![]).await.unwrap());

    let key = hmac_of(public, &claims);
    let refused = refused(gateway.address, &format!("/echo?token={key}"), &[]).await;
    assert_eq!(refused, (401, "token_invalid".into()));
    std::fs::remove_dir_all(folder).unwrap();
}

/// An issuer's configuration and its keys, by OpenID Connect Discovery.
async fn issuer() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let configuration = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
    let key = json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let keys = json!({ "keys": [key] });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = test_support::handshake::read_head(&mut stream)
                .await
                .unwrap();
            let body = if head.starts_with("GET /keys ") {
                &keys
            } else {
                &configuration
            };
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    issuer
}

#[tokio::test]
async fn an_issuer_is_discovered_and_its_keys_verify_its_own_tokens_alone() {
    let issuer = issuer().await;
    let upstream = Upstream::start().await;
    let flags = ["--oidc-issuer", &issuer, "--admin-listen", "127.0.0.1:0"];
    let gateway = Running::start(upstream.address, &flags).await;
    let ready = async {
        while ask(gateway.admin.unwrap(), "GET /readyz", &[], "")
            .await
            .status
            != 200
        {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    test_support::bounded("its keys are there", ready).await;
    let path = |iss: &str| {
        let key = SigningKey::from_pem(Algorithm::EdDSA, PRIVATE).unwrap();
        let claims = json!({ "sub": "ada", "iss": iss, "exp": now() + 600 });
        format!(
            "/echo?token={}",
            JwtEncoder::new(key).encode(&claims).unwrap()
        )
    };
    drop(
        connect(gateway.address, &path(&issuer), &mut vec![])
            .await
            .unwrap(),
    );
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    for other in ["https://evil.example", &format!("{issuer}/")] {
        let refused = refused(gateway.address, &path(other), &[]).await;
        assert_eq!(refused, (401, "token_invalid".into()), "{other}");
    }
}

#[tokio::test]
async fn a_secret_is_for_the_algorithm_that_the_flag_names() {
    let upstream = Upstream::start().await;
    let secret = "s".repeat(64);
    for (name, algorithm, other) in [
        ("HS384", Algorithm::HS384, Algorithm::HS256),
        ("HS512", Algorithm::HS512, Algorithm::HS384),
    ] {
        let flags = ["--jwt-secret", &secret, "--jwt-algorithm", name];
        // Beside the secret that every test has, which is too short for it.
        let flags = [&flags[..], &["--dangerous-short-jwt-secret"]].concat();
        let gateway = Running::start(upstream.address, &flags).await;
        let claims = json!({ "sub": "ada", "exp": now() + 600 });
        let path = |algorithm| format!("/echo?token={}", signed(algorithm, &secret, &claims));
        drop(
            connect(gateway.address, &path(algorithm), &mut vec![])
                .await
                .unwrap(),
        );
        let refused = refused(gateway.address, &path(other), &[]).await;
        assert_eq!(refused, (401, "token_invalid".into()), "{name}");
    }
}

/// As an attacker signs with the public key for a secret, and nobody checks the length.
fn hmac_of(secret: &str, claims: &Value) -> String {
    use hmac::{KeyInit as _, Mac as _};

    let part = |json: &Value| crate::passing::base64(json.to_string().as_bytes(), *b"-_");
    let text = format!("{}.{}", part(&json!({ "alg": "HS256" })), part(claims));
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let tag = crate::passing::base64(&mac.finalize().into_bytes(), *b"-_");
    format!("{text}.{tag}")
}

#[tokio::test]
async fn an_error_at_the_start_names_the_flag() {
    for (given, named) in [
        (&["--jwt-secret", SHORT][..], "--dangerous-short-jwt-secret"),
        (
            &["--jwt-secret", "x", "--jwt-user", "user_id"],
            "--jwt-user: ",
        ),
        (&["--jwt-secret", "x", "--jwt-user", "/exp"], "--jwt-user: "),
        (
            &["--jwt-public-key", "/nowhere.pem"],
            "--jwt-public-key /nowhere.pem: ",
        ),
        (
            &["--oidc-issuer", "http://issuer.example"],
            "--oidc-issuer: ",
        ),
        (
            &[],
            "--jwt-secret, --jwt-public-key, --jwks-url or --oidc-issuer",
        ),
    ] {
        let common = ["gateway", "--listen", "127.0.0.1:0"];
        let with = ["--upstream", "http://127.0.0.1:1", "--origin", ORIGIN];
        let options = common.iter().chain(&with).chain(given);
        let options = Options::try_parse_from(options).unwrap();
        let error = Gateway::bind(options).await.unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[tokio::test]
async fn a_token_travels_where_the_flags_say() {
    let upstream = Upstream::start().await;
    let options = [
        "--jwt-scheme",
        "JWT,Token",
        "--jwt-header-name",
        "Cf-Access-Jwt-Assertion",
        "--jwt-subprotocol",
        "bearer-pair,jupyter",
        "--jwt-cookie",
        "jwt",
    ];
    let gateway = Running::start(upstream.address, &options).await;
    let token = crate::peer::token_of("ada");
    let signature = token.rsplit('.').next().unwrap();
    let stays_here = || assert!(!upstream.head().contains(signature), "{}", upstream.head());
    for (name, value) in [
        ("authorization", format!("JWT {token}")),
        ("authorization", format!("token {token}")),
        ("cf-access-jwt-assertion", token.clone()),
        (
            "sec-websocket-protocol",
            format!("chat.v2, bearer, {token}"),
        ),
        (
            "sec-websocket-protocol",
            format!("chat.v2, v1.token.websocket.jupyter.org.{token}"),
        ),
    ] {
        let opened = connect(gateway.address, "/echo", &mut vec![(name, value)]).await;
        drop(opened.unwrap());
        assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
        stays_here();
    }
    let bearer = format!("Bearer {token}");
    let refused = refused(gateway.address, "/echo", &[("authorization", &bearer)]).await;
    assert_eq!(refused.0, 401);
    // A cookie decides for an allowed page alone.
    let cookie = format!("jwt={token}");
    let page = |origin: &str| vec![("origin", origin.to_owned()), ("cookie", cookie.clone())];
    drop(
        connect(gateway.address, "/echo", &mut page(ORIGIN))
            .await
            .unwrap(),
    );
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    stays_here();
    let foreign = [("origin", "https://evil.example"), ("cookie", &*cookie)];
    assert_eq!(
        crate::peer::refused(gateway.address, "/echo", &foreign)
            .await
            .0,
        403
    );
    let nowhere = [("cookie", &*cookie)];
    assert_eq!(
        crate::peer::refused(gateway.address, "/echo", &nowhere)
            .await
            .0,
        403
    );
}

#[tokio::test]
async fn a_token_may_be_as_long_as_the_flag_says() {
    let upstream = Upstream::start().await;
    let claims = json!({ "sub": "ada", "exp": now() + 600, "groups": "x".repeat(9000) });
    let token = hmac_of(crate::peer::SECRET, &claims);
    assert!((12_000..16_384).contains(&token.len()), "{}", token.len());
    let bearer = format!("Bearer {token}");
    let flags = ["--jwt-max-length", "16384"];
    let gateway = Running::start(upstream.address, &flags).await;
    let mut with = vec![("authorization", bearer.clone())];
    let opened = connect(gateway.address, "/echo", &mut with).await;
    drop(opened.unwrap());
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    let gateway = Running::start(upstream.address, &[]).await;
    let refused = refused(gateway.address, "/echo", &[("authorization", &bearer)]).await;
    assert_eq!(refused.0, 400);
}

#[tokio::test]
async fn a_page_without_an_origin_of_its_own_needs_a_frightening_flag() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let path = format!("/echo?token={}", crate::peer::token_of("ada"));
    for origin in ["null", "file://"] {
        let refused = refused(gateway.address, &path, &[("origin", origin)]).await;
        assert_eq!(refused.0, 403, "{origin}");
    }
    let flags = ["--dangerous-origin", "null,file"];
    let gateway = Running::start(upstream.address, &flags).await;
    for origin in ["null", "file://", ORIGIN] {
        let mut headers = vec![("origin", origin.to_owned())];
        drop(connect(gateway.address, &path, &mut headers).await.unwrap());
    }
}
