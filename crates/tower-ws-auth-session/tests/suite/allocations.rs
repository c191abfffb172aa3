//! The allocations for a cookie: none for an invalid one, the id for a valid one.

use std::task::{Context, Poll, Waker};

use tower_ws_auth_core::Authenticate;

use crate::common::{Odd, PAGE, ada, builder, cookies, handshake, pair, strategy};

#[tokio::test]
async fn a_valid_signature_allocates_the_id_and_an_invalid_one_nothing() {
    let sessions = builder(Odd::default()).build().unwrap();
    let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
    let good = cookies(&["a=1", &pair(&set_cookie)]);
    let made = allocation_counter::measure(|| assert!(sessions.signed_id(&good).is_some()));
    assert_eq!(made.count_total, 1);

    let mut forged = pair(&set_cookie);
    forged.pop();
    for bad in [&forged, "connect.sid=x", "connect.sid=s%3Ax.%FF", "a=1"] {
        let bad = cookies(&[bad]);
        let made = allocation_counter::measure(|| assert!(sessions.signed_id(&bad).is_none()));
        assert_eq!(made.count_total, 0);
    }
}

#[tokio::test]
async fn an_accepted_signature_costs_the_id_and_the_future() {
    let sessions = builder(Odd::default()).build().unwrap();
    let strategy = strategy(&sessions);
    let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
    let mut head = handshake(&[&pair(&set_cookie)], Some(PAGE)).into_parts().0;
    let made = allocation_counter::measure(|| {
        let cookie = strategy.take(&mut head).unwrap().unwrap();
        drop(strategy.verify(cookie, &head));
    });
    assert_eq!(made.count_total, 2);
}

#[tokio::test]
async fn a_refusing_decision_allocates_nothing() {
    let sessions = builder(Odd::default()).build().unwrap();
    let strategy = strategy(&sessions);
    let (_, set_cookie) = sessions.create(&ada()).await.unwrap();
    let good = pair(&set_cookie);
    for (cookie, origin, token) in [
        ("connect.sid=s%3Ax.bad", Some(PAGE), "session_invalid"),
        (good.as_str(), Some("https://evil.net"), "origin_denied"),
        (good.as_str(), None, "origin_denied"),
    ] {
        let mut head = handshake(&[cookie], origin).into_parts().0;
        let mut found = None;
        let made = allocation_counter::measure(|| {
            let cookie = strategy.take(&mut head).unwrap().unwrap();
            let mut verifying = std::pin::pin!(strategy.verify(cookie, &head));
            match verifying
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(Err(rejection)) => found = Some(rejection.reason()),
                Poll::Ready(Ok(_)) | Poll::Pending => {}
            }
        });
        assert_eq!(found, Some(token));
        assert_eq!(made.count_total, 0, "{token}");
    }
}
