//! A lost permission ends the connection, whichever combinator of the strategy has refused it.

use super::*;

fn forbidden() -> Rejection {
    Rejection::new(RejectionKind::Forbidden, "not in this role")
}

/// What the token says, before it is looked up.
#[derive(Clone, Debug)]
struct Claims(User);

fn claims(start: SystemTime, revocations: Revocations) -> impl Strategy<Claims> {
    tokens(start).revocable(revocations).map(Claims)
}

async fn server<A: Strategy>(
    strategy: impl Fn(SystemTime, Revocations) -> A,
    prepare: impl FnOnce(Renewals<A>) -> Renewals<A>,
) -> Server<A> {
    let start = SystemTime::now();
    let strategy = |revocations| strategy(start, revocations);
    server_by(start, None, |layer| layer, strategy, prepare).await
}

/// A renewal as `none` ends the connection, unless it is an older token or another user's.
async fn ends_it<A: Strategy>(server: Server<A>) {
    let refused = Server::<Tokens>::said(403, "forbidden");
    let mut client = server.open("ada.50.900.user").await;
    assert_eq!(server.renew("ada.49.900.none", &client.id).await, refused);
    assert_eq!(server.renew("eve.60.900.none", &client.id).await, refused);
    client.is_open().await;
    assert_eq!(server.renew("ada.60.900.admin", &client.id).await.0, 204);
    assert_eq!(client.text().await, "admin");
    assert_eq!(server.renew("ada.70.900.none", &client.id).await, refused);
    assert_eq!(client.close().await, (4403, "forbidden".to_owned()));

    let mut client = server.open("ada.50.900.user").await;
    let message = Message::text("renew ada.60.900.none");
    client.socket.send(message).await.unwrap();
    assert_eq!(client.close().await, (4403, "forbidden".to_owned()));
}

#[tokio::test]
async fn by_authorize_async() {
    let strategy = |start, revocations| {
        let strategy = tokens(start).revocable(revocations);
        strategy.authorize_async(|user: &User, _| {
            let permitted = user.role != "none";
            async move {
                tokio::task::yield_now().await;
                Ok(permitted)
            }
        })
    };
    ends_it(server(strategy, |renewals| renewals).await).await;
}

#[tokio::test]
async fn by_authorize_async_before_the_identity_is_mapped_and_revocations_are_asked() {
    let strategy = |start, revocations| {
        let strategy = tokens(start).map(Claims);
        let permitted = strategy.authorize_async(|Claims(user), _| {
            let permitted = user.role != "none";
            async move { Ok(permitted) }
        });
        permitted.map(|Claims(user)| user).revocable(revocations)
    };
    ends_it(server(strategy, |renewals| renewals).await).await;
}

#[tokio::test]
async fn by_and_then_with_the_same_identity() {
    let strategy = |start, revocations| {
        let strategy = tokens(start).revocable(revocations);
        strategy.and_then(|user: User, _| async move {
            if user.role == "none" {
                Err(forbidden())
            } else {
                Ok(user)
            }
        })
    };
    ends_it(server(strategy, |renewals| renewals).await).await;
}

#[tokio::test]
async fn by_a_condition_before_and_then() {
    let strategy = |start, revocations| {
        let strategy = tokens(start).revocable(revocations).authorize(permitted);
        strategy.and_then(|user: User, _| async move { Ok(user) })
    };
    ends_it(server(strategy, |renewals| renewals).await).await;
}

#[tokio::test]
async fn by_and_then_with_another_identity_whose_user_is_named() {
    let strategy = |start, revocations| {
        let strategy = claims(start, revocations).and_then(|Claims(user), _| async move {
            if user.role == "none" {
                Err(forbidden())
            } else {
                Ok(Some(user))
            }
        });
        strategy.map(|user| user.unwrap())
    };
    let named = |renewals: Renewals<_>| renewals.forbidden_by(|Claims(user)| user.name.clone());
    ends_it(server(strategy, named).await).await;
}

#[tokio::test]
async fn a_lookup_that_fails_ends_nothing() {
    let strategy = |start, revocations| {
        let strategy = tokens(start).revocable(revocations);
        strategy.authorize_async(|user: &User, _| {
            let is_up = user.role != "none";
            let down = Rejection::new(RejectionKind::Unavailable, "the database");
            async move { if is_up { Ok(true) } else { Err(down) } }
        })
    };
    let server = server(strategy, |renewals| renewals).await;
    let mut client = server.open("ada.50.900.user").await;
    let unavailable = Server::<Tokens>::said(503, "unavailable");
    assert_eq!(
        server.renew("ada.60.900.none", &client.id).await,
        unavailable
    );
    client.is_open().await;
}
