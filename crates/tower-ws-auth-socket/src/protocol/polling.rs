//! How a client of Socket.IO is told over its HTTP transport.

use http::Method;
use http::request::Parts;

use crate::protocol::cause::NextStep;
use crate::protocol::message::{Part, Values, escape, fill, places};
use crate::protocol::{Cause, ClientProtocolError, Mark};

/// Between two packets of one answer.
const SEPARATOR: char = '\u{1e}';
/// Engine.IO's open packet of a session that nobody continues.
pub(super) const OPEN: &str = r#"0{"sid":"${random}","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
/// Socket.IO's event of an ended connection, in the default namespace.
pub(super) const ENDED: &str = r#"42["auth_ended",{"reason":"${reason}"}]"#;
/// Socket.IO's disconnect packet, after which a client does not come back by itself.
pub(super) const DISCONNECT: &str = "41";
/// Engine.IO's close packet.
const CLOSE: &str = "1";
/// Engine.IO's answer to packets of the client.
const TAKEN: &str = "ok";

/// The answers to polling requests, which no frame is around.
#[derive(Clone, Debug)]
pub(crate) struct Polling {
    mark: Mark,
    /// To a request that opens a session.
    refused: Vec<Part>,
    /// To a poll of an open session: come back, or stop.
    refresh: Vec<Part>,
    stop: Vec<Part>,
}

impl Polling {
    /// For a client of the default namespace, and of these.
    pub(crate) fn new<'a>(
        namespaces: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ClientProtocolError> {
        let mut refused = OPEN.to_owned();
        for namespace in std::iter::once("").chain(namespaces) {
            refused.push(SEPARATOR);
            refused.push_str("44");
            if !namespace.is_empty() {
                escape(namespace, &mut refused);
                refused.push(',');
            }
            refused.push_str(r#"{"message":"${reason}","data":{"reason":"${reason}"}}"#);
        }
        let packets = |packets: &[&str]| places(&packets.join("\u{1e}"), &[]);
        Ok(Self {
            mark: Mark::query("transport", "polling"),
            refused: places(&refused, &[])?,
            refresh: packets(&[ENDED, CLOSE])?,
            // The client closes by itself. With a close packet behind it, it would come back.
            stop: packets(&[ENDED, DISCONNECT])?,
        })
    }

    /// Whether the client speaks over this transport.
    pub(crate) fn carries(&self, head: &Parts) -> bool {
        self.mark.is_on(head)
    }

    /// The answer to this request in place of its refusal. `None` where the HTTP answer stays,
    /// because such a client backs off only then.
    pub(crate) fn answer(&self, head: &Parts, cause: Cause, values: &Values) -> Option<String> {
        let is_open = head
            .uri
            .query()
            .is_some_and(|query| query.split('&').any(|pair| pair.starts_with("sid=")));
        let parts = match (&head.method, cause.next_step(), is_open) {
            (_, NextStep::ComeBack, _) => return None,
            (&Method::GET, _, false) => &self.refused,
            (&Method::GET, NextStep::Refresh, true) => &self.refresh,
            (&Method::GET, NextStep::Stop, true) => &self.stop,
            // Any other answer is a fault of the transport to it, and it would not read the reason
            // in its poll.
            (&Method::POST, _, true) => return Some(TAKEN.to_owned()),
            _ => return None,
        };
        Some(fill(parts, values))
    }

    /// The packets that end a poll under way.
    #[cfg(feature = "polling")]
    pub(crate) fn ending(cause: Cause, reason: &str) -> String {
        let mut escaped = String::new();
        escape(reason, &mut escaped);
        let ended = ENDED.replace("${reason}", &escaped);
        let packets: &[&str] = match cause.next_step() {
            NextStep::ComeBack => &[CLOSE],
            NextStep::Refresh => &[&ended, CLOSE],
            NextStep::Stop => &[&ended, DISCONNECT],
        };
        packets.join("\u{1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, target: &str) -> Parts {
        let request = http::Request::builder().method(method).uri(target);
        request.body(()).unwrap().into_parts().0
    }

    fn answer(polling: &Polling, target: &str, cause: Cause) -> Option<String> {
        let values = Values {
            reason: "why".to_owned(),
            ..Values::default()
        };
        polling.answer(&head("GET", target), cause, &values)
    }

    #[test]
    fn the_transport_is_named_in_the_query() {
        let polling = Polling::new([]).unwrap();
        for (target, is_polling) in [
            ("/?EIO=4&transport=polling", true),
            ("/?EIO=4&transport=websocket", false),
            ("/?EIO=4&transport=polling2", false),
            ("/", false),
        ] {
            assert_eq!(
                polling.carries(&head("GET", target)),
                is_polling,
                "{target}"
            );
        }
    }

    #[test]
    fn packets_to_an_open_session_are_answered_so_that_the_poll_can_tell_why() {
        let polling = Polling::new([]).unwrap();
        let (open, new) = ("/?transport=polling&sid=a", "/?transport=polling");
        for (method, target, cause, expected) in [
            ("POST", open, Cause::Revoked, Some("ok")),
            ("POST", open, Cause::Stale, Some("ok")),
            ("POST", open, Cause::Unavailable, None),
            ("POST", new, Cause::Revoked, None),
            ("PUT", open, Cause::Revoked, None),
            ("OPTIONS", open, Cause::Revoked, None),
        ] {
            let answer = polling.answer(&head(method, target), cause, &Values::default());
            assert_eq!(answer.as_deref(), expected, "{method} {target} {cause:?}");
        }
    }

    #[test]
    fn a_request_that_opens_is_opened_and_refused_in_each_namespace() {
        let polling = Polling::new(["/admin"]).unwrap();
        let text = answer(&polling, "/?transport=polling", Cause::Forbidden).unwrap();
        let packets: Vec<_> = text.split(SEPARATOR).collect();
        assert!(packets[0].starts_with("0{\"sid\":\""), "{text}");
        assert_eq!(
            packets[1..],
            [
                r#"44{"message":"why","data":{"reason":"why"}}"#,
                r#"44/admin,{"message":"why","data":{"reason":"why"}}"#,
            ]
        );
    }

    #[test]
    fn an_open_session_ends_and_is_not_opened_again() {
        let polling = Polling::new([]).unwrap();
        let target = "/?transport=polling&sid=a";
        let ended = "42[\"auth_ended\",{\"reason\":\"why\"}]";
        for (cause, expected) in [
            (Cause::Stale, Some(format!("{ended}\u{1e}1"))),
            (Cause::Forbidden, Some(format!("{ended}\u{1e}41"))),
            (Cause::Unavailable, None),
        ] {
            assert_eq!(answer(&polling, target, cause), expected, "{cause:?}");
        }
    }

    #[test]
    fn a_client_that_should_come_back_gets_the_http_answer() {
        let polling = Polling::new([]).unwrap();
        let target = "/?transport=polling";
        assert_eq!(answer(&polling, target, Cause::RateLimited), None);
    }

    #[cfg(feature = "polling")]
    #[test]
    fn a_poll_under_way_ends_as_its_reason_asks_and_that_is_escaped() {
        for (cause, expected) in [
            (Cause::GoingAway, "1".to_owned()),
            (
                Cause::TokenExpired,
                "42[\"auth_ended\",{\"reason\":\"a\\\"b\"}]\u{1e}1".to_owned(),
            ),
            (
                Cause::Revoked,
                "42[\"auth_ended\",{\"reason\":\"a\\\"b\"}]\u{1e}41".to_owned(),
            ),
        ] {
            assert_eq!(Polling::ending(cause, "a\"b"), expected);
        }
    }
}
