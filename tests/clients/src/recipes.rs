//! Protocols of clients that are not built in, on the public builder, ready to copy.

use std::time::Duration;

use tower_ws_auth::ClientProtocol;
use tower_ws_auth::protocol::{
    Cause, ClientProtocolError, Mark, Message, NextStep, Pattern, Refusal, Script,
};

const FIRST_MESSAGE: Duration = Duration::from_secs(3);

/// Socket.IO 2 over its transport `websocket`, for clients that use the default namespace and
/// these: `error` with `message` and `data.reason`, then `disconnect`. It stops. An open connection
/// gets the event `auth_ended` with the reason, then `disconnect`.
///
/// # Errors
///
/// A namespace is longer than a message may be.
pub fn socket_io_2(namespaces: &[&str]) -> Result<ClientProtocol, ClientProtocolError> {
    const OPEN: &str = r#"0{"sid":"-","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
    // One error reaches all namespaces. Only a namespace that is disconnected does not come back.
    const ERROR: &str = r#"44{"message":"${reason}","data":{"reason":"${reason}"}}"#;
    const ENDED: &str = r#"42["auth_ended",{"reason":"${reason}"}]"#;
    let disconnects: Vec<_> = std::iter::once("41".to_owned())
        .chain(namespaces.iter().map(|namespace| format!("41{namespace},")))
        .map(Message::text)
        .collect();
    let mut script = Script::new()
        .send(Message::text(OPEN))
        .send(Message::text(ERROR));
    for disconnect in &disconnects {
        script = script.send(disconnect.clone());
    }
    ClientProtocol::builder("socket_io_2")
        .marked_by(Mark::query("EIO", "3"))
        // After a close code it comes back, after an HTTP answer with a growing back-off.
        .refusals(move |cause| match cause.next_step() {
            NextStep::ComeBack => Refusal::Http,
            _ => script.clone().into(),
        })
        .endings(move |cause| match cause.next_step() {
            NextStep::ComeBack => Vec::new(),
            _ => [&[Message::text(ENDED)], &disconnects[..]].concat(),
        })
        .build()
}

/// STOMP (@stomp/stompjs): `onStompError` with the reason in `message`, then the plain code in
/// `onWebSocketClose`. It comes back every 5 s: `client.deactivate()` stops it.
///
/// # Errors
///
/// None: it is within the limits.
pub fn stomp() -> Result<ClientProtocol, ClientProtocolError> {
    let error =
        || Message::text("ERROR\nmessage:${reason}\ncontent-type:text/plain\n\n${reason}\0");
    ClientProtocol::builder("stomp")
        .marked_by(Mark::subprotocol("v12.stomp"))
        .marked_by(Mark::subprotocol("v11.stomp"))
        .marked_by(Mark::subprotocol("v10.stomp"))
        .subprotocols(["v12.stomp", "v11.stomp", "v10.stomp"])
        // It is read before the client has sent its CONNECT as well.
        .refusals(move |_| Script::new().send(error()).into())
        .endings(move |_| vec![error()])
        .build()
}

/// MQTT 3.1.1 (MQTT.js): `error` with the return code of a CONNACK. It stops. No text fits into it.
/// An open connection is closed, and refused when it comes back.
///
/// # Errors
///
/// None: it is within the limits.
pub fn mqtt() -> Result<ClientProtocol, ClientProtocolError> {
    ClientProtocol::builder("mqtt")
        .marked_by(Mark::subprotocol("mqtt"))
        .subprotocols(["mqtt"])
        .refusals(|cause| {
            let code = match (cause, cause.next_step()) {
                (_, NextStep::ComeBack) => 3,
                (Cause::Unauthenticated | Cause::Malformed, _) => 4,
                _ => 5,
            };
            let connack = Message::binary([0x20, 0x02, 0x00, code]);
            Script::new().send(connack).into()
        })
        .build()
}

/// MQTT 5 (MQTT.js): the same with a reason code and a Reason String, which `packetreceive` shows.
/// An open connection gets a DISCONNECT with both.
///
/// # Errors
///
/// None: it is within the limits.
pub fn mqtt5() -> Result<ClientProtocol, ClientProtocolError> {
    let words = |cause: Cause| match (cause, cause.next_step()) {
        (Cause::Stale | Cause::TokenExpired, _) => (0x87, "token_expired"),
        (Cause::Unauthenticated, _) => (0x86, "unauthenticated"),
        (Cause::RateLimited, _) => (0x9f, "rate_limited"),
        (Cause::GoingAway, _) => (0x8b, "going_away"),
        (_, NextStep::ComeBack) => (0x88, "unavailable"),
        _ => (0x87, "forbidden"),
    };
    let connack = move |cause| {
        let (code, reason) = words(cause);
        let properties = reason_string(reason);
        packet(0x20, &[&[0x00, code], &properties[..]].concat())
    };
    let disconnect = move |cause| {
        let (code, reason) = words(cause);
        let properties = reason_string(reason);
        packet(0xe0, &[&[code], &properties[..]].concat())
    };
    ClientProtocol::builder("mqtt5")
        .marked_by(Mark::subprotocol("mqtt"))
        .subprotocols(["mqtt"])
        .refusals(move |cause| Script::new().send(Message::binary(connack(cause))).into())
        .endings(move |cause| vec![Message::binary(disconnect(cause))])
        .build()
}

/// The property 31 of MQTT 5, and the length of all properties before it. Texts are short.
fn reason_string(reason: &str) -> Vec<u8> {
    let length = u8::try_from(reason.len()).unwrap_or_default();
    let mut properties = vec![length + 3, 0x1f, 0x00, length];
    properties.extend(reason.bytes());
    properties
}

fn packet(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or_default();
    [&[kind, length], content].concat()
}

/// NATS (@nats-io/nats-core): its errors `AuthorizationError` and `UserAuthenticationExpiredError`,
/// the only ones that it knows, with the reason in their message.
///
/// # Errors
///
/// None: it is within the limits.
pub fn nats() -> Result<ClientProtocol, ClientProtocolError> {
    const INFO: &str = "INFO {\"server_id\":\"N\",\"server_name\":\"n\",\"version\":\"2.10.0\",\
                        \"proto\":1,\"go\":\"go\",\"host\":\"127.0.0.1\",\"port\":4222,\
                        \"headers\":true,\"max_payload\":1048576,\"auth_required\":true}\r\n";
    let error = |cause: Cause| {
        Message::text_in_binary(match cause.next_step() {
            NextStep::Refresh => "-ERR 'User Authentication Expired: ${reason}'\r\n",
            _ => "-ERR 'Authorization Violation: ${reason}'\r\n",
        })
    };
    ClientProtocol::builder("nats")
        .refusals(move |cause| match cause.next_step() {
            NextStep::ComeBack => Refusal::Http,
            _ => Script::new()
                .send(Message::text_in_binary(INFO))
                .wait_for(Pattern::contains("CONNECT "), FIRST_MESSAGE)
                .send(error(cause))
                .into(),
        })
        .endings(move |cause| match cause.next_step() {
            NextStep::ComeBack => Vec::new(),
            _ => vec![error(cause)],
        })
        .build()
}
