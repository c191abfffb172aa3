//! A session's record as a store returns it. It is read as JSON, it ends when it says so, and a
//! change that is written back loses no other field.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use fuzz::{NOW, SECRET, express_signature};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};
use tower_ws_auth::session::{MemorySessions, Secrets, SessionStore, StoredSession};
use tower_ws_auth::{Clock, MemoryRevocations, Revocations, Sessions};

type Fields = Map<String, Value>;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime without I/O")
});

/// A cookie with a valid signature.
static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let cookie = format!("connect.sid=s:id.{}", express_signature("id"));
    let cookie = HeaderValue::from_str(&cookie).expect("base64 and a few marks");
    HeaderMap::from_iter([(COOKIE, cookie)])
});

fn sessions(store: MemorySessions) -> Sessions<Fields> {
    let secrets = Secrets::express([SECRET]).expect("long enough");
    let clock = Clock::fixed(NOW.into());
    let store_of_keys = MemoryRevocations::new(2 * DAY, 1);
    let sessions = Sessions::<Fields>::builder(secrets, store)
        .clock(clock.clone())
        .revocations(Revocations::with_clock(store_of_keys, clock))
        .revocable_by(|record: &Fields| Some(format!("user:{}", record.get("user")?)))
        .login_field("at");
    sessions.build().expect("a good configuration")
}

fn parsed(record: &str) -> Fields {
    let Ok(Value::Object(fields)) = serde_json::from_str(record) else {
        panic!("a record that is no object");
    };
    fields
}

/// The application's own fields.
fn own(mut fields: Fields) -> Fields {
    for reserved in ["cookie", "wsauth", "changed"] {
        fields.remove(reserved);
    }
    fields
}

fuzz_target!(|input: &[u8]| {
    let Ok(record) = str::from_utf8(input) else {
        return;
    };
    RUNTIME.block_on(async {
        let reader = sessions(MemorySessions::new(1));
        let id = reader.signed_id(&HEADERS).expect("a good signature");
        let store = MemorySessions::with_clock(2, Clock::fixed(NOW.into()));
        store
            .create(&id, record, DAY)
            .await
            .expect("an empty store");
        let sessions = sessions(store.clone());
        let Some(mut loaded) = sessions.load(&HEADERS).await.expect("a good store") else {
            return;
        };
        let Ok(before) = serde_json::from_str(record) else {
            // A field that stands again may have a number that no `f64` holds. The last one counts.
            return;
        };
        let before = own(before);
        assert_eq!(own((*loaded).clone()), before);
        let now = Clock::at(NOW.into());
        assert!(loaded.ends_at().is_none_or(|end| end > now));
        loaded.insert("changed".to_owned(), json!(1));
        sessions.save(&mut loaded).await.expect("a good store");
        let StoredSession { record, .. } = (store.load(&id).await)
            .expect("a good store")
            .expect("nobody has taken it");
        let written = parsed(&record);
        assert_eq!(written["changed"], 1);
        assert_eq!(own(written), before);
        let cookie = parsed(&record).remove("cookie").unwrap_or_default();
        let lifetime = cookie["originalMaxAge"].as_f64();
        if lifetime.is_some_and(|millis| millis < 1.0) {
            // It ends whenever it is touched.
            return;
        }
        sessions.touch(&mut loaded).await.expect("a good store");
        sessions.regenerate(loaded).await.expect("a good store");
        assert!(
            sessions
                .load(&HEADERS)
                .await
                .expect("a good store")
                .is_none()
        );
    });
});
