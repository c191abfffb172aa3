//! Settings at the ends of their range.

use std::time::Duration;

use test_servers::Server;
use tower_ws_auth_core::{DisconnectReason, RevocationStore as _, Revocations};
use tower_ws_auth_redis::{Redis, RedisError, RedisRevocations, RedisTickets};
use tower_ws_auth_ticket::{ReplayStore as _, TicketStore as _};

use crate::{key, patient, unhurried};

const TIMES: [Duration; 3] = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];

/// Without time it fails in time; with all the time there is it works.
#[tokio::test]
async fn of_the_connection_fail_or_work() {
    let server = Server::start();
    for time in TIMES {
        let answered = |asked: Result<(), RedisError>| match asked {
            Ok(()) => true,
            Err(error) => {
                let is_late = matches!(error, RedisError::TimedOut(_) | RedisError::Connection(_));
                assert!(is_late, "{error}");
                false
            }
        };
        for builder in [patient().timeout(time), patient().connect_timeout(time)] {
            let connected = builder.clone().connect(&server.url()).await;
            assert!(answered(connected.map(drop)) || time < Duration::MAX);
            let lazily = builder.timeout(time.max(Duration::from_millis(1)));
            let lazily = lazily.connect_lazy(&server.url()).unwrap();
            assert!(answered(lazily.ping().await) || time < Duration::MAX);
        }
    }
    for places in [0, 1, usize::MAX] {
        let redis = Redis::builder().max_in_flight(places);
        let redis = redis.connect_lazy(&server.url()).unwrap();
        let asked = redis.ping().await;
        assert_eq!(asked == Err(RedisError::Busy(places)), places == 0);
        let taken = RedisTickets::new(redis).take(key(1)).await;
        assert!(places > 0 || taken.is_err());
    }
}

#[tokio::test]
async fn of_the_stores_work() {
    let server = Server::start();
    let redis = unhurried(&server.url()).await;
    for (n, ttl) in TIMES.into_iter().enumerate() {
        for most in [0, 1, u32::MAX] {
            let store = RedisTickets::new(redis.clone()).per_subject(most);
            let subject = format!("{n}-{most}");
            let issued = store.issue(key(n), vec![1], Some(&subject), ttl).await;
            assert_eq!(issued.is_ok(), most > 0, "{issued:?}");
            let taken = store.take(key(n)).await.unwrap();
            assert!(taken.is_some() == (most > 0) || ttl < Duration::MAX);
        }
        let store = RedisTickets::new(redis.clone());
        assert!(store.claim(key(100 + n), ttl).await.unwrap());
        let prefix = format!("revoked{n}");
        let store = RedisRevocations::new(redis.clone(), ttl).prefix(prefix);
        let revocations = Revocations::new(store.clone());
        revocations
            .revoke("user:ada", DisconnectReason::Revoked)
            .await
            .unwrap();
        let found = store.find(vec!["user:ada".into()]).await.unwrap();
        assert!(found[0].is_some() || ttl < Duration::MAX);
    }
}
