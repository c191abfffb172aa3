//! A token that names the channel.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_ws_auth_channel::{
    ChannelAuthLayer, Join, JoinOutcome, JwtPolicy, Patterns, Subscription, SubscriptionClaims,
};
use tower_ws_auth_core::{Clock, Grant};
use tower_ws_auth_jwt::{Jwt, JwtEncoder, Key, SigningKey};

use crate::support::{ask, effect, join, join_with};

const SECRET: [u8; 32] = *b"thirty-two bytes that are secret";
const NOW: u64 = 1_700_000_000;

fn token(claims: &Value) -> String {
    let encoder = JwtEncoder::new(SigningKey::hs256(SECRET).unwrap());
    encoder.encode(claims).unwrap()
}

fn jwt<C>() -> Jwt<C> {
    Jwt::builder(Key::hs256(SECRET).unwrap())
        .clock(Clock::fixed(NOW))
        .build()
        .unwrap()
}

type ByUser = JwtPolicy<Subscription, &'static str>;

fn for_user() -> ChannelAuthLayer<ByUser> {
    let policy = JwtPolicy::new(jwt());
    ChannelAuthLayer::new(policy.user(|user: &&'static str| Cow::Borrowed(*user)))
}

fn for_bearer() -> ChannelAuthLayer<ByUser> {
    ChannelAuthLayer::new(JwtPolicy::new(jwt()))
}

fn news(sub: &str) -> String {
    token(&json!({"channel": "news", "sub": sub, "exp": NOW + 60}))
}

#[tokio::test]
async fn a_subscription_token_as_centrifugo_has_it_joins_its_channel_until_it_expires() {
    // Without `exp` it would hold for ever; this one has all claims that Centrifugo's may have.
    let claims = json!({
        "sub": "ada", "channel": "news", "exp": NOW + 60, "iat": NOW, "jti": "1",
        "info": {"name": "Ada"}, "expire_at": 0,
    });
    let layer = for_user();
    for _ in 0..2 {
        let JoinOutcome::Admitted(seen) = ask(&layer, join_with("news", &token(&claims))).await
        else {
            panic!("denied");
        };
        let grant: &Grant<Subscription> = seen.pass().get().unwrap();
        assert_eq!(grant.identity().sub.as_deref(), Some("ada"));
        assert_eq!(grant.validity().end(), Some(Clock::at(NOW + 60)));
    }
}

#[tokio::test]
async fn a_token_is_for_one_channel() {
    let layer = for_user();
    for other in ["new", "news2", "News", "news ", "*"] {
        let denied = effect(&layer, join_with(other, &news("ada"))).await;
        assert_eq!(denied, "token_invalid", "{other}");
    }
    for channel in [
        json!("*"),
        json!("ne*"),
        json!(["news"]),
        json!(null),
        json!(1),
        json!(""),
    ] {
        let claims = json!({"channel": channel, "sub": "ada", "exp": NOW + 60});
        let denied = effect(&layer, join_with("news", &token(&claims))).await;
        assert_eq!(denied, "token_invalid", "{channel}");
    }
    // A token that opens a socket, by the same key.
    let connection = token(&json!({"sub": "ada", "exp": NOW + 60}));
    assert_eq!(
        effect(&layer, join_with("news", &connection)).await,
        "token_invalid"
    );
}

#[tokio::test]
async fn a_token_is_for_the_user_of_the_handshake_where_one_is_asked_for() {
    let nobodys = token(&json!({"channel": "news", "exp": NOW + 60}));
    assert_eq!(
        effect(&for_user(), join_with("news", &news("ada"))).await,
        "joined"
    );
    for other in [&news("eve"), &news(""), &news("Ada"), &nobodys] {
        let denied = effect(&for_user(), join_with("news", other)).await;
        assert_eq!(denied, "token_invalid");
    }
    // An anonymous user is refused with any token.
    for anonymous in [&news(""), &nobodys] {
        let join = Join::new("", "news", ()).with_credential(Some(anonymous.clone()));
        assert_eq!(effect(&for_user(), join).await, "token_invalid");
    }
    for anybody in [&news("eve"), &nobodys] {
        assert_eq!(
            effect(&for_bearer(), join_with("news", anybody)).await,
            "joined"
        );
    }
}

#[tokio::test]
async fn the_rules_of_the_jwt_hold() {
    let layer = for_bearer();
    let expired = token(&json!({"channel": "news", "exp": NOW}));
    let early = token(&json!({"channel": "news", "exp": NOW + 60, "nbf": NOW + 1}));
    let endless = token(&json!({"channel": "news"}));
    let foreign = JwtEncoder::new(SigningKey::hs256([8; 32]).unwrap())
        .encode(&json!({"channel": "news", "exp": NOW + 60}))
        .unwrap();
    let cut = &news("ada")[..60];
    for (bad, expected) in [
        (expired.as_str(), "token_expired"),
        (&early, "token_not_yet_valid"),
        (&endless, "token_invalid"),
        (&foreign, "token_invalid"),
        (cut, "token_invalid"),
        ("x", "token_invalid"),
        ("", "credentials_missing"),
    ] {
        assert_eq!(effect(&layer, join_with("news", bad)).await, expected);
    }
    assert_eq!(effect(&layer, join("news")).await, "credentials_missing");
}

#[tokio::test]
async fn the_claims_may_be_the_applications_own() {
    #[derive(Clone, Serialize, Deserialize)]
    struct Claims {
        topic: String,
        role: String,
    }
    impl SubscriptionClaims for Claims {
        fn channel(&self) -> &str {
            &self.topic
        }
        fn subject(&self) -> Option<&str> {
            None
        }
    }
    let patterns = Patterns::<&'static str, ()>::builder()
        .rule("news", JwtPolicy::new(jwt::<Claims>()))
        .build()
        .unwrap();
    let layer = ChannelAuthLayer::new(patterns);
    let claims = json!({"topic": "news", "role": "editor", "exp": NOW + 60});
    let JoinOutcome::Admitted(seen) = ask(&layer, join_with("news", &token(&claims))).await else {
        panic!("denied");
    };
    let grant: &Grant<Claims> = seen.pass().get().unwrap();
    assert_eq!(grant.identity().role, "editor");
}

#[tokio::test]
async fn does_not_print() {
    let token = news("eve");
    let answer = ask(&for_user(), join_with("news", &token)).await;
    let policy: ByUser = JwtPolicy::new(jwt());
    let text = format!("{answer:?} {policy:?}");
    for part in token.split('.') {
        assert!(!text.contains(part), "{text}");
    }
    assert!(!text.contains("thirty-two"));
}

mod a_revocation {
    use super::*;
    use std::time::Duration;
    use tower_ws_auth_core::revocation::Recorded;
    use tower_ws_auth_core::{
        BoxFuture, DisconnectReason, MemoryRevocations, Revocation, RevocationKey, RevocationStore,
        Revocations, StoreError, Validity,
    };

    fn revocations() -> Revocations {
        let memory = MemoryRevocations::new(Duration::from_secs(3600), 10);
        Revocations::builder(memory)
            .clock(Clock::fixed(NOW))
            .allowed_skew(Duration::ZERO)
            .build()
    }

    fn layer(revocations: &Revocations) -> ChannelAuthLayer<ByUser> {
        let jwt = jwt().revocable_by(|claims: &Subscription| {
            format!("user:{}", claims.sub.as_deref().unwrap_or_default())
        });
        ChannelAuthLayer::new(JwtPolicy::new(jwt).revocable(revocations.clone()))
    }

    fn issued(at: u64) -> String {
        let claims = json!({"channel": "news", "sub": "ada", "iat": at, "exp": NOW + 60});
        token(&claims)
    }

    #[tokio::test]
    async fn of_the_user_refuses_the_tokens_from_before() {
        let revocations = revocations();
        let layer = layer(&revocations);
        let old = join_with("news", &issued(NOW - 10));
        assert_eq!(effect(&layer, old).await, "joined");
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        for (at, told) in [
            (NOW - 10, "token_invalid"),
            (NOW, "token_invalid"),
            (NOW + 1, "joined"),
        ] {
            let join = join_with("news", &issued(at));
            assert_eq!(effect(&layer, join).await, told, "{at}");
        }
        assert!(revocations.is_empty());
    }

    #[tokio::test]
    async fn of_the_session_refuses_the_tokens_minted_for_it() {
        let revocations = revocations();
        let layer = layer(&revocations);
        let session = Validity::since(Clock::at(NOW - 10))
            .revocable_by(RevocationKey::from("session:1").into_final());
        let encoder = JwtEncoder::new(SigningKey::hs256(SECRET).unwrap());
        let claims = json!({"channel": "news", "sub": "ada", "exp": NOW + 60});
        let token = encoder.encode_inheriting(&claims, &session).unwrap();
        assert_eq!(effect(&layer, join_with("news", &token)).await, "joined");
        revocations
            .revoke("session:1", DisconnectReason::SessionEnded)
            .await
            .unwrap();
        assert_eq!(
            effect(&layer, join_with("news", &token)).await,
            "token_invalid"
        );
        assert_eq!(
            effect(&layer, join_with("other", &token)).await,
            "token_invalid"
        );
    }

    #[tokio::test]
    async fn that_cannot_be_asked_for_denies_as_unavailable() {
        struct Slow(bool);
        impl RevocationStore for Slow {
            fn find(
                &self,
                keys: Vec<RevocationKey>,
            ) -> BoxFuture<Result<Vec<Option<Revocation>>, StoreError>> {
                let fails = self.0;
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    if fails {
                        return Err(StoreError::new("down"));
                    }
                    Ok(vec![None; keys.len()])
                })
            }
            fn record(
                &self,
                _: std::sync::Arc<str>,
                revocation: Revocation,
            ) -> BoxFuture<Result<Recorded, StoreError>> {
                Box::pin(async { Ok(Recorded::Written(revocation)) })
            }
        }
        for (fails, told) in [(true, "unavailable"), (false, "joined")] {
            let layer = layer(&Revocations::new(Slow(fails)));
            assert_eq!(effect(&layer, join_with("news", &issued(NOW))).await, told);
        }
    }
}
