//! The one place that knows whether tracing and metrics are compiled in.

use crate::Rejection;
use http::request::Parts;

/// `entry` is the one that was meant.
pub(crate) fn refused(rejection: &Rejection, head: &Parts, entry: Option<&str>) {
    log(rejection, head, entry);
    #[cfg(feature = "metrics")]
    {
        use crate::telemetry::DECISIONS;
        let kind = rejection.reason();
        metrics::counter!(DECISIONS, "strategy" => "origin", "outcome" => "refused", "kind" => kind)
            .increment(1);
    }
}

#[cfg(feature = "tracing")]
fn log(rejection: &Rejection, head: &Parts, entry: Option<&str>) {
    tracing::info!(
        target: "tower_ws_auth",
        strategy = "origin",
        outcome = "refused",
        kind = rejection.reason(),
        status = rejection.status().as_u16(),
        detail = rejection.detail(),
        origin = origin(head).map(tracing::field::display),
        entry,
        "handshake refused"
    );
}

/// The client's text: escaped, and not longer than a host name can be.
#[cfg(feature = "tracing")]
fn origin(head: &Parts) -> Option<std::slice::EscapeAscii<'_>> {
    const LONGEST: usize = 256;
    let origin = head.headers.get(http::header::ORIGIN)?.as_bytes();
    Some(origin[..origin.len().min(LONGEST)].escape_ascii())
}

#[cfg(not(feature = "tracing"))]
fn log(_: &Rejection, _: &Parts, _: Option<&str>) {}

#[cfg(test)]
#[cfg(feature = "tracing")]
mod the_event_of_a_refusal {
    use crate::RejectionKind;
    use http::Request;
    use test_support::Log;

    use super::*;

    fn logged(origin: Option<&[u8]>) -> String {
        let mut request = Request::get("/ws?token=canary").header("cookie", "canary");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let head = request.body(()).unwrap().into_parts().0;
        let rejection = Rejection::new(RejectionKind::OriginDenied, "not on the list");
        let ((), log) = Log::during(|| refused(&rejection, &head, None));
        log
    }

    #[test]
    fn names_the_refused_request_and_no_secret() {
        let line = logged(Some(b"https://evil.net"));
        for part in [
            " INFO tower_ws_auth: handshake refused",
            "strategy=\"origin\"",
            "outcome=\"refused\"",
            "kind=\"origin_denied\"",
            "status=403",
            "detail=\"not on the list\"",
            "origin=https://evil.net",
        ] {
            assert!(line.contains(part), "{line}");
        }
        assert!(!line.contains("canary"), "{line}");
    }

    #[test]
    fn has_no_origin_if_the_request_has_none() {
        assert!(!logged(None).contains("origin="));
    }

    #[test]
    fn escapes_and_shortens_untrusted_text() {
        let line = logged(Some(b"\"\t\xff\\x"));
        assert!(line.contains(r#"origin=\"\t\xff\\x"#), "{line}");
        let line = logged(Some(&[b'a'; 300]));
        assert!(line.contains(&"a".repeat(256)) && !line.contains(&"a".repeat(257)));
    }
}
