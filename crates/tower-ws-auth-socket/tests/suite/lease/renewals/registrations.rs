//! A strategy with revocations of its own, which are not those of the layer: they end its connections too.

use super::*;

/// One clock for all: what is issued after a revocation is good at once.
fn revocations() -> Revocations {
    let store = MemoryRevocations::new(Duration::from_secs(3600), 1000);
    Revocations::builder(store)
        .allowed_skew(Duration::ZERO)
        .build()
}

async fn revoke_ada(revocations: &Revocations) {
    let revoked = revocations.revoke("user:ada", DisconnectReason::Revoked);
    revoked.await.unwrap();
}

fn revoked() -> (u16, String) {
    (4403, "revoked".to_owned())
}

/// Its strategy asks these revocations alone.
async fn server(
    own: &Revocations,
    relay: Option<OnBus>,
    configure: impl FnOnce(LeaseLayer) -> LeaseLayer,
) -> Server<impl Strategy> {
    let start = SystemTime::now();
    let strategy = |_| tokens(start).revocable(own.clone());
    server_by(start, relay, configure, strategy, |renewals| renewals).await
}

#[tokio::test]
async fn the_revocations_of_the_strategy_end_a_renewed_connection() {
    let own = revocations();
    let server = server(&own, None, |_| {
        LeaseLayer::expiry_only()
            .deadline(2 * SOON)
            .renewable_by(|user: &User| user.name.clone())
    })
    .await;
    let mut client = server.open("ada.0.900.user").await;
    for token in ["ada.1.900.admin", "ada.2.900.admin"] {
        assert_eq!(server.renew(token, &client.id).await.0, 204);
        assert_eq!(client.text().await, "admin");
        until("one registration", || own.count("user:ada") == 1).await;
    }
    revoke_ada(&own).await;
    assert_eq!(client.close().await, revoked());
    drop(client);
    server.is_empty().await;
    assert!(own.is_empty());
}

#[tokio::test]
async fn each_of_several_revocations_ends_the_connection() {
    let start = SystemTime::now();
    for (renewals, is_the_layers) in [(0, false), (0, true), (2, false), (2, true)] {
        let other = revocations();
        let strategy = |own| tokens(start).revocable(other.clone()).revocable(own);
        let server = server_by(start, None, |layer| layer, strategy, |renewals| renewals).await;
        let mut client = server.open("ada.0.900.user").await;
        for n in 0..renewals {
            let token = format!("ada.{}.900.admin", n + 1);
            assert_eq!(server.renew(&token, &client.id).await.0, 204);
            assert_eq!(client.text().await, "admin");
        }
        let revocations = if is_the_layers {
            &server.revocations
        } else {
            &other
        };
        revoke_ada(revocations).await;
        assert_eq!(client.close().await, revoked());
        drop(client);
        server.is_empty().await;
        assert!(other.is_empty());
    }
}

#[tokio::test]
async fn the_revocations_of_the_strategy_end_a_connection_that_another_node_has_renewed() {
    let (own, bus) = (revocations(), Bus::default());
    let here = server(&own, Some(OnBus(bus.clone(), 0)), |layer| layer).await;
    let there = server(&own, Some(OnBus(bus, 1)), |layer| layer).await;
    let mut client = here.open("ada.0.900.user.token/1").await;
    let renewed = there.renew("ada.1.900.admin.token/2", &client.id).await;
    assert_eq!(renewed.0, 204);
    assert_eq!(client.text().await, "admin");
    let of_the_new_token = own.revoke("token/2", DisconnectReason::SessionEnded);
    of_the_new_token.await.unwrap();
    assert_eq!(client.close().await, (4401, "session_ended".to_owned()));
}
