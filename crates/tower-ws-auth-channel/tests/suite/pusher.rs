//! Signatures as Pusher has them.

use serde::Deserialize;
use tower_ws_auth_channel::{ChannelAuthLayer, Join, Policy, Pusher, PusherError, PusherSigned};

use crate::support::effect;

#[derive(Deserialize)]
struct Vector {
    key: String,
    secret: String,
    socket_id: String,
    channel: String,
    channel_data: Option<String>,
    signature: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../data/pusher.json")).unwrap()
}

const ID: &str = "1234.5678";

fn pusher() -> Pusher {
    Pusher::new("app-key", "local-secret").unwrap()
}

fn auth(channel: &str, data: Option<&str>) -> String {
    pusher().sign(ID, channel, data).unwrap().auth().to_owned()
}

/// `good`, or the token of the rejection.
fn verified(auth: &str, socket_id: &str, channel: &str, data: Option<&str>) -> &'static str {
    pusher()
        .verify(auth, socket_id, channel, data)
        .map_or_else(|rejection| rejection.reason(), |()| "good")
}

#[test]
fn the_vectors_of_other_implementations_hold_in_both_directions() {
    for vector in vectors() {
        let pusher = Pusher::new(&*vector.key, &vector.secret).unwrap();
        let (id, channel) = (&*vector.socket_id, &*vector.channel);
        let data = vector.channel_data.as_deref();
        let signed = pusher.sign(id, channel, data).unwrap();
        let expected = format!("{}:{}", vector.key, vector.signature);
        assert_eq!((signed.auth(), signed.channel_data()), (&*expected, data));
        assert!(pusher.verify(&expected, id, channel, data).is_ok());
    }
}

#[test]
fn a_signature_is_for_one_socket_one_channel_and_its_data() {
    let private = auth("private-x", None);
    let presence = auth("presence-x", Some(r#"{"user_id":"1"}"#));
    assert_eq!(verified(&private, ID, "private-x", None), "good");
    assert_eq!(
        verified(&presence, ID, "presence-x", Some(r#"{"user_id":"1"}"#)),
        "good"
    );
    for (auth, id, channel, data) in [
        (&private, "1234.567", "private-x", None),
        (&private, "1234.56789", "private-x", None),
        (&private, ID, "private-y", None),
        (&private, ID, "private-x", Some("")),
        (&private, ID, "private-x", Some("{}")),
        (&presence, ID, "presence-x", Some(r#"{"user_id":"2"}"#)),
        (&presence, ID, "presence-x", Some(r#"{"user_id": "1"}"#)),
        (&presence, ID, "presence-x", None),
        (&presence, ID, "private-x", None),
    ] {
        assert_eq!(
            verified(auth, id, channel, data),
            "token_invalid",
            "{id} {channel} {data:?}"
        );
    }
}

#[test]
fn borders_cannot_be_shifted_by_a_colon() {
    // `1234.5678:private-x:data`, cut elsewhere.
    let private = auth("private-x", Some("data"));
    assert_eq!(
        verified(&private, ID, "private-x:data", None),
        "token_invalid"
    );
    assert_eq!(
        verified(&private, "1234.5678:private-x", "data", None),
        "token_invalid"
    );
    // The text that signs in a user is `socket_id::user::data`: an empty channel name.
    assert_eq!(
        pusher().sign(ID, "", Some("user::{}")),
        Err(PusherError::Channel)
    );
    assert_eq!(
        pusher().sign("1.2:", "user", None),
        Err(PusherError::SocketId)
    );
}

#[test]
fn a_signature_has_one_form() {
    let good = auth("private-x", None);
    let hex = good.strip_prefix("app-key:").unwrap();
    for bad in [
        String::new(),
        ":".to_owned(),
        hex.to_owned(),
        format!(":{hex}"),
        "app-key".to_owned(),
        "app-key:".to_owned(),
        format!("app-key{hex}"),
        format!("app-key::{hex}"),
        format!("other-key:{hex}"),
        format!("APP-KEY:{hex}"),
        format!("app-key:{}", hex.to_uppercase()),
        format!("app-key:{}", &hex[1..]),
        format!("app-key:{hex}0"),
        format!("app-key:{}", &hex[..32]),
        format!("app-key:{}é", &hex[..62]),
        format!(" {good}"),
        format!("{good}\n"),
        format!("app-key:{}", "0".repeat(64)),
    ] {
        assert_eq!(
            verified(&bad, ID, "private-x", None),
            "token_invalid",
            "{bad:?}"
        );
    }
}

#[test]
fn a_socket_id_is_digits_a_dot_and_digits() {
    let long = format!("1.{}", "1".repeat(63));
    for bad in [
        "", ".", "1", "1.", ".1", "1.2.3", "1.2\n", " 1.2", "a.b", "1:2", "-1.2", "١.٢", &long,
    ] {
        assert_eq!(
            pusher().sign(bad, "private-x", None),
            Err(PusherError::SocketId),
            "{bad:?}"
        );
        assert_eq!(
            verified(&auth("private-x", None), bad, "private-x", None),
            "token_invalid"
        );
    }
    for good in ["1.2", "0.0", "1234.5678", "12345678901.98765432109"] {
        assert!(pusher().sign(good, "private-x", None).is_ok(), "{good}");
    }
}

#[test]
fn a_channel_has_pushers_letters_and_at_most_164_of_them() {
    let longest = "x".repeat(164);
    for good in ["private-x", "aZ09_-=@,.;", &*longest] {
        assert_eq!(
            verified(&auth(good, None), ID, good, None),
            "good",
            "{good}"
        );
    }
    let long = "x".repeat(165);
    for bad in [
        "", "a b", "a:b", "a*", "#a", "a/b", "é", "a\n", "a\0", &*long,
    ] {
        assert_eq!(
            pusher().sign(ID, bad, None),
            Err(PusherError::Channel),
            "{bad:?}"
        );
    }
    assert_eq!(
        pusher().sign(ID, "presence-x", None),
        Err(PusherError::ChannelData)
    );
}

#[test]
fn secrets_rotate() {
    let old = auth("private-x", None);
    let rotated = Pusher::new("app-key", "new-secret")
        .unwrap()
        .also_verify("local-secret")
        .unwrap();
    let new = rotated.sign(ID, "private-x", None).unwrap();
    assert_ne!(new.auth(), old);
    for auth in [new.auth(), &old] {
        assert!(rotated.verify(auth, ID, "private-x", None).is_ok());
    }
    assert_eq!(verified(new.auth(), ID, "private-x", None), "token_invalid");
}

#[test]
fn a_wrong_configuration_fails_at_once() {
    for key in ["", "a:b", "a b", "é", "a\n"] {
        assert_eq!(
            Pusher::new(key, "s").unwrap_err(),
            PusherError::Key,
            "{key:?}"
        );
    }
    assert_eq!(Pusher::new("k", "").unwrap_err(), PusherError::Secret);
    assert_eq!(pusher().also_verify([]).unwrap_err(), PusherError::Secret);
}

#[test]
fn the_endpoint_answers_with_json() {
    let json = |data| serde_json::to_string(&pusher().sign(ID, "presence-x", Some(data)).unwrap());
    let auth = auth("presence-x", Some(r#"{"user_id":1}"#));
    let expected = format!(r#"{{"auth":"{auth}","channel_data":"{{\"user_id\":1}}"}}"#);
    assert_eq!(json(r#"{"user_id":1}"#).unwrap(), expected);
    let private = serde_json::to_string(&pusher().sign(ID, "private-x", None).unwrap()).unwrap();
    assert!(private.starts_with(r#"{"auth":"app-key:"#) && !private.contains("channel_data"));
}

struct Subscribe {
    channel_data: Option<&'static str>,
}

fn layer() -> ChannelAuthLayer<impl Policy<&'static str, Subscribe>> {
    // The identity is the socket's id.
    ChannelAuthLayer::new(
        pusher().policy(|join: &Join<&'static str, Subscribe>| PusherSigned {
            socket_id: join.identity(),
            channel_data: join.message().channel_data,
        }),
    )
}

#[tokio::test]
async fn a_join_passes_by_the_signature_for_its_own_socket() {
    let data = Some("{}");
    let good = auth("presence-x", data);
    let join = |id: &'static str, channel: &str, channel_data, auth: &str| {
        Join::new(id, channel, Subscribe { channel_data }).with_credential(Some(auth.to_owned()))
    };
    let layer = layer();
    assert_eq!(
        effect(&layer, join(ID, "presence-x", data, &good)).await,
        "joined"
    );
    for (join, expected) in [
        (join("1234.9", "presence-x", data, &good), "token_invalid"),
        (join(ID, "presence-y", data, &good), "token_invalid"),
        (join(ID, "presence-x", None, &good), "token_invalid"),
        (join(ID, "presence-x", Some("[]"), &good), "token_invalid"),
        (join(ID, "presence-x", data, "app-key:00"), "token_invalid"),
        (join(ID, "presence-x", data, ""), "credentials_missing"),
    ] {
        assert_eq!(effect(&layer, join).await, expected);
    }
}

#[test]
fn no_secret_and_no_signature_prints() {
    let signed = pusher().sign(ID, "presence-x", Some("canary")).unwrap();
    let refused = pusher()
        .verify(signed.auth(), ID, "private-x", None)
        .unwrap_err();
    let text = format!("{signed:?} {:?} {refused} {refused:?}", pusher());
    for secret in ["local-secret", "canary", &signed.auth()["app-key:".len()..]] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(text.contains("app-key"), "{text}");
}
