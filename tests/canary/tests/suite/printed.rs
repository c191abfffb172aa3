//! No `Debug`, no `Display` and no error of a public type prints a secret that it holds.

use std::fmt::Write as _;
use std::sync::Arc;

use canary_tests::Claims;
use http::Request;
use test_support::Printed;
use tower_ws_auth::credential::Carriers;
use tower_ws_auth::jwt::{Algorithm, Jwt, JwtEncoder, Key, Keys, SigningKey};
use tower_ws_auth::session::{MemorySessions, Secrets};
use tower_ws_auth::ticket::{MemoryTickets, Purpose, TicketKey, TicketRequest};
use tower_ws_auth::{
    AllowedOrigin, AuthLayer, Authenticate, AuthenticateExt, Origins, Sessions, Tickets,
};

/// 40 letters that occur nowhere else.
const CANARY: &str = "canaryCANARYcanaryCANARYcanaryCANARYcana";

#[test]
fn not_the_keys_of_tokens() {
    let mut printed = Printed::default();
    let key = Key::hs256(CANARY).unwrap();
    let keys = Keys::new().with_kid("k1", key.clone());
    let signing = SigningKey::hmac(Algorithm::HS256, CANARY).unwrap();
    printed.debug(&key).debug(&keys).debug(&signing);
    printed.debug(&JwtEncoder::new(signing));
    let builder = Jwt::<Claims>::builder(key);
    printed.debug(&builder);
    for text in [
        CANARY.to_owned(),
        format!("{{\"kty\":\"oct\",\"k\":\"{CANARY}!\"}}"),
    ] {
        if let Err(error) = Key::from_jwk(&text) {
            printed.error(&error);
        }
        if let Err(error) = Key::from_pem(Algorithm::RS256, &text) {
            printed.error(&error);
        }
        if let Err(error) = SigningKey::from_pem(Algorithm::RS256, &text) {
            printed.error(&error);
        }
    }
    printed.error(&Key::hs256(&CANARY[..16]).unwrap_err());
    printed.holds_none_of(&[CANARY, &CANARY[..16]]);
}

#[tokio::test]
async fn not_a_token_on_its_way() {
    let mut printed = Printed::default();
    let carriers = Carriers::builder().query("token").build().unwrap();
    let key = Key::hs256(CANARY).unwrap();
    let jwt = Jwt::<Claims>::builder(key)
        .carriers(carriers)
        .build()
        .unwrap();
    let jwt = jwt.map(|claims| claims.sub).optional();
    let uri = format!("/ws?token=e30.{CANARY}.{CANARY}");
    let (mut head, ()) = Request::get(uri).body(()).unwrap().into_parts();
    let credential = jwt.take(&mut head).unwrap().unwrap();
    printed.debug(&jwt).debug(&credential).debug(&head);
    let verifying = jwt.verify(credential, &head);
    printed.debug(&verifying);
    let rejection = verifying.await.unwrap_err();
    printed.error(&rejection).debug(&AuthLayer::new(jwt));
    printed.holds_none_of(&[CANARY]);
}

#[tokio::test]
async fn not_a_session() {
    let mut printed = Printed::default();
    let secrets = Secrets::express([CANARY]).unwrap();
    let store = MemorySessions::new(10);
    printed.debug(&secrets);
    let sessions: Sessions<Claims> = Sessions::builder(secrets, store.clone()).build().unwrap();
    let record = Claims { sub: "ada".into() };
    let (id, cookie) = sessions.create(&record).await.unwrap();
    printed
        .debug(&sessions)
        .debug(&store)
        .debug(&id)
        .debug(&cookie);
    let pair = cookie
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();

    let origins = Origins::new(["https://app.example"]).unwrap();
    let strategy = sessions.strategy(origins, |record| Some(record.sub.clone()));
    let origin = "https://app.example";
    let request = Request::get("/ws")
        .header("cookie", &pair)
        .header("origin", origin);
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    let loaded = sessions.load(&head.headers).await.unwrap().unwrap();
    printed.debug(&loaded);
    let allowed = AllowedOrigin::vouch_for(origin.parse().unwrap());
    head.extensions.insert(allowed);
    let credential = strategy.take(&mut head).unwrap().unwrap();
    printed.debug(&strategy).debug(&credential).debug(&head);
    let verifying = strategy.verify(credential, &head);
    printed.debug(&verifying);
    printed.debug(&verifying.await.unwrap());
    let signature = pair.split_once('.').unwrap().1;
    printed.holds_none_of(&[CANARY, id.as_str(), &signature[..20]]);
}

#[tokio::test]
async fn not_a_ticket() {
    let mut printed = Printed::default();
    let store = Arc::new(MemoryTickets::new());
    let tickets: Tickets<Claims> = Tickets::builder(store.clone()).build().unwrap();
    let order = TicketRequest::new(Claims { sub: "ada".into() }, Purpose::handshake());
    printed.debug(&tickets).debug(&store).debug(&order);
    let issued = tickets.issue(order).await.unwrap();
    printed.debug(&issued);
    let key = TicketKey::digest("test", &[CANARY.as_bytes()]);
    let strategy = tickets.strategy();
    for text in [issued.ticket(), CANARY] {
        let uri = format!("/ws?ticket={text}");
        let (mut head, ()) = Request::get(uri).body(()).unwrap().into_parts();
        let credential = strategy.take(&mut head).unwrap().unwrap();
        printed.debug(&strategy).debug(&credential).debug(&head);
        let taking = strategy.verify(credential, &head);
        printed.debug(&taking);
        match taking.await {
            Ok(grant) => printed.debug(&grant),
            Err(rejection) => printed.error(&rejection),
        };
    }
    printed.debug(&key);
    let digest = key.as_bytes().iter().fold(String::new(), |mut all, b| {
        write!(all, "{b:02x}").unwrap();
        all
    });
    printed.holds_none_of(&[CANARY, issued.ticket(), &digest]);
}
