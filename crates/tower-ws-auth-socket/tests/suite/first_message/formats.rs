//! The formats of client libraries, end to end.

use test_support::handshake;
use tower_ws_auth_socket::first_message::MessageFormat;

use super::lab::{Client, patient, route, serve};

/// A client of a server with this format, and the answer's head.
async fn open(format: MessageFormat, fields: &str) -> (Client, String) {
    let address = serve(route(patient(format)).0).await;
    let (stream, head) = handshake::ask(address, "/ws", fields).await;
    (Client(stream), head)
}

#[tokio::test]
async fn plain_text_is_the_credential() {
    for (message, echoed) in [
        ("ada", Some("ada")),
        ("Bearer ada", Some("ada")),
        ("expired", None),
    ] {
        let (mut client, _) = open(MessageFormat::plain(), "").await;
        client.say(message).await;
        match echoed {
            Some(name) => client.is(name).await,
            None => client.reads_close(4401, "token_expired").await,
        }
    }
}

#[tokio::test]
async fn graphql_ws_has_it_in_connection_init_which_the_handler_acknowledges() {
    let init = |name: &str| {
        format!(r#"{{"type":"connection_init","payload":{{"Authorization":"Bearer {name}"}}}}"#)
    };
    let offer = "Sec-WebSocket-Protocol: graphql-transport-ws\r\n";
    let format = || MessageFormat::graphql_ws("Authorization");
    let (mut client, head) = open(format(), offer).await;
    assert!(
        head.to_lowercase()
            .contains("sec-websocket-protocol: graphql-transport-ws"),
        "{head}"
    );
    client.say(r#"{"type":"ping"}"#).await;
    client.hears(r#"{"type":"pong"}"#).await;
    client.say(&init("ada")).await;
    client.hears(&format!("ada: {}", init("ada"))).await;
    // In the codes of the library: 4403 asks for another token.
    let (mut client, _) = open(format(), offer).await;
    client.say(&init("expired")).await;
    client.reads_close(4403, "token_expired").await;
    let (mut client, _) = open(format(), offer).await;
    client.say(r#"{"type":"connection_init"}"#).await;
    client.reads_close(4401, "credentials_missing").await;
    let (mut client, _) = open(format(), offer).await;
    client.say(r#"{"type":"subscribe","id":"1"}"#).await;
    client.reads_close(4400, "message_malformed").await;
}

#[tokio::test]
async fn pings_before_connection_init_are_bounded() {
    let (mut client, _) = open(MessageFormat::graphql_ws("token"), "").await;
    let ping = format!(r#"{{"type":"ping","payload":"{}"}}"#, "x".repeat(1000));
    for _ in 0..3 {
        client.say(&ping).await;
        client.hears(r#"{"type":"pong"}"#).await;
    }
    client.say(&ping).await;
    client.reads_close(1009, "message_malformed").await;
}

#[tokio::test]
async fn phoenix_has_it_in_the_parameters_of_the_first_join() {
    let join = |name: &str| format!(r#"["1","1","room:1","phx_join",{{"token":"{name}"}}]"#);
    let (mut client, _) = open(MessageFormat::phoenix("token"), "").await;
    client.say(&join("ada")).await;
    client.hears(&format!("ada: {}", join("ada"))).await;
    // The only code after which the library does not come back.
    let (mut client, _) = open(MessageFormat::phoenix("token"), "").await;
    client.say(&join("banned")).await;
    client.reads_close(1000, "forbidden").await;
}

#[tokio::test]
async fn a_refused_join_is_answered_where_the_protocol_answers_joins() {
    use tower_ws_auth_socket::protocol::ClientProtocol;
    let layer = patient(MessageFormat::phoenix("token")).client_protocol(
        ClientProtocol::phoenix_held_for(std::time::Duration::from_millis(100)),
    );
    let mut client = Client::open(serve(route(layer).0).await).await;
    client
        .say(r#"["3","4","room:1","phx_join",{"token":"banned"}]"#)
        .await;
    let refused =
        r#"["3","4","room:1","phx_reply",{"status":"error","response":{"reason":"forbidden"}}]"#;
    client.hears(refused).await;
    client.reads_close(4403, "forbidden").await;
}

#[tokio::test]
async fn centrifugo_has_it_in_the_connect_command() {
    let connect = |name: &str| format!(r#"{{"id":1,"connect":{{"token":"{name}","name":"js"}}}}"#);
    let (mut client, _) = open(MessageFormat::centrifugo(), "").await;
    client.say(&connect("ada")).await;
    client.hears(&format!("ada: {}", connect("ada"))).await;
    // The command that was read here is the one that is answered: 109 makes the library refresh.
    let (mut client, _) = open(MessageFormat::centrifugo(), "").await;
    client.say(&connect("expired")).await;
    client
        .hears(r#"{"id":1,"error":{"code":109,"message":"token_expired"}}"#)
        .await;
    client.reads_close(3014, "token_expired").await;
}

#[tokio::test]
async fn stomp_has_it_in_a_header_of_the_connect_frame() {
    let connect = |name: &str| format!("CONNECT\naccept-version:1.2\npasscode:{name}\n\n\0");
    let offer = "Sec-WebSocket-Protocol: v10.stomp, v12.stomp\r\n";
    let (mut client, head) = open(MessageFormat::stomp("passcode"), offer).await;
    assert!(
        head.to_lowercase()
            .contains("sec-websocket-protocol: v12.stomp"),
        "{head}"
    );
    client.say(&connect("ada")).await;
    client.hears(&format!("ada: {}", connect("ada"))).await;
    let (mut client, _) = open(MessageFormat::stomp("passcode"), "").await;
    client.say(&connect("unknown")).await;
    client.reads_close(4401, "token_invalid").await;
}

#[tokio::test]
async fn home_assistant_is_asked_and_told_before_the_handler_speaks() {
    let auth = |name: &str| format!(r#"{{"type":"auth","access_token":"{name}"}}"#);
    let required = r#"{"type":"auth_required","ha_version":"2026.1"}"#;
    let format = || MessageFormat::home_assistant("2026.1");
    let (mut client, _) = open(format(), "").await;
    client.hears(required).await;
    client.say(&auth("ada")).await;
    client
        .hears(r#"{"type":"auth_ok","ha_version":"2026.1"}"#)
        .await;
    client.is("ada").await;
    let (mut client, _) = open(format(), "").await;
    client.hears(required).await;
    client.say(&auth("unknown")).await;
    client
        .hears(r#"{"type":"auth_invalid","message":"token_invalid"}"#)
        .await;
    client.reads_close(4401, "token_invalid").await;
    // Its client never comes back from that, so an outage has only its code.
    let (mut client, _) = open(format(), "").await;
    client.hears(required).await;
    client.say(&auth("down")).await;
    client.reads_close(4503, "unavailable").await;
}

#[tokio::test]
async fn a_closure_reads_what_no_format_does() {
    let format = || {
        MessageFormat::from_fn(|message| message.strip_prefix("LOGIN ").map(str::to_owned))
            .prompt("HELLO")
            .accepted("WELCOME")
    };
    let (mut client, _) = open(format(), "").await;
    client.hears("HELLO").await;
    client.say("LOGIN ada").await;
    client.hears("WELCOME").await;
    client.is("ada").await;
    let (mut client, _) = open(format(), "").await;
    client.hears("HELLO").await;
    client.say("ada").await;
    client.reads_close(4400, "message_malformed").await;
}
