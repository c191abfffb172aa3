//! What the upstream reads: the spelling of names, further claims, and the credential if it is kept.

use serde_json::json;

use crate::hostile_clients::all_of;
use crate::peer::{Running, handshake, now, raw, token, token_of};
use crate::upstream::Upstream;

#[tokio::test]
async fn names_keep_their_spelling_and_ours_begin_with_capitals() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let (_stream, answer) = raw(
        gateway.address,
        &handshake("/echo", "X-API-Key: 1\r\nx-small: 1\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let head = upstream.head();
    for line in [
        "\r\nSec-WebSocket-Key: ",
        "\r\nSec-WebSocket-Version: 13\r\n",
        "\r\nHost: app.example\r\n",
        "\r\nConnection: Upgrade\r\n",
        "\r\nUpgrade: websocket\r\n",
        "\r\nX-API-Key: 1\r\n",
        "\r\nx-small: 1\r\n",
        "\r\nX-Auth-User: ada\r\n",
        "\r\nX-Auth-Via: jwt\r\n",
        "\r\nX-Auth-Expires: ",
        "\r\nX-Forwarded-For: 127.0.0.1\r\n",
        "\r\nX-Real-Ip: 127.0.0.1\r\n",
        "\r\nForwarded: for=127.0.0.1;",
    ] {
        assert!(head.contains(line), "{line:?} in {head}");
    }
}

#[tokio::test]
async fn a_client_does_not_choose_how_ours_are_written() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(upstream.address, &[]).await;
    let lines = "x-AUTH-user: root\r\nX-FORWARDED-FOR: 10.0.0.1\r\n";
    let (_stream, answer) = raw(gateway.address, &handshake("/echo", lines)).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let head = upstream.head();
    for line in [
        "\r\nX-Auth-User: ada\r\n",
        "\r\nX-Forwarded-For: 127.0.0.1\r\n",
        "\r\nSec-WebSocket-Key: ",
    ] {
        assert!(head.contains(line), "{line:?} in {head}");
    }
    assert!(
        !head.contains("root") && !head.contains("10.0.0.1"),
        "{head}"
    );
}

#[tokio::test]
async fn further_claims_are_told_and_none_ends_its_line() {
    let upstream = Upstream::start().await;
    let options = [
        "--jwt-header",
        "email=/email,roles=/realm_access/roles,Tenant=/tenant",
        "--jwt-header",
        "first=/realm_access/roles/0",
    ];
    let gateway = Running::start(upstream.address, &options).await;
    let token = token(&json!({
        "sub": "ada",
        "exp": now() + 60,
        "email": "ada@example.org\r\nX-Auth-User: root",
        "realm_access": { "roles": ["admin", "a,b"] },
        "tenant": 7,
    }));
    let lines = "X-Auth-Claim-First: root\r\nX_Auth_Claim_Tenant: root\r\n";
    let request = handshake("/echo", lines).replace(&token_of("ada"), &token);
    let (_stream, answer) = raw(gateway.address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let claim = |name: &str| upstream.header(&format!("x-auth-claim-{name}"));
    let email = "ada@example.org%0D%0AX-Auth-User:%20root";
    assert_eq!(claim("email").as_deref(), Some(email));
    assert_eq!(claim("roles").as_deref(), Some("admin,a%2Cb"));
    assert_eq!(claim("tenant").as_deref(), Some("7"));
    assert_eq!(claim("first"), None);
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
}

#[tokio::test]
async fn a_kept_credential_reaches_the_upstream_wherever_it_came() {
    let upstream = Upstream::start().await;
    let flags = ["--keep-credential", "--http", "authenticate"];
    let gateway = Running::start(upstream.address, &flags).await;
    let token = token_of("ada");
    let target = format!("/echo?a=1&Authorization=Bearer%20{token}");
    let request = handshake(&target, "Cookie: b=2\r\n");
    let request: String = request
        .lines()
        .filter(|line| !line.starts_with("Authorization"))
        .flat_map(|line| [line, "\r\n"])
        .collect();
    let (_stream, answer) = raw(gateway.address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert!(
        upstream
            .head()
            .starts_with(&format!("GET {target} HTTP/1.1\r\n"))
    );
    assert_eq!(upstream.header("cookie").as_deref(), Some("b=2"));
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    // Still, one that is refused reaches nobody, and fields from outside end here.
    let lines =
        format!("Authorization: Bearer {token}\r\nX-Auth-User: root\r\nConnection: close\r\n");
    let plain = |lines: &str| format!("GET /page HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let answer = all_of(gateway.address, plain(&lines).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let kept = upstream.header("authorization");
    assert_eq!(kept, Some(format!("Bearer {token}")));
    assert_eq!(upstream.header("x-auth-user").as_deref(), Some("ada"));
    let before = upstream.connections();
    let bad = lines.replace(&token, &token[1..]);
    let answer = all_of(gateway.address, plain(&bad).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(upstream.connections(), before);
}

#[tokio::test]
async fn an_operator_names_fields_that_end_here() {
    let upstream = Upstream::start().await;
    let flags = ["--strip", "X-Client-IP,X-Shop-*"];
    let gateway = Running::start(upstream.address, &flags).await;
    let lines = "x-client-ip: root\r\nX_Client_IP: root\r\nX-Shop-Role: root\r\nX-Shopping: 1\r\n\
                 Remote-User: root\r\nRemote_Groups: root\r\nX-WEBAUTH-USER: root\r\n";
    let (_stream, answer) = raw(gateway.address, &handshake("/echo", lines)).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert!(!upstream.head().contains("root"), "{}", upstream.head());
    assert_eq!(upstream.header("x-shopping").as_deref(), Some("1"));
}
