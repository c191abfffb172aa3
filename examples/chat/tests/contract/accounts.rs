//! Logging in and out, and the ways in that a login opens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::peer::{
    connect, login, next, now, own_origin, post, refusal, say, start, ticket, token_of, welcomed,
};

fn refused(status: u16, token: &str) -> (u16, String) {
    (status, token.to_owned())
}

#[tokio::test]
async fn a_login_sets_a_signed_cookie_as_express_writes_it() {
    let address = start(&[]).await;
    let answer = post(address, "/login", &[], r#"{"user":"ada"}"#).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let cookie = answer.field("set-cookie").unwrap();
    assert!(cookie.starts_with("connect.sid=s%3A"), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    // Another login is another session, with any old cookie.
    let again = post(
        address,
        "/login",
        &[("Cookie", &answer.cookie().unwrap())],
        r#"{"user":"ada"}"#,
    )
    .await;
    assert_ne!(again.cookie(), answer.cookie());
    for (bad, token) in [
        ("", "request_malformed"),
        ("{}", "request_malformed"),
        (r#"{"user":7}"#, "request_malformed"),
        (r#"{"user":""}"#, "user_malformed"),
        (r#"{"user":"a b"}"#, "user_malformed"),
    ] {
        let answer = post(address, "/login", &[], bad).await;
        assert_eq!((answer.status, answer.body.as_str()), (400, token), "{bad}");
    }
}

#[tokio::test]
async fn the_session_socket_opens_for_its_own_page_and_no_other() {
    let address = start(&[]).await;
    let (cookie, own) = (login(address, "ada").await, own_origin(address));
    let mut socket = connect(address, "session", &[("cookie", &cookie), ("origin", &own)])
        .await
        .unwrap();
    let welcome = next(&mut socket).await;
    assert_eq!(
        (&welcome["user"], &welcome["via"]),
        (&"ada".into(), &"session".into())
    );

    let denied = connect(address, "session", &[("cookie", &cookie)]).await;
    assert_eq!(refusal(denied).await, refused(403, "origin_denied"));
    for origin in ["https://evil.example", "null", "http://127.0.0.1"] {
        let denied = connect(
            address,
            "session",
            &[("cookie", &cookie), ("origin", origin)],
        )
        .await;
        assert_eq!(
            refusal(denied).await,
            refused(403, "origin_denied"),
            "{origin}"
        );
    }
    let none = connect(address, "session", &[("origin", &own)]).await;
    assert_eq!(refusal(none).await, refused(4401, "credentials_missing"));
    let (value, _) = cookie.split_at(cookie.len() - 6);
    for forged in [
        format!("{value}AAAAAA"),
        "connect.sid=s%3Ax.y".into(),
        "connect.sid=".into(),
    ] {
        let forged = connect(address, "session", &[("cookie", &forged), ("origin", &own)]).await;
        assert_eq!(refusal(forged).await, refused(4401, "session_invalid"));
    }
}

#[tokio::test]
async fn a_logout_ends_the_session_and_removes_its_cookie() {
    let address = start(&[]).await;
    let (cookie, own) = (login(address, "ada").await, own_origin(address));
    let answer = post(address, "/logout", &[("Cookie", &cookie)], "").await;
    assert_eq!(answer.status, 204);
    let removal = answer.field("set-cookie").unwrap();
    assert!(
        removal.starts_with("connect.sid=; Max-Age=0; Path=/"),
        "{removal}"
    );
    let ended = connect(address, "session", &[("cookie", &cookie), ("origin", &own)]).await;
    assert_eq!(refusal(ended).await, refused(4401, "session_invalid"));
    for path in ["/token", "/ticket"] {
        let answer = post(address, path, &[("Cookie", &cookie)], "{}").await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (401, "session_invalid"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_token_is_minted_for_the_sessions_user() {
    // With leeway, the one of a second opens a socket however long a slow machine takes for it.
    let address = start(&[
        "--jwt-leeway",
        "60",
        "--jwt-issuer",
        "https://id.example",
        "--jwt-audience",
        "chat",
    ])
    .await;
    let cookie = login(address, "ada").await;
    let before = now();
    for (mint_request, ttl) in [
        ("", 3600),
        ("{}", 3600),
        (r#"{"ttl":null}"#, 3600),
        (r#"{"ttl":1}"#, 1),
        (r#"{"ttl":86400}"#, 86400),
    ] {
        let answer = post(address, "/token", &[("Cookie", &cookie)], mint_request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        let expires_at = answer.json()["expires_at"].as_u64().unwrap();
        assert!((before + ttl..=now() + ttl).contains(&expires_at));
        let path = format!("jwt?token={}", answer.json()["token"].as_str().unwrap());
        let mut socket = connect(address, &path, &[]).await.unwrap();
        let welcome = next(&mut socket).await;
        assert_eq!(
            (&welcome["user"], &welcome["via"]),
            (&"ada".into(), &"jwt".into())
        );
    }
    for bad in [
        r#"{"ttl":0}"#,
        r#"{"ttl":86401}"#,
        r#"{"ttl":-1}"#,
        r#"{"ttl":"1"}"#,
        "[60]",
        "[]",
        "[",
        "1",
    ] {
        let answer = post(address, "/token", &[("Cookie", &cookie)], bad).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
    assert_eq!(post(address, "/token", &[], "{}").await.status, 401);
}

#[tokio::test]
async fn a_ticket_opens_one_socket() {
    let address = start(&["--ticket-ttl", "20"]).await;
    let cookie = login(address, "ada").await;
    let before = now();
    let answer = post(address, "/ticket", &[("Cookie", &cookie)], "").await;
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let expires_at = answer.json()["expires_at"].as_u64().unwrap();
    assert!(
        (before + 20..=now() + 20).contains(&expires_at),
        "{answer:?}"
    );
    let path = format!(
        "ticket?ticket={}",
        answer.json()["ticket"].as_str().unwrap()
    );

    // A handshake that fails for another reason leaves it unburnt.
    let foreign = connect(address, &path, &[("origin", "https://evil.example")]).await;
    assert_eq!(refusal(foreign).await, refused(403, "origin_denied"));
    let mut socket = connect(address, &path, &[]).await.unwrap();
    let welcome = next(&mut socket).await;
    assert_eq!(
        (&welcome["user"], &welcome["via"]),
        (&"ada".into(), &"ticket".into())
    );
    for _ in 0..2 {
        let replayed = connect(address, &path, &[]).await;
        assert_eq!(refusal(replayed).await, refused(401, "ticket_invalid"));
    }
}

#[tokio::test]
async fn what_is_no_ticket_looks_the_same_whatever_it_is() {
    const LONGER_THAN_A_TICKET: Duration = Duration::from_millis(3100);
    let address = start(&["--ticket-ttl", "3"]).await;
    let (cookie, own) = (login(address, "ada").await, own_origin(address));
    let expired = ticket(address, &cookie, "").await;
    let used = ticket(address, &cookie, "").await;
    connect(address, &format!("ticket?ticket={used}"), &[])
        .await
        .unwrap();
    let for_channel = ticket(address, &cookie, r#"{"channel":"ticket-1"}"#).await;
    tokio::time::sleep(LONGER_THAN_A_TICKET).await;
    for no_ticket in [
        &expired,
        &used,
        &for_channel,
        "x",
        &"A".repeat(43),
        &token_of("ada"),
    ] {
        let path = format!("ticket?ticket={no_ticket}");
        let plain = refusal(connect(address, &path, &[]).await).await;
        let closed = refusal(connect(address, &path, &[("origin", &own)]).await).await;
        assert_eq!(plain, refused(401, "ticket_invalid"), "{no_ticket}");
        assert_eq!(closed, refused(4401, "ticket_invalid"), "{no_ticket}");
    }
}

#[tokio::test]
async fn a_ticket_is_no_credential_for_another_ticket() {
    let address = start(&[]).await;
    let cookie = login(address, "ada").await;
    let first = ticket(address, &cookie, "").await;
    let channel = ticket(address, &cookie, r#"{"channel":"lobby"}"#).await;
    for credential in [first, channel] {
        let path = format!("/ticket?ticket={credential}");
        let bearer = format!("Bearer {credential}");
        assert_eq!(post(address, &path, &[], "").await.status, 401);
        assert_eq!(
            post(address, "/ticket", &[("Authorization", &bearer)], "")
                .await
                .status,
            401
        );
    }
}

#[tokio::test]
async fn a_ticket_for_a_channel_joins_that_channel_once() {
    let address = start(&[]).await;
    let cookie = login(address, "ada").await;
    let mut ada = welcomed(address, "ada").await;
    let auth = ticket(address, &cookie, r#"{"channel":"ticket-1"}"#).await;
    let socket_ticket = ticket(address, &cookie, "").await;
    let join = |channel: &str, auth: Option<&str>| json!({ "type": "join", "channel": channel, "auth": auth });
    let denied = |channel: &str, reason: &str| json!({ "type": "denied", "channel": channel, "reason": reason });

    say(&mut ada, &join("ticket-1", None)).await;
    assert_eq!(
        next(&mut ada).await,
        denied("ticket-1", "credentials_missing")
    );
    for (channel, wrong) in [("ticket-2", &auth), ("ticket-1", &socket_ticket)] {
        say(&mut ada, &join(channel, Some(wrong))).await;
        assert_eq!(next(&mut ada).await, denied(channel, "ticket_invalid"));
    }
    // Unburnt by the wrong uses, it joins; so does the other still open its socket.
    say(&mut ada, &join("ticket-1", Some(&auth))).await;
    assert_eq!(
        next(&mut ada).await,
        json!({ "type": "joined", "channel": "ticket-1" })
    );
    connect(address, &format!("ticket?ticket={socket_ticket}"), &[])
        .await
        .unwrap();

    let mut eve = welcomed(address, "eve").await;
    say(&mut eve, &join("ticket-1", Some(&auth))).await;
    assert_eq!(next(&mut eve).await, denied("ticket-1", "ticket_invalid"));
}

#[tokio::test]
async fn on_any_route_what_is_explicit_decides_before_the_cookie() {
    let address = start(&[]).await;
    let (cookie, own) = (login(address, "ada").await, own_origin(address));
    let page = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let by_jwt = format!("any?token={}", token_of("eve"));
    let by_ticket = format!("any?ticket={}", ticket(address, &cookie, "").await);
    for (path, fields, user, via) in [
        ("any", &page[..], "ada", "session"),
        (&by_jwt, &page, "eve", "jwt"),
        (&by_jwt, &[], "eve", "jwt"),
        (&by_ticket, &page, "ada", "ticket"),
    ] {
        let mut socket = connect(address, path, fields).await.unwrap();
        let welcome = next(&mut socket).await;
        assert_eq!(
            (&welcome["user"], &welcome["via"]),
            (&user.into(), &via.into()),
            "{path}"
        );
    }
    let both = format!("any?token={}&ticket=x", token_of("eve"));
    for (path, fields, expected) in [
        // A bad deciding credential is refused, although the cookie is valid.
        ("any?token=x", &page[..], refused(4401, "token_invalid")),
        (&by_ticket, &page, refused(4401, "ticket_invalid")),
        ("any?token=", &page, refused(4400, "credentials_malformed")),
        (&both, &page, refused(4400, "credentials_malformed")),
        ("any", &page[..1], refused(403, "origin_denied")),
        ("any", &[], refused(401, "credentials_missing")),
    ] {
        let answer = connect(address, path, fields).await;
        assert_eq!(refusal(answer).await, expected, "{path}");
    }
}

#[tokio::test]
async fn a_foreign_page_can_neither_log_in_nor_mint() {
    let address = start(&[]).await;
    let cookie = login(address, "ada").await;
    for path in ["/login", "/logout", "/token", "/ticket"] {
        let fields = [
            ("Cookie", cookie.as_str()),
            ("Origin", "https://evil.example"),
        ];
        let answer = post(address, path, &fields, r#"{"user":"eve"}"#).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (403, "origin_denied"),
            "{path}"
        );
        assert_eq!(answer.field("set-cookie"), None);
    }
}

#[tokio::test]
async fn every_session_secret_verifies_and_the_first_one_signs() {
    let (old, new) = (
        "an old secret, of many bytes",
        "a new secret, of many bytes",
    );
    let rotated = start(&["--session-secret", new, "--session-secret", old]).await;
    let signed_by_new = login(rotated, "ada").await;
    let id = signed_by_new["connect.sid=s%3A".len()..]
        .split('.')
        .next()
        .unwrap();
    let by = |secret: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(id.as_bytes());
        let signature = STANDARD_NO_PAD.encode(mac.finalize().into_bytes());
        let signature = signature.replace('+', "%2B").replace('/', "%2F");
        format!("connect.sid=s%3A{id}.{signature}")
    };
    assert_eq!(by(new), signed_by_new);
    let own = own_origin(rotated);
    for cookie in [by(new), by(old)] {
        let fields = [("cookie", cookie.as_str()), ("origin", own.as_str())];
        let mut socket = connect(rotated, "session", &fields).await.unwrap();
        assert_eq!(next(&mut socket).await["user"], "ada");
    }
    let other = by("a secret of somebody else");
    let refusing = connect(rotated, "session", &[("cookie", &other), ("origin", &own)]).await;
    assert_eq!(refusal(refusing).await, refused(4401, "session_invalid"));
}

/// Their reader sees a fixed text, and no cache keeps it.
#[tokio::test]
async fn what_is_no_object_or_too_large_is_refused_with_a_fixed_text() {
    let address = start(&[]).await;
    let cookie = login(address, "ada").await;
    let large = format!(r#"{{"user":"{}"}}"#, "a".repeat(3 << 20));
    for path in ["/login", "/revoke", "/token", "/ticket"] {
        for (body, status, text) in [
            (r#"["ada"]"#, 400, "request_malformed"),
            ("null", 400, "request_malformed"),
            (&*large, 413, "request_too_large"),
        ] {
            let answer = post(address, path, &[("Cookie", &cookie)], body).await;
            assert_eq!((answer.status, &*answer.body), (status, text), "{path}");
            assert_eq!(answer.field("cache-control"), Some("no-store"), "{path}");
        }
    }
    for path in ["/login", "/revoke"] {
        let answer = post(address, path, &[("Cookie", &cookie)], "").await;
        assert_eq!((answer.status, &*answer.body), (400, "request_malformed"));
    }
    let bob = r#"{"user":"bob"}"#;
    let answer = post(address, "/revoke", &[("Cookie", &cookie)], bob).await;
    assert_eq!((answer.status, &*answer.body), (403, "forbidden"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
}
