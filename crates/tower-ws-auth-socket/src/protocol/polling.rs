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

    /// Whether a client reads packets in the answer to this request.
    pub(crate) fn is_poll(&self, head: &Parts) -> bool {
        head.method == Method::GET && self.mark.is_on(head)
    }

    /// The packets that answer this request in place of its refusal. `None` where the HTTP answer
    /// stays, because such a client backs off only then.
    pub(crate) fn answer(&self, head: &Parts, cause: Cause, values: &Values) -> Option<String> {
        let is_open = head
            .uri
            .query()
            .is_some_and(|query| query.split('&').any(|pair| pair.starts_with("sid=")));
        let parts = match (cause.next_step(), is_open) {
            (NextStep::ComeBack, _) => return None,
            (_, false) => &self.refused,
            (NextStep::Refresh, true) => &self.refresh,
            (NextStep::Stop, true) => &self.stop,
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
    fn only_a_get_of_the_polling_transport_is_a_poll() {
        let polling = Polling::new([]).unwrap();
        for (method, target, is_poll) in [
            ("GET", "/?EIO=4&transport=polling", true),
            ("POST", "/?EIO=4&transport=polling&sid=a", false),
            ("GET", "/?EIO=4&transport=websocket", false),
            ("GET", "/?EIO=4&transport=polling2", false),
            ("GET", "/", false),
        ] {
            assert_eq!(polling.is_poll(&head(method, target)), is_poll, "{target}");
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
