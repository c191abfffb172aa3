//! Open connections end when what opened them ends.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{
    PATIENCE, SOON, Socket, close_of, connect, login, narrow, next, now, own_origin, post, refusal,
    say, start, ticket, token, token_of, welcomed,
};

/// In it a ban that came late would end a socket.
const BAN_WOULD_TAKE: Duration = Duration::from_millis(100);

/// A socket by each way in.
async fn by_every_way(address: SocketAddr, user: &str, cookie: &str) -> Vec<Socket> {
    let own = own_origin(address);
    let headers = [("cookie", cookie), ("origin", own.as_str())];
    let by_token = format!("jwt?token={}", token_of(user));
    let by_ticket = format!("ticket?ticket={}", ticket(address, cookie, "{}").await);
    let any_token = format!("any?token={}", token_of(user));
    let any_ticket = format!("any?ticket={}", ticket(address, cookie, "{}").await);
    let mut open = Vec::new();
    for (path, headers) in [
        (by_token.as_str(), &headers[..0]),
        (&by_ticket, &headers[..0]),
        ("session", &headers),
        (&any_token, &headers[..0]),
        (&any_ticket, &headers),
        ("any", &headers),
    ] {
        let mut socket = connect(address, path, headers).await.unwrap();
        assert_eq!(next(&mut socket).await["user"], user, "{path}");
        open.push(socket);
    }
    open
}

async fn still_talks(socket: &mut Socket) {
    say(socket, &json!({"type": "join", "channel": "lobby"})).await;
    assert_eq!(next(socket).await["type"], "joined");
}

fn said(code: u16, reason: &str) -> (u16, String) {
    (code, reason.to_owned())
}

#[tokio::test]
async fn a_revoke_ends_all_that_a_user_has_open_and_nothing_of_others() {
    let address = start(&[]).await;
    let (ada, bob) = (login(address, "ada").await, login(address, "bob").await);
    let of_ada = by_every_way(address, "ada", &ada).await;
    let mut of_bob = by_every_way(address, "bob", &bob).await;

    let body = r#"{"user":"ada"}"#;
    let of_another = post(address, "/revoke", &[("Cookie", &bob)], body).await;
    assert_eq!(
        (of_another.status, of_another.body.as_str()),
        (403, "forbidden")
    );
    let nobody = post(address, "/revoke", &[], body).await;
    assert_eq!(nobody.status, 401);
    for bad in ["", "{}", r#"{"user":7}"#] {
        let bad = post(address, "/revoke", &[("Cookie", &ada)], bad).await;
        assert_eq!(bad.status, 400);
    }

    let done = post(address, "/revoke", &[("Cookie", &ada)], body).await;
    assert_eq!(done.status, 204);
    for socket in of_ada {
        assert_eq!(close_of(socket).await, said(4403, "revoked"));
    }
    for socket in &mut of_bob {
        still_talks(socket).await;
    }
}

#[tokio::test]
async fn a_revoke_refuses_what_was_issued_before_and_nothing_that_is_issued_then() {
    let address = start(&[]).await;
    let (cookie, own) = (login(address, "ada").await, own_origin(address));
    let minted = async || {
        let answer = post(address, "/token", &[("Cookie", &cookie)], "{}").await;
        answer.json()["token"].as_str().unwrap().to_owned()
    };
    let foreign = token(&json!({ "sub": "ada", "exp": now() + 60 }));
    let (old_token, old_ticket) = (minted().await, ticket(address, &cookie, "{}").await);
    let for_channel = ticket(address, &cookie, r#"{"channel":"ticket-1"}"#).await;
    let mut of_bob = welcomed(address, "bob").await;

    let body = r#"{"user":"ada"}"#;
    let done = post(address, "/revoke", &[("Cookie", &cookie)], body).await;
    assert_eq!(done.status, 204);
    for (path, reason) in [
        (format!("jwt?token={old_token}"), "token_invalid"),
        (format!("any?token={old_token}"), "token_invalid"),
        // It does not say when it was issued.
        (format!("jwt?token={foreign}"), "token_invalid"),
        (format!("ticket?ticket={old_ticket}"), "ticket_invalid"),
    ] {
        let refused = connect(address, &path, &[]).await;
        assert_eq!(refusal(refused).await, said(401, reason), "{path}");
        if path.starts_with("jwt") {
            let refused = connect(address, &path, &[("origin", &own)]).await;
            assert_eq!(refusal(refused).await, said(4401, reason), "{path}");
        }
    }
    let join = json!({"type": "join", "channel": "ticket-1", "auth": for_channel});
    say(&mut of_bob, &join).await;
    assert_eq!(next(&mut of_bob).await["reason"], "ticket_invalid");

    // The session is over too: it opens nothing, and is changed into nothing.
    let headers = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    for path in ["session", "any"] {
        let refused = connect(address, path, &headers).await;
        assert_eq!(
            refusal(refused).await,
            said(4401, "session_invalid"),
            "{path}"
        );
    }
    for path in ["/token", "/ticket", "/revoke"] {
        let refused = post(address, path, &[("Cookie", &cookie)], body).await;
        let refused = (refused.status, refused.body);
        assert_eq!(refused, (401, "session_invalid".to_owned()), "{path}");
    }

    // A new login is accepted at once, and so is a credential minted for it.
    let cookie = login(address, "ada").await;
    let headers = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let minted = post(address, "/token", &[("Cookie", &cookie)], "{}").await;
    let by_token = format!("jwt?token={}", minted.json()["token"].as_str().unwrap());
    let by_ticket = format!("ticket?ticket={}", ticket(address, &cookie, "{}").await);
    let mut open = vec![connect(address, "session", &headers).await.unwrap()];
    open.push(connect(address, &by_token, &[]).await.unwrap());
    open.push(connect(address, &by_ticket, &[]).await.unwrap());
    tokio::time::sleep(BAN_WOULD_TAKE).await;
    for socket in &mut open {
        assert_eq!(next(socket).await["user"], "ada");
        still_talks(socket).await;
    }
}

#[tokio::test]
async fn a_logout_ends_what_its_session_has_open_and_no_other_of_the_user() {
    let address = start(&[]).await;
    let (one, other) = (login(address, "ada").await, login(address, "ada").await);
    let own = own_origin(address);
    let by = async |cookie: &str| {
        let headers = [("cookie", cookie), ("origin", own.as_str())];
        let mut socket = connect(address, "session", &headers).await.unwrap();
        next(&mut socket).await;
        socket
    };
    let (of_one, mut of_other) = (by(&one).await, by(&other).await);
    let path = format!("ticket?ticket={}", ticket(address, &one, "{}").await);
    let mut by_ticket_of_one = connect(address, &path, &[]).await.unwrap();
    next(&mut by_ticket_of_one).await;
    let mut by_token = welcomed(address, "ada").await;

    let done = post(address, "/logout", &[("Cookie", &one)], "").await;
    assert_eq!(done.status, 204);
    assert_eq!(close_of(of_one).await, said(4401, "session_ended"));
    // A ticket that the session minted is the session's.
    let of_ticket = close_of(by_ticket_of_one).await;
    assert_eq!(of_ticket, said(4401, "session_ended"));
    still_talks(&mut of_other).await;
    still_talks(&mut by_token).await;
    // A login with another session's cookie ends that session too.
    let body = r#"{"user":"bob"}"#;
    post(address, "/login", &[("Cookie", &other)], body).await;
    assert_eq!(close_of(of_other).await, said(4401, "session_ended"));
}

#[tokio::test]
async fn a_stop_tells_everybody_that_is_connected() {
    use chat::{Chat, Options};
    use clap::Parser;

    let options = ["chat", "--listen", "127.0.0.1:0", "--jwt-secret"];
    let options = options.iter().chain(&[crate::peer::SECRET]);
    let chat = Chat::bind(Options::try_parse_from(options).unwrap())
        .await
        .unwrap();
    let address = chat.address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(chat.serve(async move {
        let _ = stopped.await;
    }));
    let open = [
        welcomed(address, "ada").await,
        welcomed(address, "bob").await,
    ];
    stop.send(()).unwrap();
    for socket in open {
        assert_eq!(close_of(socket).await, said(1001, "going_away"));
    }
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_client_protocol_speaks_the_codes_of_other_clients_to_the_refused_and_to_the_ended() {
    for (protocol, refused, ended) in [
        ("http", 4401, 4403),
        ("iana", 3000, 3003),
        ("centrifuge", 3500, 3503),
        ("pusher", 4009, 4009),
        ("plain", 4401, 4403),
        ("phoenix", 1000, 1000),
        ("graphql-ws", 4401, 4401),
    ] {
        let option = if protocol == "plain" {
            "--client-protocol"
        } else {
            "--palette"
        };
        let address = start(&[option, protocol]).await;
        let (cookie, own) = (login(address, "ada").await, own_origin(address));
        let bad = connect(address, "jwt?token=bad", &[("origin", &own)]).await;
        assert_eq!(
            refusal(bad).await,
            said(refused, "token_invalid"),
            "{protocol}"
        );
        let socket = welcomed(address, "ada").await;
        let body = r#"{"user":"ada"}"#;
        post(address, "/revoke", &[("Cookie", &cookie)], body).await;
        assert_eq!(close_of(socket).await, said(ended, "revoked"), "{protocol}");
    }
}

#[tokio::test]
async fn a_fraction_of_a_second_counts_on_the_open_connection_as_at_the_handshake() {
    let address = start(&[]).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let exp = now.as_secs_f64().floor() + 4.9;
    let token = token(&json!({ "sub": "ada", "exp": exp }));
    let socket = connect(address, &format!("jwt?token={token}"), &[]).await;
    let mut socket = socket.unwrap();
    assert_eq!(next(&mut socket).await["user"], "ada");
    assert_eq!(close_of(socket).await, said(4401, "token_expired"));
    let ended = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let late = ended.as_secs_f64() - exp;
    assert!((0.0..SOON.as_secs_f64()).contains(&late), "{late} s late");
}

#[tokio::test]
async fn a_member_that_does_not_read_is_told_to_go_and_the_others_miss_nothing() {
    let address = start(&[]).await;
    let mut slow = welcomed(address, "eve").await;
    let mut fast = welcomed(address, "bob").await;
    let mut speaker = welcomed(address, "ada").await;
    for socket in [&mut slow, &mut fast, &mut speaker] {
        still_talks(socket).await;
    }
    let text = "x".repeat(4000);
    // More than every buffer on the way, and what may wait here.
    let all = 3000;
    for n in 0..all {
        let text = format!("{n} {text}");
        say(
            &mut speaker,
            &json!({"type": "say", "channel": "lobby", "text": text}),
        )
        .await;
        for socket in [&mut fast, &mut speaker] {
            let heard = next(socket).await["text"].as_str().unwrap().to_owned();
            assert!(heard.starts_with(&format!("{n} ")), "{n}: {}", &heard[..8]);
        }
    }
    // It gets what was on its way. The reason has only so much time to get through behind it.
    let mut heard = 0;
    loop {
        match timeout(PATIENCE, slow.next()).await.unwrap() {
            Some(Ok(Message::Text(_))) => heard += 1,
            Some(Ok(Message::Close(Some(frame)))) => {
                assert_eq!(
                    said(frame.code.into(), &frame.reason),
                    said(4408, "too_slow")
                );
            }
            Some(Ok(other)) => panic!("{other:?}"),
            Some(Err(_)) | None => break,
        }
    }
    assert!((1..all).contains(&heard), "{heard}");
}

#[tokio::test]
async fn a_client_that_asks_and_does_not_read_is_ended_in_a_silent_room() {
    let address = start(&[]).await;
    let mut socket = narrow(address, "eve").await;
    // Each is denied in a message of the same length.
    let join = json!({"type": "join", "channel": "x".repeat(8000)});
    let join = Message::text(join.to_string());
    let asking = async { while socket.feed(join.clone()).await.is_ok() {} };
    timeout(PATIENCE, asking).await.expect("it is still open");
}

/// They read as fast as they can: what is too fast for them is not their fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_throws_nobody_out_who_reads() {
    const BURST: usize = 4000;
    let address = start(&[]).await;
    let mut speaker = welcomed(address, "ada").await;
    let mut readers = Vec::new();
    for _ in 0..4 {
        let mut reader = welcomed(address, "bob").await;
        still_talks(&mut reader).await;
        readers.push(tokio::spawn(async move {
            for n in 0..BURST {
                let heard = next(&mut reader).await;
                assert_eq!(heard["text"], n.to_string(), "{heard}");
            }
        }));
    }
    still_talks(&mut speaker).await;
    let (mut said, mut heard) = speaker.split();
    let reading = tokio::spawn(async move { while let Some(Ok(_)) = heard.next().await {} });
    for n in 0..BURST {
        let text = json!({"type": "say", "channel": "lobby", "text": n.to_string()});
        said.feed(Message::text(text.to_string())).await.unwrap();
    }
    said.flush().await.unwrap();
    for reader in readers {
        timeout(PATIENCE, reader).await.unwrap().unwrap();
    }
    reading.abort();
}

#[tokio::test]
async fn nobody_is_somebody_without_a_name() {
    let address = start(&[]).await;
    for (name, refused) in [
        ("", said(401, "token_invalid")),
        ("a\nb", said(403, "forbidden")),
    ] {
        let path = format!("jwt?token={}", token_of(name));
        let opened = connect(address, &path, &[]).await;
        assert_eq!(refusal(opened).await, refused, "{name:?}");
    }
    let cookie = login(address, "ada").await;
    let mint_request = r#"{"channel":""}"#;
    let minted = post(address, "/ticket", &[("Cookie", &cookie)], mint_request).await;
    assert_eq!(minted.status, 403);
}
