//! Namespaces of Socket.IO, joined by its packets.

use std::time::Duration;

use tower_ws_auth_channel::{
    ConnectPacket, Evidence, Join, NamespaceAnswer, NamespaceAuth, Patterns,
};
use tower_ws_auth_core::{Rejection, RejectionKind};

type Ask = Join<&'static str, Option<String>>;

async fn ask(
    namespaces: &NamespaceAuth<Patterns<&'static str, Option<String>>>,
    user: &'static str,
    packet: &str,
) -> NamespaceAnswer {
    let packet = ConnectPacket::read(packet).unwrap();
    namespaces.connect(user, &packet, "sid-1").await
}

fn namespaces() -> NamespaceAuth<Patterns<&'static str, Option<String>>> {
    let patterns = Patterns::builder()
        .allow("/")
        .rule("/admin", |join: &Ask| *join.identity() == "root")
        .rule("/busy", |_: &Ask| {
            let busy = Rejection::new(RejectionKind::RateLimited, "always");
            Err::<(), _>(busy.with_retry_after(Duration::from_secs(7)))
        })
        .rule("/by-token", |join: &Ask| {
            let token = join.credential().map(str::to_owned);
            match token {
                Some(token) => Ok(Evidence::new().with(token)),
                None => Err(Rejection::new(RejectionKind::CredentialsMissing, "none")),
            }
        })
        .build()
        .unwrap();
    NamespaceAuth::new(patterns).credential(|auth| {
        let auth: serde_json::Value = serde_json::from_str(auth).ok()?;
        Some(auth["token"].as_str()?.to_owned())
    })
}

#[tokio::test]
async fn a_namespace_is_for_those_whom_its_policy_admits() {
    for (user, packet, answer) in [
        ("eve", "40", r#"40{"sid":"sid-1"}"#),
        ("root", "40/admin,", r#"40/admin,{"sid":"sid-1"}"#),
        (
            "eve",
            "40/admin,",
            r#"44/admin,{"message":"forbidden","data":{"reason":"forbidden"}}"#,
        ),
    ] {
        let answered = ask(&namespaces(), user, packet).await;
        assert_eq!(answered.packet(), answer);
        assert_eq!(answered.outcome().is_ok(), answer.starts_with("40"));
    }
}

#[tokio::test]
async fn a_namespace_without_a_rule_is_refused() {
    for packet in [
        "40/other,",
        "40/admin?token=a,",
        "40/Admin,",
        "40//admin,",
        "40/admin/,",
    ] {
        let answer = ask(&namespaces(), "root", packet).await;
        let denial = answer.outcome().unwrap_err();
        assert_eq!(denial.kind(), RejectionKind::Forbidden, "{packet}");
    }
}

#[tokio::test]
async fn a_client_that_should_wait_reads_how_long() {
    let answer = ask(&namespaces(), "eve", "40/busy,").await;
    assert_eq!(
        answer.packet(),
        r#"44/busy,{"message":"rate_limited","data":{"reason":"rate_limited","retry_after":7}}"#
    );
}

#[tokio::test]
async fn the_credential_in_auth_reaches_the_policy() {
    let answer = ask(&namespaces(), "eve", r#"40/by-token,{"token":"t"}"#).await;
    let (packet, outcome) = answer.into_parts();
    assert_eq!(packet, r#"40/by-token,{"sid":"sid-1"}"#);
    assert_eq!(outcome.unwrap().get::<String>().unwrap(), "t");
    for packet in ["40/by-token,", "40/by-token,{}", "40/by-token,{not json}"] {
        let answer = ask(&namespaces(), "eve", packet).await;
        let denial = answer.outcome().unwrap_err();
        assert_eq!(denial.kind(), RejectionKind::CredentialsMissing, "{packet}");
    }
}
