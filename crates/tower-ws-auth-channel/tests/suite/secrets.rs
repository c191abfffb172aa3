//! A credential is in no `Debug`, no `Display` and no error.

use tower_ws_auth_channel::{ChannelAuthLayer, Join, JoinOutcome};

use crate::support::ask;

const CANARY: &str = "c4n4ry";

/// A message that was parsed carelessly: it still has the credential in it.
#[derive(Clone, Debug)]
struct Message {
    #[allow(dead_code, reason = "printed, if it were")]
    raw: &'static str,
}

fn join(channel: &str) -> Join<&'static str, Message> {
    Join::new(CANARY, channel, Message { raw: CANARY }).with_credential(Some(CANARY.to_owned()))
}

#[tokio::test]
async fn nothing_prints_it() {
    let layer = ChannelAuthLayer::new(|join: &Join<&'static str, Message>| {
        assert_eq!(join.credential(), Some(CANARY));
        join.channel() == "lobby"
    });
    let before = join("lobby");
    let admitted = ask(&layer, join("lobby")).await;
    let denied = ask(&layer, join("staff")).await;
    let denial = denied.denial().unwrap();
    let texts = [
        format!("{before:?} {before:#?}"),
        format!("{admitted:?} {denied:?} {layer:?}"),
        format!(
            "{denial} {denial:?} {:?} {}",
            denial.rejection(),
            denial.rejection()
        ),
    ];
    for text in &texts {
        assert!(!text.contains(CANARY), "{text}");
    }
    assert!(texts[0].contains("has_credential: true"), "{}", texts[0]);
    let JoinOutcome::Admitted(seen) = admitted else {
        panic!("denied");
    };
    assert!(!format!("{:?}", seen.into_parts()).contains(CANARY));
}
