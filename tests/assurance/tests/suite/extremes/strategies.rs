//! Extremes of the decision: tokens, fetched keys, sessions, tickets and revocations.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Version};
use serde_json::json;
use tower_ws_auth::jwt::{ConfigError, Document, Jwks, JwksBuilder, JwtBuilder};
use tower_ws_auth::revocation::DisconnectReason;
use tower_ws_auth::session::{MemorySessions, Secrets, SessionsBuilder};
use tower_ws_auth::ticket::{
    BoxFuture, MemoryTickets, Purpose, PutError, ReplayStore, StoreError, TicketKey, TicketRequest,
    TicketStore, TicketsBuilder,
};
use tower_ws_auth::{
    Authenticate, AuthenticateExt, Clock, Jwt, MemoryRevocations, Origins, Revocations, Sessions,
    Tickets,
};

use super::{SIZES, TIMES, decides, names};
use crate::corpora::carriers::Wire;
use crate::forge::{COOKIE_SECRET, Door, ED_PUBLIC, NOW, b64, good, sign, unb64};
use crate::stack::{
    Claims, LetIn, PAGE, Record, Service, all_carriers, jwt_builder, service, user,
};

fn handshake(target: &str, fields: &[(&'static str, &str)]) -> Request<()> {
    let fields = fields
        .iter()
        .map(|(name, value)| (*name, value.as_bytes().to_vec()));
    let wire = Wire {
        target: target.to_owned(),
        fields: fields.collect(),
    };
    wire.request(Version::HTTP_11)
}

fn with_token(token: &str) -> Request<()> {
    handshake(&format!("/?token={token}"), &[])
}

fn guarded<A>(strategy: A) -> Service
where
    A: Authenticate + Send + Sync + 'static,
    A::Credential: Send,
    A::Verified: Send,
    A::Future: Send,
{
    service(strategy, &LetIn::default())
}

/// A store that takes every ttl and keeps everything.
#[derive(Default)]
struct KeepsAll(Mutex<HashMap<TicketKey, Vec<u8>>>);

impl TicketStore for KeepsAll {
    fn issue(
        &self,
        key: TicketKey,
        entry: Vec<u8>,
        _: Option<&str>,
        _: Duration,
    ) -> BoxFuture<Result<(), PutError>> {
        self.0.lock().unwrap().insert(key, entry);
        Box::pin(async { Ok(()) })
    }

    fn take(&self, key: TicketKey) -> BoxFuture<Result<Option<Vec<u8>>, StoreError>> {
        let entry = self.0.lock().unwrap().remove(&key);
        Box::pin(async { Ok(entry) })
    }
}

impl ReplayStore for KeepsAll {
    fn claim(&self, key: TicketKey, _: Duration) -> BoxFuture<Result<bool, StoreError>> {
        let first = self.0.lock().unwrap().insert(key, Vec::new()).is_none();
        Box::pin(async move { Ok(first) })
    }
}

#[tokio::test]
async fn of_a_token_are_refused_by_name_or_work() {
    type Setter = fn(JwtBuilder<Claims>, Duration) -> JwtBuilder<Claims>;
    let setters: [(&str, Setter); 3] = [
        ("leeway", JwtBuilder::leeway),
        ("leeway", JwtBuilder::dangerous_long_leeway),
        ("max_lifetime", JwtBuilder::max_lifetime),
    ];
    for (name, set) in setters {
        for time in TIMES {
            match set(jwt_builder(Door::Hs), time).build() {
                Err(error) => names(name, &error),
                Ok(jwt) => {
                    let (good, bad) = (with_token(&good()), with_token("a.b.c"));
                    let accepted = decides(name, guarded(jwt), good, bad).await;
                    assert!(accepted || time < Duration::MAX, "{name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn of_a_token_whose_times_are_as_large_work() {
    for exp in [json!(u64::MAX), json!(1e308)] {
        let claims = json!({ "sub": "ada", "exp": exp, "iat": NOW, "nbf": 0 }).to_string();
        let token = sign(Door::Hs, r#"{"alg":"HS256"}"#, &claims);
        let jwt = jwt_builder::<Claims>(Door::Hs).dangerous_long_leeway(Duration::MAX);
        let guarded = guarded(jwt.build().unwrap());
        decides("exp", guarded, with_token(&token), with_token("a.b.c")).await;
    }
}

#[tokio::test]
async fn of_single_use_are_refused_by_name_or_work() {
    let claims = json!({ "sub": "ada", "exp": NOW + 60, "iat": NOW, "jti": "1" }).to_string();
    let token = sign(Door::Hs, r#"{"alg":"HS256"}"#, &claims);
    for time in TIMES {
        let stores: [Arc<dyn ReplayStore>; 2] = [
            Arc::new(MemoryTickets::new()),
            Arc::new(KeepsAll::default()),
        ];
        for store in stores {
            let jwt = jwt_builder::<Claims>(Door::Hs).max_lifetime(Duration::from_secs(60));
            let built = jwt.build().unwrap().single_use(Arc::clone(&store));
            let built = built.and_then(|jwt| jwt.timeout(time).allowed_skew(time));
            match built {
                Err(error) => assert!(matches!(error, ConfigError::ForgetfulStore)),
                Ok(jwt) => {
                    let jwt = guarded(jwt);
                    assert!(decides("jti", jwt, with_token(&token), with_token("a.b.c")).await);
                }
            }
        }
    }
}

/// A set with the public key of the door for `EdDSA`.
fn key_set() -> Vec<u8> {
    let lines = ED_PUBLIC.lines().filter(|line| !line.starts_with('-'));
    let text: String = lines
        .collect::<String>()
        .replace('+', "-")
        .replace('/', "_");
    let der = unb64(text.trim_end_matches('='));
    let point = b64(&der[der.len() - 32..]);
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": point });
    json!({ "keys": [key] }).to_string().into_bytes()
}

#[tokio::test(start_paused = true)]
async fn of_fetched_keys_are_refused_by_name_or_work() {
    type Setter<T> = fn(JwksBuilder, T) -> JwksBuilder;
    let times: [(&str, Setter<Duration>); 5] = [
        ("refresh", JwksBuilder::refresh),
        ("cooldown", JwksBuilder::cooldown),
        ("max_stale", JwksBuilder::max_stale),
        ("timeout", JwksBuilder::timeout),
        ("wait", JwksBuilder::wait),
    ];
    let sizes: [(&str, Setter<usize>); 2] = [
        ("max_bytes", JwksBuilder::max_bytes),
        ("max_keys", JwksBuilder::max_keys),
    ];
    let builder = || {
        let set = key_set();
        Jwks::builder("https://keys.example").fetch(move |_| {
            let document = Document::new(set.clone());
            async { Ok(document) }
        })
    };
    let mut builders = Vec::new();
    for (name, set) in times {
        builders.extend(TIMES.map(|time| (name, time == Duration::MAX, set(builder(), time))));
    }
    for (name, set) in sizes {
        builders.extend(SIZES.map(|size| (name, size == usize::MAX, set(builder(), size))));
    }
    let token = sign(
        Door::Ed,
        r#"{"alg":"EdDSA","kid":"1"}"#,
        &json!({ "sub": "ada", "exp": NOW + 60 }).to_string(),
    );
    for (name, largest, builder) in builders {
        match builder.start() {
            // Keys that are fetched again after they are too old are an error of either.
            Err(error) if largest => assert!(error.to_string().contains("max_stale"), "{name}"),
            Err(error) => names(name, &error),
            Ok(jwks) => {
                let jwt = Jwt::<Claims>::builder(jwks).clock(Clock::fixed(NOW));
                let jwt = jwt.carriers(all_carriers());
                let jwt = guarded(jwt.build().unwrap());
                let accepted = decides(name, jwt, with_token(&token), with_token("a.b.c")).await;
                assert!(accepted || !largest, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn of_a_session_are_refused_by_name_or_work() {
    type Builder = SessionsBuilder<Record>;
    let mut builders: Vec<(&str, bool, Builder)> = Vec::new();
    let builder = |cap| {
        let secrets = Secrets::express([COOKIE_SECRET]).unwrap();
        Sessions::<Record>::builder(secrets, MemorySessions::new(cap))
    };
    for time in TIMES {
        let largest = time == Duration::MAX;
        builders.extend([
            ("ttl", largest, builder(1).ttl(time)),
            ("max_age", largest, builder(1).max_age(time)),
            ("timeout", largest, builder(1).timeout(time)),
        ]);
        let revocations = Revocations::builder(MemoryRevocations::new(Duration::MAX, usize::MAX));
        let revocations = revocations.allowed_skew(time).build();
        let revocable = builder(1).ttl(time).revocations(revocations);
        builders.push(("ttl", largest, revocable.login_field("at")));
    }
    for size in SIZES {
        let largest = size == usize::MAX;
        builders.push(("max_record", largest, builder(1).max_record(size)));
        builders.push(("cap", largest, builder(size)));
    }
    for (name, largest, builder) in builders {
        let sessions = match builder.build() {
            Err(error) => {
                names(name, &error);
                continue;
            }
            Ok(sessions) => sessions,
        };
        let ada = Record {
            user: Some("ada".into()),
        };
        let strategy = sessions.strategy(Origins::new([PAGE]).unwrap(), user);
        let Ok((_, cookie)) = sessions.create(&ada).await else {
            assert!(!largest, "{name}: no session");
            continue;
        };
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
        let good = handshake("/", &[("origin", PAGE), ("cookie", cookie)]);
        let bad = handshake("/", &[("origin", PAGE), ("cookie", "connect.sid=s:a.b")]);
        let accepted = decides(name, guarded(strategy), good, bad).await;
        assert!(accepted || !largest, "{name}");
        let fields = handshake("/", &[("cookie", cookie)]).into_parts().0.headers;
        if let Some(mut loaded) = sessions.load(&fields).await.unwrap() {
            sessions.touch(&mut loaded).await.unwrap();
            sessions.save(&mut loaded).await.unwrap();
        }
    }
}

#[tokio::test]
async fn of_a_ticket_are_refused_by_name_or_work() {
    type Setter = fn(TicketsBuilder<Claims>, Duration) -> TicketsBuilder<Claims>;
    let setters: [(&str, Setter); 4] = [
        ("ttl", TicketsBuilder::ttl),
        ("ttl", TicketsBuilder::dangerous_long_ttl),
        ("live_for", TicketsBuilder::live_for),
        ("timeout", TicketsBuilder::timeout),
    ];
    for (name, set) in setters {
        for time in TIMES {
            let stores: [Arc<dyn TicketStore>; 2] = [
                Arc::new(MemoryTickets::new()),
                Arc::new(KeepsAll::default()),
            ];
            for store in stores {
                match set(Tickets::builder(store), time).build() {
                    Err(error) => names(name, &error),
                    Ok(tickets) => {
                        let accepted = opens(name, &tickets).await;
                        assert!(accepted || time < Duration::MAX, "{name}");
                    }
                }
            }
        }
    }
}

/// Whether a ticket that is issued now opens a connection.
async fn opens(what: &str, tickets: &Tickets<Claims>) -> bool {
    let ada = Claims { sub: "ada".into() };
    let order = TicketRequest::new(ada, Purpose::handshake()).subject("ada");
    let Ok(issued) = tickets.issue(order).await else {
        return false;
    };
    assert!(issued.expires_at() <= Clock::at(u64::MAX));
    let with = |ticket: &str| handshake(&format!("/?ticket={ticket}"), &[]);
    let (good, bad) = (with(issued.ticket()), with(&b64([7; 32])));
    decides(what, guarded(tickets.strategy()), good, bad).await
}

#[tokio::test]
async fn of_the_store_of_tickets_are_refused_by_name_or_work() {
    let mut builders = Vec::new();
    for size in SIZES {
        let few = u32::try_from(size).unwrap_or(u32::MAX);
        builders.push(("capacity", MemoryTickets::builder().capacity(size)));
        builders.push(("per_subject", MemoryTickets::builder().per_subject(few)));
    }
    builders.extend(TIMES.map(|time| ("max_ttl", MemoryTickets::builder().max_ttl(time))));
    for at in [0, u64::MAX] {
        let clock = Clock::fixed(at);
        builders.push(("clock", MemoryTickets::builder().clock(clock)));
    }
    for (name, builder) in builders {
        match builder.build() {
            Err(error) => names(name, &error),
            Ok(store) => {
                let tickets = Tickets::builder(Arc::new(store)).build().unwrap();
                assert!(opens(name, &tickets).await, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn of_revocations_work() {
    for time in TIMES {
        for size in SIZES {
            for skew in TIMES {
                let store = MemoryRevocations::new(time, size);
                let revocations = Revocations::builder(store).allowed_skew(skew).build();
                let jwt = jwt_builder::<Claims>(Door::Hs).build().unwrap();
                let jwt = jwt.revocable_by(|claims: &Claims| format!("user:{}", claims.sub));
                let door = guarded(jwt.revocable(revocations.clone()));
                let requests = || (with_token(&good()), with_token("a.b.c"));
                let (good, bad) = requests();
                assert!(decides("revocations", door.clone(), good, bad).await);
                let revoked = revocations
                    .revoke("user:ada", DisconnectReason::Revoked)
                    .await;
                assert_eq!(revoked.is_ok(), size > 0);
                let (good, bad) = requests();
                let accepted = decides("revocations", door, good, bad).await;
                let remembered = size > 0 && time == Duration::MAX;
                assert!(!(remembered && accepted), "a revoked token is good");
            }
        }
    }
}
