//! The cookie: valid and invalid ones, and the id in them.

use proptest::prelude::*;
use serde_json::Value;
use tower_ws_auth_session::{SecretError, Secrets, Sessions};

use crate::common::{Odd, SECRET, builder, cookies};

fn vectors(of: &str) -> Vec<Value> {
    let all = include_str!("../../../../tests/data/interop.json");
    let mut all: Value = serde_json::from_str(all).unwrap();
    serde_json::from_value(all[of].take()).unwrap()
}

fn with(secrets: Secrets) -> Sessions<crate::common::Record> {
    let builder = Sessions::builder(secrets, Odd::default());
    builder.cookie_name("sid").build().unwrap()
}

fn express(secret: &str) -> Sessions<crate::common::Record> {
    with(Secrets::dangerous_short_express([secret]).unwrap())
}

/// The id that this cookie names.
fn id(sessions: &Sessions<crate::common::Record>, cookie: &str) -> Option<String> {
    let id = sessions.signed_id(&cookies(&[cookie]))?;
    Some(id.as_str().to_owned())
}

/// A cookie of `id` under the usual secret, as Express writes it.
fn signed(id: &str) -> String {
    signed_by(SECRET, id)
}

/// Made without this crate.
fn signed_by(secret: &str, id: &str) -> String {
    use base64::Engine as _;
    use hmac::{KeyInit as _, Mac as _};
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(id.as_bytes());
    let signature = base64::prelude::BASE64_STANDARD_NO_PAD.encode(mac.finalize().into_bytes());
    format!("s:{id}.{signature}")
}

mod the_format_of_express {
    use super::*;

    #[test]
    fn cookie_signature_vectors() {
        for vector in vectors("cookie_signature") {
            let sessions = express(vector["secret"].as_str().unwrap());
            let found = id(
                &sessions,
                &format!("sid=s:{}", vector["signed"].as_str().unwrap()),
            );
            let expected =
                (vector["expect"] == "accepted").then(|| vector["value"].as_str().unwrap());
            assert_eq!(found.as_deref(), expected, "{vector}");
        }
    }

    #[test]
    fn express_session_vectors_to_read_and_to_write() {
        for vector in vectors("express_session") {
            let secret = vector["secret"].as_str().unwrap();
            let secrets = Secrets::dangerous_short_express([secret]).unwrap();
            let sessions: Sessions<crate::common::Record> =
                Sessions::builder(secrets, Odd::default()).build().unwrap();
            let cookie = vector["cookie"].as_str().unwrap();
            assert_eq!(id(&sessions, cookie).as_deref(), vector["sid"].as_str());
            // Decoding it first changes nothing.
            let raw = cookie
                .replace("%3A", ":")
                .replace("%2B", "+")
                .replace("%2F", "/");
            assert_eq!(id(&sessions, &raw).as_deref(), vector["sid"].as_str());
        }
    }

    #[tokio::test]
    async fn the_cookie_is_byte_for_byte_that_of_express() {
        let sessions = builder(Odd::default()).build().unwrap();
        let (id, set_cookie) = sessions.create(&crate::common::ada()).await.unwrap();
        let expected = signed(id.as_str())
            .replace(':', "%3A")
            .replace('+', "%2B")
            .replace('/', "%2F");
        assert_eq!(
            crate::common::pair(&set_cookie),
            format!("connect.sid={expected}")
        );
        assert_eq!(
            sessions.signed_id(&cookies(&[&crate::common::pair(&set_cookie)])),
            Some(id)
        );
    }

    #[test]
    fn an_id_may_have_dots_and_escapes() {
        let sessions = express(SECRET);
        for name in ["a.b", ".", "a%FF", "100%", "a b", "\u{eb}", "user:1"] {
            let cookie = signed(name);
            let escaped = cookie.bytes().map(|byte| format!("%{byte:02x}"));
            let encoded = escaped.collect::<Vec<_>>().concat();
            assert_eq!(
                id(&sessions, &format!("sid={encoded}")).as_deref(),
                Some(name)
            );
        }
        // A value that cannot be decoded is read as it is.
        assert_eq!(
            id(&sessions, &format!("sid={}", signed("a%FF"))).as_deref(),
            Some("a%FF")
        );
    }

    #[test]
    fn quotes_around_it_are_stripped_once() {
        let sessions = express(SECRET);
        let cookie = signed("x");
        assert!(id(&sessions, &format!("sid=\"{cookie}\"")).is_some());
        assert!(id(&sessions, &format!("sid=\"\"{cookie}\"\"")).is_none());
        assert!(id(&sessions, &format!("sid=\"{cookie}")).is_none());
    }

    #[test]
    fn every_other_writing_is_refused() {
        let sessions = express(SECRET);
        let good = signed("abc");
        assert!(id(&sessions, &format!("sid={good}")).is_some());
        let (value, signature) = good.rsplit_once('.').unwrap();
        let other = signed("abd");
        let (_, swapped) = other.rsplit_once('.').unwrap();
        let jar = format!("{signature}=abc");
        for bad in [
            String::new(),
            "s:".into(),
            "s:.".into(),
            "s:abc".into(),
            "abc".into(),
            "s:x.bad".into(),
            "j:{}".into(),
            jar,
            good[2..].to_owned(),
            good.replace("s:", "S:"),
            format!("s%253Aabc.{signature}"),
            format!("{good}="),
            format!("{good}%3D"),
            format!("{good}."),
            format!("{good}%00"),
            format!(" .{good}"),
            good[..good.len() - 1].to_owned(),
            good[..good.len() - 20].to_owned(),
            format!("{value}."),
            format!("{value}.{swapped}"),
            format!("s:abd.{signature}"),
            format!("s:.{signature}"),
            format!("{value}.{}", signature.to_lowercase()),
            format!("{value}.{}", "A".repeat(43)),
            format!("{value}.{}", "\u{0}".repeat(43).replace('\u{0}', "%00")),
            signed(""),
            signed("a\u{7f}b").replace('\u{7f}', "%7F"),
            signed(&"a".repeat(257)),
            "s:".repeat(10_000),
            "%".repeat(900),
        ] {
            let cookie = format!("sid={bad}");
            assert_eq!(id(&sessions, &cookie), None, "{bad:.80}");
        }
    }

    #[test]
    fn the_one_signature_is_written_in_one_way() {
        // The last of 43 characters has two bits to spare.
        let sessions = express(SECRET);
        let good = signed("abc");
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let accepted = alphabet
            .chars()
            .filter(|last| {
                id(&sessions, &format!("sid={}{last}", &good[..good.len() - 1])).is_some()
            })
            .count();
        assert_eq!(accepted, 1);
    }

    proptest! {
        // A failure is told, and no file is left of it.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_one_byte_changed_is_refused(at in 2..47_usize, to in b'!'..=b'~') {
            let sessions = express(SECRET);
            let mut bytes = signed("abc").into_bytes();
            prop_assume!(bytes[at] != to && to != b';');
            bytes[at] = to;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(id(&sessions, &format!("sid={changed}")), None);
        }

        #[test]
        fn nothing_in_a_cookie_field_panics(line in "(sid=)?[ -~\t]{0,300}") {
            prop_assert_eq!(id(&express(SECRET), &line), None);
        }

        #[test]
        fn every_signed_id_is_read_back(name in "[ -~&&[^;%]]{1,200}") {
            let cookie = format!("sid=\"{}\"", signed(&name));
            prop_assert_eq!(id(&express(SECRET), &cookie), Some(name));
        }
    }
}

mod the_secrets {
    use super::*;

    #[tokio::test]
    async fn the_first_signs_and_all_verify() {
        let old = ["the first secret, now old", "the second secret, older"];
        let rotated = ["the new secret of today", old[0], old[1]];
        let sessions = with(Secrets::express(rotated).unwrap());
        for secret in rotated {
            let cookie = format!("sid={}", signed_by(secret, "abc"));
            assert_eq!(id(&sessions, &cookie).as_deref(), Some("abc"), "{secret}");
        }
        let strange = format!("sid={}", signed_by("a secret of somebody else", "abc"));
        assert_eq!(id(&sessions, &strange), None);
        let (_, set) = sessions.create(&crate::common::ada()).await.unwrap();
        assert!(
            id(
                &with(Secrets::express([rotated[0]]).unwrap()),
                &crate::common::pair(&set)
            )
            .is_some()
        );
        assert!(
            id(
                &with(Secrets::express(old).unwrap()),
                &crate::common::pair(&set)
            )
            .is_none()
        );
    }

    #[test]
    fn missing_empty_and_short_ones_are_refused_with_the_remedy() {
        let none: [&str; 0] = [];
        assert_eq!(Secrets::express(none).unwrap_err(), SecretError::None);
        assert_eq!(Secrets::signed_jar(none).unwrap_err(), SecretError::None);
        let good = "a secret of some length";
        for secrets in [
            Secrets::express([good, ""]),
            Secrets::dangerous_short_express([""]),
            Secrets::signed_jar([""]),
            Secrets::derived_signed_jar([""]),
        ] {
            assert_eq!(secrets.unwrap_err(), SecretError::Empty);
        }
        let short = |secrets: Result<Secrets, SecretError>, least, instead| {
            let Err(error) = secrets else { unreachable!() };
            let length = least - 1;
            assert_eq!(
                error,
                SecretError::Short {
                    length,
                    least,
                    instead
                }
            );
            assert!(error.to_string().contains(instead));
        };
        short(
            Secrets::express(["a".repeat(15)]),
            16,
            "dangerous_short_express",
        );
        short(Secrets::signed_jar([[1; 63]]), 64, "derived_signed_jar");
        short(Secrets::derived_signed_jar([[1; 31]]), 32, "signed_jar");
        assert!(Secrets::express(["a".repeat(16)]).is_ok());
        assert!(Secrets::dangerous_short_express(["keyboard cat"]).is_ok());
    }
}

mod the_format_of_the_crate_cookie {
    use super::*;
    use cookie::{Cookie, CookieJar, Key};

    fn jar(key: &Key, value: &str) -> String {
        let mut jar = CookieJar::new();
        jar.signed_mut(key)
            .add(Cookie::new("sid", value.to_owned()));
        jar.get("sid").unwrap().encoded().to_string()
    }

    #[test]
    fn the_cookie_of_a_signed_jar_is_accepted() {
        let bytes: Vec<u8> = (0..80).collect();
        let plain = with(Secrets::signed_jar([&bytes]).unwrap());
        let derived = with(Secrets::derived_signed_jar([&bytes[..40]]).unwrap());
        for value in ["x", "a.b", "AaBbCcDdEeFfGgHhIiJjKk", "s:x"] {
            let cookie = jar(&Key::from(&bytes), value);
            assert_eq!(id(&plain, &cookie).as_deref(), Some(value));
            assert_eq!(id(&derived, &cookie), None);
            let cookie = jar(&Key::derive_from(&bytes[..40]), value);
            assert_eq!(id(&derived, &cookie).as_deref(), Some(value));
            assert_eq!(id(&plain, &cookie), None);
        }
    }

    #[tokio::test]
    async fn a_signed_jar_accepts_the_cookie() {
        let bytes = [7; 64];
        let sessions = with(Secrets::signed_jar([bytes]).unwrap());
        let (id, set) = sessions.create(&crate::common::ada()).await.unwrap();
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::parse_encoded(crate::common::pair(&set)).unwrap());
        let read = jar.signed(&Key::from(&bytes)).get("sid").unwrap();
        assert_eq!(read.value(), id.as_str());
    }

    #[test]
    fn every_other_writing_is_refused() {
        let sessions = with(Secrets::signed_jar([[7; 64]]).unwrap());
        let good = jar(&Key::from(&[7; 64]), "abc");
        let good = good
            .strip_prefix("sid=")
            .unwrap()
            .replace("%2F", "/")
            .replace("%3D", "=");
        assert!(id(&sessions, &format!("sid={good}")).is_some(), "{good}");
        for bad in [
            String::new(),
            "\u{e4}".repeat(30),
            good[..43].to_owned(),
            good[..44].to_owned(),
            good[1..].to_owned(),
            good.replace('=', ""),
            good.replace('=', "A"),
            good.replace("abc", "abd"),
            format!("{good}d"),
            format!("s:abc.{}", &good[..43]),
            jar(&Key::from(&[8; 64]), "abc")[4..].to_owned(),
            jar(&Key::from(&[7; 64]), "")[4..].to_owned(),
        ] {
            assert_eq!(id(&sessions, &format!("sid={bad}")), None, "{bad}");
        }
    }
}

mod several_cookies {
    use super::*;

    #[test]
    fn the_first_of_two_wins_as_in_express() {
        let sessions = express(SECRET);
        let (a, b) = (signed("a"), signed("b"));
        assert_eq!(
            id(&sessions, &format!("sid={a}; sid={b}")).as_deref(),
            Some("a")
        );
        assert_eq!(
            id(&sessions, &format!("sid={b}; sid={a}")).as_deref(),
            Some("b")
        );
        assert_eq!(id(&sessions, &format!("sid=bad; sid={a}")), None);
        assert_eq!(id(&sessions, &format!("sid=; sid={a}")), None);
    }

    #[test]
    fn refuse_duplicates_refuses_even_equal_ones() {
        let strict = builder(Odd::default())
            .cookie_name("sid")
            .refuse_duplicates();
        let strict = strict.build().unwrap();
        let a = signed("a");
        assert_eq!(id(&strict, &format!("sid={a}")).as_deref(), Some("a"));
        assert_eq!(
            id(&strict, &format!("x=1; sid={a}; SID=2")).as_deref(),
            Some("a")
        );
        assert_eq!(id(&strict, &format!("sid={a}; sid={a}")), None);
        let split = cookies(&[&format!("sid={a}"), "x=1", "sid=b"]);
        assert_eq!(strict.signed_id(&split), None);
    }
}
