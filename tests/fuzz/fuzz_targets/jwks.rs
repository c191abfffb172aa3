//! A JWK Set as an issuer's server answers, and its configuration. An invalid set yields no keys,
//! and no set yields a key that everybody has.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use fuzz::{NOW, token};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tower_ws_auth::Clock;
use tower_ws_auth::jwt::{Document, Jwks, JwksBuilder, Jwt};

/// Its clock jumps to the next timer.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O")
});

const ISSUER: &str = "https://issuer.example";
const SET: &str = "https://issuer.example/keys";

fuzz_target!(|input: &[u8]| {
    RUNTIME.block_on(async {
        let builder = || Jwks::builder(SET).max_keys(8).max_bytes(4096);
        let is_set = published(builder(), [input, input]).await;
        if is_set {
            let set: Value = serde_json::from_slice(input).expect("JSON was accepted");
            let keys = set["keys"].as_array().expect("a list was accepted");
            assert!(keys.len() <= 8 && input.len() <= 4096);
        }
        // The first line as the configuration, the second as the set.
        let mut parts = input.splitn(2, |byte| *byte == b'\n');
        let (configuration, set) = (parts.next(), parts.next());
        let documents = [configuration, set].map(Option::unwrap_or_default);
        if published(Jwks::discover(ISSUER).max_keys(8), documents).await {
            let named: Value = serde_json::from_slice(documents[0]).expect("JSON was accepted");
            assert_eq!(named["issuer"], ISSUER);
            assert!(named["jwks_uri"].as_str().expect("a text").len() > "https://".len());
        }
    });
});

/// Whether these documents yield keys. The second one answers every request but that for an
/// issuer's configuration.
async fn published(builder: JwksBuilder, documents: [&[u8]; 2]) -> bool {
    let documents = documents.map(<[u8]>::to_vec);
    let fetch = move |url: http::Uri| {
        let at = usize::from(!url.path().starts_with("/.well-known/"));
        let document = Document::new(documents[at].clone());
        async { Ok(document) }
    };
    let jwks = builder.fetch(fetch).start().expect("a good configuration");
    let there = timeout(Duration::from_millis(100), jwks.available()).await;
    // The secret of this token is the published text of a key, or empty.
    let forged = token(br#"{"alg":"HS256"}"#, br#"{"exp":4102444800}"#);
    let jwt = Jwt::<Value>::builder(jwks.clone()).clock(Clock::fixed(NOW.into()));
    let jwt = jwt.build().expect("a good configuration");
    assert!(jwt.verify_token(&forged).is_err());
    there.is_ok()
}
