//! Values that are written by the rules are read back unchanged.

use http::{HeaderMap, HeaderValue, Request, StatusCode};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower_ws_auth::credential::{Carriers, SubprotocolFormat};
use tower_ws_auth::jwt::{JwtEncoder, SigningKey};
use tower_ws_auth::private::cookie;
use tower_ws_auth::session::SessionId;
use tower_ws_auth_socket::close::{Close, CloseCode};
use tower_ws_auth_socket::private::write_text;

use super::config;
use crate::forge::{COOKIE_SECRET, Door, EC, ED, NOW, RSA, SECRET, b64, express, percent_encoded};
use crate::stack::{jwt_builder, sessions};

fn header(value: impl AsRef<[u8]>) -> HeaderValue {
    HeaderValue::from_bytes(value.as_ref()).unwrap()
}

/// A length and the payload behind it (RFC 6455 §5.2), unmasked.
fn payload(frame: &[u8]) -> (usize, &[u8]) {
    let (length, at) = match frame[1] {
        126 => (
            u64::from(u16::from_be_bytes(frame[2..4].try_into().unwrap())),
            4,
        ),
        127 => (u64::from_be_bytes(frame[2..10].try_into().unwrap()), 10),
        short => (u64::from(short), 2),
    };
    (usize::try_from(length).unwrap(), &frame[at..])
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..5)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn a_signed_session_cookie(id in "\\PC{1,60}", before in "([a-z]{1,8}=[!#-+./-9<-~]{0,20}; ?){0,3}") {
        let value = percent_encoded(express(COOKIE_SECRET, &id));
        let mut headers = HeaderMap::new();
        headers.insert("cookie", header(format!("{before}connect.sid={value}; z=1")));
        let read = sessions().signed_id(&headers);
        prop_assert_eq!(read.as_ref().map(SessionId::as_str), Some(id.as_str()));
    }

    #[test]
    fn a_cookie_among_others(
        pairs in btree_map("[a-zA-Z0-9._-]{1,12}", "[!#-+./-:<-~-]{0,30}", 1..8),
        which in any::<prop::sample::Index>(),
        lines in 1_usize..4,
    ) {
        let pairs: Vec<_> = pairs.into_iter().collect();
        let (name, value) = which.get(&pairs);
        let written: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut headers = HeaderMap::new();
        for line in written.chunks(written.len().div_ceil(lines)) {
            headers.append("cookie", header(line.join("; ")));
        }
        let found = cookie::find(&headers, name).unwrap();
        prop_assert_eq!(found.value(), value.as_bytes());
        prop_assert!(!found.is_repeated());
        let taken = cookie::take(&mut headers, name).unwrap();
        prop_assert_eq!(taken.value(), value.as_bytes());
        let mut others = pairs.iter().filter(|(other, _)| other != name);
        let stay = others.all(|(name, value)| {
            cookie::find(&headers, name).is_some_and(|found| found.value() == value.as_bytes())
        });
        prop_assert!(stay);
        prop_assert!(cookie::find(&headers, name).is_none());
    }

    #[test]
    fn a_token_in_a_subprotocol(
        token in "[A-Za-z0-9._~+/-]{1,300}={0,2}",
        others in vec("[a-z0-9.]{1,12}", 1..4),
        at in any::<prop::sample::Index>(),
        kubernetes in any::<bool>(),
    ) {
        let (format, prefix) = if kubernetes {
            (SubprotocolFormat::Kubernetes, "base64url.bearer.authorization.k8s.io.")
        } else {
            (SubprotocolFormat::Phoenix, "base64url.bearer.phx.")
        };
        let mut offered = others.clone();
        offered.insert(at.index(others.len() + 1), format!("{prefix}{}", b64(&token)));
        let request = Request::get("/ws").header("sec-websocket-protocol", offered.join(", "));
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let carriers = Carriers::builder().subprotocol(format).build().unwrap();
        let credential = carriers.take(&mut head).unwrap().unwrap();
        prop_assert_eq!(credential.as_str(), token);
        prop_assert_eq!(head.headers.get("sec-websocket-protocol").unwrap(), &others.join(", "));
    }

    #[test]
    fn a_token_in_the_query(
        token in "[A-Za-z0-9._~+/-]{1,300}={0,2}",
        others in vec("[a-z0-9.]{1,12}=[a-z0-9]{0,12}", 0..4),
        at in any::<prop::sample::Index>(),
        bearer in any::<bool>(),
    ) {
        prop_assume!(others.iter().all(|other| !other.starts_with("token=")));
        let mut pairs = others.clone();
        let scheme = if bearer { "bEaReR%20" } else { "" };
        let own = format!("token={scheme}{}", percent_encoded(&token));
        pairs.insert(at.index(others.len() + 1), own);
        let request = Request::get(format!("/ws?{}", pairs.join("&")));
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let carriers = Carriers::builder().query_bearer("token").build().unwrap();
        let credential = carriers.take(&mut head).unwrap().unwrap();
        prop_assert_eq!(credential.as_str(), token);
        prop_assert_eq!(head.uri.query().unwrap_or_default(), others.join("&"));
    }

    #[test]
    fn a_close_frame(code in prop_oneof![1000_u16..1004, 1007_u16..1015, 3000_u16..5000], text in "\\PC{0,150}") {
        let close = Close::new(CloseCode::new(code).unwrap(), text.clone());
        let bytes = close.to_bytes();
        let (length, payload) = payload(&bytes);
        prop_assert_eq!(bytes[0], 0x88);
        prop_assert_eq!(length, payload.len());
        prop_assert!(length <= 125);
        prop_assert_eq!(&payload[..2], code.to_be_bytes());
        let reason = str::from_utf8(&payload[2..]).unwrap();
        prop_assert!(text.starts_with(reason));
        // Only what does not fit is cut.
        let next = text[reason.len()..].chars().next();
        prop_assert!(next.is_none_or(|next| reason.len() + next.len_utf8() > 123));
    }

    #[test]
    fn a_text_frame(text in prop_oneof!["\\PC{0,150}", (65_500_usize..65_600).prop_map(|length| "x".repeat(length))]) {
        let mut bytes = b"before".to_vec();
        write_text(&text, &mut bytes);
        let frame = bytes.strip_prefix(b"before").unwrap();
        let (length, payload) = payload(frame);
        prop_assert_eq!(frame[0], 0x81);
        prop_assert_eq!(length, text.len());
        prop_assert_eq!(payload, text.as_bytes());
    }

    #[test]
    fn a_close_code_is_every_status(status in 100_u16..1000) {
        let code = CloseCode::from_status(StatusCode::from_u16(status).unwrap());
        prop_assert_eq!(CloseCode::new(code.get()).unwrap(), code);
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn the_claims_of_a_token(door in prop::sample::select(&Door::ALL[..]), content in json_value()) {
        let key = match door {
            Door::Hs => SigningKey::hs256(SECRET),
            Door::Rs => SigningKey::from_pem(tower_ws_auth::jwt::Algorithm::RS256, RSA),
            Door::Es => SigningKey::from_pem(tower_ws_auth::jwt::Algorithm::ES256, EC),
            Door::Ed => SigningKey::from_pem(tower_ws_auth::jwt::Algorithm::EdDSA, ED),
        };
        let claims = json!({ "sub": "ada", "exp": NOW + 1, "content": content });
        // Longer than a credential may be: the encoder says so.
        if let Ok(token) = JwtEncoder::new(key.unwrap()).encode(&claims) {
            let jwt = jwt_builder::<Value>(door).build().unwrap();
            let grant = jwt.verify_token(&token).unwrap();
            prop_assert_eq!(grant.identity(), &claims);
        } else {
            prop_assert!(claims.to_string().len() > 5_000);
        }
    }
}
