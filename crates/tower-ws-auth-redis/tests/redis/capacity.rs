//! Guesses against a slow Redis leave room for the commands of verified clients.

use std::sync::Arc;

use test_servers::Server;
use test_support::settle;
use tokio::task::JoinHandle;
use tower_ws_auth_core::{DisconnectReason, RevocationStore as _, Revocations};
use tower_ws_auth_redis::{RedisRevocations, RedisSessions, RedisTickets};
use tower_ws_auth_session::SessionStore as _;
use tower_ws_auth_ticket::{ReplayStore as _, TicketStore as _};

use crate::sessions::id;
use crate::{TTL, key, patient};

const PLACES: usize = 12;
const GUESSES: usize = 100;

/// How many of these wait for Redis; the others were refused.
fn waiting<T>(guesses: &[JoinHandle<T>]) -> usize {
    guesses.iter().filter(|guess| !guess.is_finished()).count()
}

#[tokio::test]
async fn guesses_leave_room_for_the_commands_of_proven_clients() {
    let server = Server::start();
    let redis = patient().max_in_flight(PLACES);
    let redis = redis.connect(&server.url()).await.unwrap();
    let tickets = RedisTickets::new(redis.clone());
    let sessions = Arc::new(RedisSessions::new(redis.clone()));
    let store = RedisRevocations::new(redis, TTL);
    let revocations = Revocations::new(store.clone());
    let session = id().await;
    let stays = id().await;
    assert!(sessions.create(&stays, "{}", TTL).await.unwrap());
    revocations
        .revoke("user:eve", DisconnectReason::Revoked)
        .await
        .unwrap();

    server.pause();
    let takes = (0..GUESSES).map(|n| tokio::spawn(tickets.take(key(n))));
    let takes: Vec<_> = takes.collect();
    let loads = (0..GUESSES).map(|_| {
        let (sessions, session) = (Arc::clone(&sessions), session.clone());
        tokio::spawn(async move { sessions.load(&session).await })
    });
    let loads: Vec<_> = loads.collect();
    settle().await;
    assert_eq!((waiting(&takes), waiting(&loads)), (PLACES / 3, PLACES / 3));

    let check = tokio::spawn(store.find(vec!["user:ada".into()]));
    let claim = tokio::spawn(tickets.claim(key(1), TTL));
    let mint = tokio::spawn(tickets.issue(key(1), vec![1], None, TTL));
    let touch = tokio::spawn(async move { sessions.touch(&stays, TTL).await });
    server.resume();
    assert!(check.await.unwrap().unwrap().iter().all(Option::is_none));
    assert!(claim.await.unwrap().unwrap());
    mint.await.unwrap().unwrap();
    assert!(touch.await.unwrap().unwrap());
    for guess in loads {
        assert!(!matches!(guess.await.unwrap(), Ok(Some(_))));
    }
    let mut opened = 0;
    for guess in takes {
        opened += usize::from(matches!(guess.await.unwrap(), Ok(Some(_))));
    }
    // One guess may be the ticket that was issued meanwhile.
    assert!(opened <= 1, "{opened}");
    // Their places are free again.
    assert!(tickets.take(key(GUESSES)).await.unwrap().is_none());
}
