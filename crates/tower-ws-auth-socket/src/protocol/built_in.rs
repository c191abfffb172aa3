//! The protocols of libraries that people use. Each answer was measured on the library itself.

use std::time::Duration;

use crate::protocol::cause::NextStep::{ComeBack, Refresh, Stop};
use crate::protocol::polling::{DISCONNECT, ENDED, OPEN};
use crate::protocol::{
    Cause, ClientProtocol, ClientProtocolBuilder, Mark, Message, Pattern, Polling, Refusal, Script,
    codes,
};

/// How long a client has for the message that is answered.
const FIRST_MESSAGE: Duration = Duration::from_secs(3);
/// How long a held client of Phoenix is answered, unless said otherwise.
const HOLD: Duration = Duration::from_secs(60);

impl ClientProtocol {
    /// The close codes that are [registered at IANA]: 3000 "Unauthorized", 3003 "Forbidden", 3008
    /// "Timeout".
    ///
    /// 1011 "Internal Error" stands for "come back later", for 429 as for 503: the registered 1013
    /// "Try Again Later" does not reach pages in WebKit, which report it as 1006.
    ///
    /// [registered at IANA]: https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number
    pub fn iana() -> Self {
        built(Self::builder("iana").close_codes(|cause| Some(codes::iana(cause))))
    }

    /// For socket.io-client 4 and python-socketio, over both of its transports. Mark: `EIO=4`.
    ///
    /// A close frame before Engine.IO's open packet shows such a client nothing for 20 s. It is
    /// opened, and each namespace that it asks for is refused: `connect_error` with `message` and
    /// `data.reason`. Its back-off grows only after an HTTP answer, so a client that should come
    /// back later gets that. An open connection gets the event `auth_ended` with the reason in the
    /// default namespace. To stop it is disconnected there as well.
    ///
    /// A refused poll is answered 200 with the same packets: the open packet and `connect_error`,
    /// or `auth_ended` if its session was open. There a client that uses the default namespace is
    /// told. If yours use others alone, take
    /// [`socket_io_namespaces`](Self::socket_io_namespaces). The strategy must be one for
    /// [any request](tower_ws_auth_core::AuthLayer::any_request).
    pub fn socket_io() -> Self {
        Self::socket_io_namespaces([])
    }

    /// The same for clients that use these namespaces, such as `/admin`, and not the default one.
    pub fn socket_io_namespaces<'a>(namespaces: impl IntoIterator<Item = &'a str>) -> Self {
        const ERROR: &str = r#"44${ns}{"message":"${reason}","data":{"reason":"${reason}"}}"#;
        let connect = Pattern::starts_with("40").optional("ns", '/', ',');
        let script = Script::new()
            .send(Message::text(OPEN))
            .answer_each([(connect, Message::text(ERROR))], FIRST_MESSAGE);
        let ended = Message::text(ENDED);
        built(
            Self::builder("socket_io")
                .marked_by(Mark::query("EIO", "4"))
                .close_codes(codes::socket_io)
                .refusals(|cause| match cause.next_step() {
                    ComeBack => Refusal::Http,
                    _ => script.clone().into(),
                })
                .endings(|cause| match cause.next_step() {
                    ComeBack => Vec::new(),
                    Refresh => vec![ended.clone()],
                    Stop => vec![ended.clone(), Message::text(DISCONNECT)],
                })
                .polling(Polling::new(namespaces).ok()),
        )
    }

    /// For phoenix.js up to 1.8.15. Mark: `vsn=2.0.0`.
    ///
    /// Close code 1000 is the only one after which it does not come back. `socket.onClose` has the
    /// reason, and a client whose token has expired connects again by itself. After an HTTP answer
    /// its back-off grows, so a client that should come back later gets that.
    pub fn phoenix() -> Self {
        built(
            Self::phoenix_codes("phoenix").refusals(|cause| match cause.next_step() {
                ComeBack => Refusal::Http,
                _ => Script::new().into(),
            }),
        )
    }

    /// For phoenix.js from 1.8.16 on, which comes back after every close code.
    ///
    /// A refused client stays connected for a minute, and each channel that it joins is refused:
    /// `channel.join().receive("error", …)` has the reason. The layer counts it among its closing
    /// handshakes; when those run short, the client that was held the longest is closed.
    pub fn phoenix_held() -> Self {
        Self::phoenix_held_for(HOLD)
    }

    /// The same for so long, at most [`Script::MAX_TIME`].
    pub fn phoenix_held_for(time: Duration) -> Self {
        const REFUSED: &str = r#"["${join}","${ref}","${topic}","phx_reply",{"status":"error","response":{"reason":"${reason}"}}]"#;
        const ALIVE: &str =
            r#"[null,"${ref}","phoenix","phx_reply",{"status":"ok","response":{}}]"#;
        let join = Pattern::starts_with("[\"").json_string("join");
        let join = join.then("\",\"").json_string("ref");
        let join = join.then("\",\"").json_string("topic");
        let join = join.then("\",\"phx_join\"");
        let heartbeat = Pattern::starts_with("[null,\"").json_string("ref");
        let heartbeat = heartbeat.then("\",\"phoenix\",\"heartbeat\"");
        let answers = [
            (join, Message::text(REFUSED)),
            (heartbeat, Message::text(ALIVE)),
        ];
        let script = Script::new().answer_each(answers, time.min(Script::MAX_TIME));
        built(
            Self::builder("phoenix_held")
                .marked_by(Mark::query("vsn", "2.0.0"))
                .subprotocols(["phoenix"])
                .refusals(|cause| match cause.next_step() {
                    ComeBack => Refusal::Http,
                    _ => script.clone().into(),
                }),
        )
    }

    fn phoenix_codes(name: &'static str) -> ClientProtocolBuilder {
        Self::builder(name)
            .marked_by(Mark::query("vsn", "2.0.0"))
            .subprotocols(["phoenix"])
            .close_codes(|cause| match cause.next_step() {
                ComeBack => None,
                _ => Some(1000),
            })
    }

    /// For graphql-ws 6, and Apollo Client over it. Mark: the subprotocol `graphql-transport-ws`.
    ///
    /// It never comes back after 4401 and 4429, at once after 1000, and with back-off after the
    /// rest. Its own recipe refreshes after 4403. `on.closed` has code and reason.
    pub fn graphql_ws() -> Self {
        built(
            Self::builder("graphql_ws")
                .marked_by(Mark::subprotocol("graphql-transport-ws"))
                .subprotocols(["graphql-transport-ws"])
                .close_codes(|cause| Some(codes::graphql_ws(cause))),
        )
    }

    /// For subscriptions-transport-ws, Apollo's former client. Mark: the subprotocol `graphql-ws`.
    ///
    /// Close codes reach nobody there. `connectionCallback` has the reason; with `reconnect: true`
    /// the application calls `client.close()` to stop.
    pub fn subscriptions_transport_ws() -> Self {
        let error =
            Message::text(r#"{"type":"connection_error","payload":{"message":"${reason}"}}"#);
        built(
            Self::builder("subscriptions_transport_ws")
                .marked_by(Mark::subprotocol("graphql-ws"))
                .subprotocols(["graphql-ws"])
                .refusals(|_| Script::new().send(error.clone()).into())
                .endings(|_| vec![error.clone()]),
        )
    }

    /// For @rails/actioncable, @anycable/web and @anycable/core. Mark: the subprotocol
    /// `actioncable-v1-json`.
    ///
    /// `reconnect: false` stops them. Rails shows the reason to its logger; `AnyCable` in the event
    /// `close`, and it runs its `tokenRefresher` on `token_expired`.
    pub fn action_cable() -> Self {
        fn disconnect(cause: Cause) -> Message {
            Message::text(match (cause, cause.next_step()) {
                (Cause::GoingAway, _) => {
                    r#"{"type":"disconnect","reason":"server_restart","reconnect":true}"#
                }
                (_, ComeBack) => r#"{"type":"disconnect","reason":"${reason}","reconnect":true}"#,
                _ => r#"{"type":"disconnect","reason":"${reason}","reconnect":false}"#,
            })
        }
        built(
            Self::builder("action_cable")
                .marked_by(Mark::subprotocol("actioncable-v1-json"))
                .subprotocols(["actioncable-v1-json"])
                .close_codes(|cause| match cause.next_step() {
                    ComeBack => None,
                    _ => Some(1000),
                })
                .refusals(|cause| Script::new().send(disconnect(cause)).into())
                .endings(|cause| vec![disconnect(cause)]),
        )
    }

    /// For @microsoft/signalr with JSON. It has no mark.
    ///
    /// A refused `start()` rejects with the reason and does not retry. An open connection is told
    /// by a close message whether `withAutomaticReconnect` applies: after an expired token and
    /// before a shutdown it does.
    pub fn signalr() -> Self {
        // In Node an answer to nothing comes before the client has finished connecting: it throws.
        let request = Pattern::contains("\"protocol\":");
        let refused = Script::new()
            .wait_for(request, FIRST_MESSAGE)
            .send(Message::text("{\"error\":\"${reason}\"}\u{1e}"));
        built(
            Self::builder("signalr")
                .close_codes(|cause| Cause::ENDINGS.contains(&cause).then_some(1000))
                .refusals(|_| refused.clone().into())
                .endings(|cause| {
                    vec![Message::text(match cause.next_step() {
                        Stop => {
                            "{\"type\":7,\"error\":\"${reason}\",\"allowReconnect\":false}\u{1e}"
                        }
                        _ => "{\"type\":7,\"error\":\"${reason}\",\"allowReconnect\":true}\u{1e}",
                    })]
                }),
        )
    }

    /// For centrifuge-js and the other clients of Centrifugo, from 5.6 on. They have no mark.
    ///
    /// They stop at 3500-3999 and 4500-4999, and come back with back-off from everything else. A
    /// client with an expired token gets the error 109 to its connect command, then code 3014:
    /// after both it asks `getToken`. Such a client reads the code only beside a reason, so an
    /// application's own reason needs one.
    pub fn centrifugo() -> Self {
        let command = Pattern::contains("\"id\":").digits("id");
        let expired = Script::new()
            .wait_for(command, FIRST_MESSAGE)
            .send(Message::text(
                r#"{"id":${id},"error":{"code":109,"message":"${reason}"}}"#,
            ));
        built(
            Self::builder("centrifugo")
                .close_codes(|cause| Some(codes::centrifugo(cause)))
                .refusals(|cause| match cause.next_step() {
                    Refresh => expired.clone().into(),
                    _ => Script::new().into(),
                }),
        )
    }

    /// For pusher-js and Laravel Echo, and clients of servers that speak [Pusher's protocol].
    /// Mark: `protocol=7`.
    ///
    /// They stop at 4000-4099. `connection.bind("error", …)` has code and reason. They come back
    /// once a second from 4100-4199 and at once from 4200-4299, and neither grows. So a client that
    /// should come back later gets the HTTP answer, after which it waits for 15 s.
    ///
    /// [Pusher's protocol]: https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/
    pub fn pusher() -> Self {
        built(
            Self::builder("pusher")
                .marked_by(Mark::query("protocol", "7"))
                .close_codes(|cause| Some(codes::pusher(cause)))
                .refusals(|cause| match cause.next_step() {
                    ComeBack => Refusal::Http,
                    _ => Script::new().into(),
                }),
        )
    }

    /// Each built-in protocol whose clients have a mark, and [`plain`](Self::plain) for the rest.
    ///
    /// phoenix.js from 1.8.16 on has the mark of its predecessors:
    /// [`phoenix_held`](Self::phoenix_held) is configured.
    pub fn detect() -> Self {
        Self::any_of([
            Self::socket_io(),
            Self::phoenix(),
            Self::pusher(),
            Self::graphql_ws(),
            Self::subscriptions_transport_ws(),
            Self::action_cable(),
        ])
    }
}

/// None of ours is invalid; a test holds that.
fn built(builder: ClientProtocolBuilder) -> ClientProtocol {
    builder.build().unwrap_or_default()
}

#[cfg(test)]
mod tests;
