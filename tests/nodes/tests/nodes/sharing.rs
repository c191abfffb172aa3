//! One node accepts the credentials of the other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use node_tests::Socket;
use test_support::until_ok;

use crate::{refused, two};

#[tokio::test]
async fn a_ticket_of_one_node_opens_one_socket_on_the_other_and_never_a_second_anywhere() {
    let (_server, a, b) = two(&[]).await;
    let cookie = a.login("ada").await;
    for (minting, opening) in [(&a, &b), (&b, &a), (&a, &a)] {
        let path = format!("/ticket?ticket={}", minting.ticket(&cookie, None).await);
        let mut socket = opening.open(&path).await;
        assert_eq!(socket.welcome["user"], "ada");
        assert_eq!(socket.welcome["via"], "ticket");
        for node in [&a, &b] {
            let plain = node.refusal(&path).await;
            assert_eq!(plain, refused(401, "ticket_invalid"));
            let page = node.page_refusal(&path, "").await;
            assert_eq!(page, refused(4401, "ticket_invalid"));
            let any = path.replace("/ticket", "/any");
            assert_eq!(node.refusal(&any).await, refused(401, "ticket_invalid"));
        }
        socket.is_alive().await;
    }
}

#[tokio::test]
async fn a_session_of_one_node_is_one_on_the_other_until_it_is_logged_out_on_either() {
    let (_server, a, b) = two(&[]).await;
    for (here, there) in [(&a, &b), (&b, &a)] {
        let cookie = here.login("ada").await;
        for path in ["/session", "/any"] {
            let socket = there.open_page(path, &cookie).await;
            assert_eq!(socket.welcome["user"], "ada");
            assert_eq!(socket.welcome["via"], "session");
        }
        let token = there.token(&cookie, 60).await;
        assert_eq!(
            here.open(&format!("/jwt?token={token}")).await.welcome["user"],
            "ada"
        );
        there.logout(&cookie).await;
        for node in [here, there] {
            let page = node.page_refusal("/session", &cookie).await;
            assert_eq!(page, refused(4401, "session_invalid"));
            assert_eq!(node.post("/ticket", &cookie, "").await.status, 401);
        }
    }
}

#[tokio::test]
async fn a_ticket_for_a_channel_joins_once_on_the_other_node() {
    let (_server, a, b) = two(&[]).await;
    let cookie = a.login("ada").await;
    let ticket = a.ticket(&cookie, Some("ticket-1")).await;
    // It is invalid for a socket and for another channel, and neither spends it.
    let path = format!("/ticket?ticket={ticket}");
    assert_eq!(b.refusal(&path).await, refused(401, "ticket_invalid"));
    let (mut here, mut there) = (
        a.open_page("/session", &cookie).await,
        b.open_page("/session", &cookie).await,
    );
    let other = there.join("ticket-2", Some(&ticket)).await;
    assert_eq!(other["reason"], "ticket_invalid", "{other}");
    let joined = there.join("ticket-1", Some(&ticket)).await;
    assert_eq!(joined["type"], "joined", "{joined}");
    let again = here.join("ticket-1", Some(&ticket)).await;
    assert_eq!(again["type"], "denied");
    assert_eq!(again["reason"], "ticket_invalid");
    here.is_alive().await;
}

#[tokio::test]
async fn the_rules_of_channels_are_the_same_on_both_nodes() {
    let (_server, a, b) = two(&[]).await;
    let cookie = a.login("ada").await;
    for node in [&a, &b] {
        let mut socket = node.open_page("/session", &cookie).await;
        for channel in ["lobby", "room-1", "private-ada"] {
            let joined = socket.join(channel, None).await;
            assert_eq!(joined["type"], "joined", "{joined}");
        }
        for (channel, reason) in [
            ("private-eve", "forbidden"),
            ("secret", "forbidden"),
            ("ticket-1", "credentials_missing"),
        ] {
            let denied = socket.join(channel, None).await;
            assert_eq!(denied["type"], "denied", "{denied}");
            assert_eq!(denied["reason"], reason, "{denied}");
        }
        // A ticket for a socket is invalid for a channel, and stays valid for a socket.
        let ticket = a.ticket(&cookie, None).await;
        let denied = socket.join("ticket-1", Some(&ticket)).await;
        assert_eq!(denied["reason"], "ticket_invalid", "{denied}");
        node.open(&format!("/ticket?ticket={ticket}")).await;
        socket.is_alive().await;
    }
}

#[tokio::test]
async fn a_socket_ends_when_its_token_does_on_the_node_that_did_not_mint_it() {
    let (_server, a, b) = two(&[]).await;
    let cookie = a.login("ada").await;
    let path = format!("/jwt?token={}", a.token(&cookie, 6).await);
    let mut longer = b
        .open(&format!("/jwt?token={}", a.token(&cookie, 600).await))
        .await;
    let socket = b.open(&path).await;
    let end = Duration::from_secs(socket.welcome["expires_at"].as_u64().unwrap());
    assert_eq!(socket.end().await, refused(4401, "token_expired"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let late = now.checked_sub(end).expect("it ended early");
    assert!(late < Duration::from_secs(20), "{late:?} late");
    for node in [&a, &b] {
        assert_eq!(node.refusal(&path).await, refused(401, "token_expired"));
    }
    longer.is_alive().await;
}

#[tokio::test]
async fn a_message_on_one_node_arrives_once_on_both() {
    let (mut server, a, b) = two(&[]).await;
    let (ada, eve) = (a.login("ada").await, b.login("eve").await);
    let mut here = a.open_page("/session", &ada).await;
    let mut there = b.open_page("/session", &eve).await;
    for socket in [&mut here, &mut there] {
        assert_eq!(socket.join("lobby", None).await["type"], "joined");
    }
    both_hear(&mut here, &mut there).await;

    // Nor has a Redis that was gone in between to be told anything.
    server.kill();
    here.say("lobby", "alone").await;
    assert_eq!(here.heard().await["text"], "alone");
    server.start_again();
    // As soon as it has found Redis again.
    let login = async || b.post("/login", "", r#"{"user":"bob"}"#).await.status == 204;
    until_ok("a login", login).await;
    let mut echo = b.open_page("/session", &b.login("bob").await).await;
    assert_eq!(echo.join("room-1", None).await["type"], "joined");
    both_hear(&mut here, &mut there).await;
}

/// Each says something until the other hears it: a node may just be connecting.
async fn both_hear(here: &mut Socket, there: &mut Socket) {
    for round in 0..300 {
        here.say("lobby", &round.to_string()).await;
        assert_eq!(here.heard().await["text"], round.to_string());
        let mut heard = None;
        // Earlier messages come first, if they come.
        while heard != Some(round.to_string()) {
            let Some(text) = there.hears_within(Duration::from_millis(200)).await else {
                break;
            };
            heard = Some(text);
        }
        if heard == Some(round.to_string()) {
            break;
        }
        assert!(round < 299, "the other node hears nothing");
    }
    there.say("lobby", "hello").await;
    for socket in [here, there] {
        let heard = socket.heard().await;
        assert_eq!(heard["type"], "message");
        assert_eq!(heard["user"], "eve");
        assert_eq!(heard["text"], "hello");
    }
}
