//! A secret goes through the whole stack by every carrier, accepted and refused, and is found
//! nowhere: not in the log at TRACE, not in a panic, not in a response.
//!
//! The server is another process, so that its log lacks the clients' own messages.

use canary_tests::Secrets;

use crate::needles::Needles;
use crate::server::Server;

const PAGE: (&str, &str) = ("origin", "https://app.example");
const EVIL: (&str, &str) = ("origin", "https://evil.example");

/// A request: path and query, and headers.
pub(crate) type Visit = (String, Vec<(&'static str, String)>);

/// Every way in, with every credential, good and bad, from a page, from another page, from none.
fn visits(secrets: &Secrets) -> Vec<Visit> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let mut visits = Vec::new();
    let mut visit = |uri: String, headers: &[(&'static str, String)]| {
        for origin in [None, Some(PAGE), Some(EVIL)] {
            let origin = origin.map(|(name, value)| (name, value.to_owned()));
            visits.push((uri.clone(), headers.iter().cloned().chain(origin).collect()));
        }
    };
    for jwt in [&secrets.good, &secrets.expired, &secrets.forged] {
        let encoded = URL_SAFE_NO_PAD.encode(jwt);
        let escaped = jwt.replace('.', "%2E");
        for path in ["/ws/jwt", "/nested/any"] {
            for query in [
                format!("token={jwt}"),
                format!("room=1&token={escaped}&x"),
                format!("t%6Fken={jwt}"),
                format!("Authorization=Bearer%20{jwt}"),
                format!("token={jwt}&token={jwt}"),
                format!("token[]={jwt}"),
                format!("a=1;token={jwt}"),
                format!("token={jwt}%00"),
            ] {
                visit(format!("{path}?{query}"), &[]);
            }
            visit(path.into(), &[("authorization", format!("Bearer {jwt}"))]);
            visit(
                path.into(),
                &[("authorization", format!("Bearer {jwt}, x"))],
            );
            let object = URL_SAFE_NO_PAD.encode(format!(r#"{{"Authorization":"{jwt}"}}"#));
            for carrying in [
                format!("base64url.bearer.phx.{encoded}"),
                format!("base64url.bearer.authorization.k8s.io.{encoded}"),
                format!("base64url.bearer.unknown.{encoded}"),
                format!("bearer, {jwt}"),
                format!("v1.token.websocket.jupyter.org.{jwt}"),
                format!("header-{object}"),
                format!("access_token.{jwt}"),
            ] {
                let offered = format!("chat, {carrying}");
                visit(path.into(), &[("sec-websocket-protocol", offered)]);
            }
            let cookies = [
                ("cookie", "theme=dark".to_owned()),
                ("cookie", format!("jwt={jwt}; a=b")),
            ];
            visit(path.into(), &cookies);
            visit(path.into(), &[("cookie", format!("jwt={jwt}; jwt={jwt}"))]);
            let panic = ("x-panic", String::new());
            visit(format!("{path}?token={jwt}"), &[panic]);
        }
    }
    let mut forged = secrets.session.clone();
    forged.truncate(forged.len() - 4);
    for cookie in [&secrets.session, &forged] {
        for path in ["/ws/session", "/nested/any"] {
            let cookie = format!("connect.sid={cookie}");
            visit(path.into(), &[("cookie", cookie.clone())]);
            let panic = ("x-panic", String::new());
            visit(path.into(), &[("cookie", cookie), panic]);
        }
    }
    // The second visit with each is a replay.
    for ticket in &secrets.tickets {
        for path in ["/ws/ticket", "/nested/any"] {
            visit(format!("{path}?ticket={ticket}"), &[]);
        }
    }
    visits
}

struct Told {
    log: String,
    /// Everything that the clients were answered.
    answers: String,
    needles: Needles,
    accepted: usize,
    refused: usize,
}

/// Every visit over HTTP/1.1 and over HTTP/2.
async fn told_by(setup: &str) -> Told {
    let server = Server::start(setup);
    let visits = visits(server.secrets());
    let mut answers = Vec::new();
    for (uri, headers) in &visits {
        answers.push(server.visit_http1(uri, headers).await);
    }
    answers.extend(server.visit_http2(&visits).await);
    let opened =
        |answer: &&String| answer.starts_with("HTTP/1.1 101") || answer.starts_with("HTTP/2.0 200");
    let accepted = answers.iter().filter(opened).count();
    let needles = Needles::of(server.secrets());
    let log = server.stop();
    Told {
        log,
        refused: answers.len() - accepted,
        answers: answers.join("\n"),
        needles,
        accepted,
    }
}

impl Told {
    /// The log must be long: an empty one would hide every secret.
    fn said_much(&self) {
        let lines = self.log.lines().count();
        println!(
            "{lines} lines, {} bytes, {} opened, {} refused",
            self.log.len(),
            self.accepted,
            self.refused
        );
        assert!(lines > 50_000, "{lines} lines");
        assert!(self.log.len() > 5_000_000, "{} bytes", self.log.len());
        assert!(self.accepted > 50, "{}", self.accepted);
        for voice in [
            "request{method=GET",
            "request{method=CONNECT",
            "tower_http::trace::on_request: started processing request",
            "the handler has head=",
            "axum has kept original=",
            "the handler reads",
            "panicked at",
            "h2::",
            "tungstenite",
        ] {
            assert!(self.log.contains(voice), "nobody said {voice:?}");
        }
    }

    fn decided(&self) {
        assert!(self.refused > 50, "{}", self.refused);
        for event in [
            "handshake accepted strategy=\"jwt\" outcome=\"accepted\"",
            "handshake accepted strategy=\"session\"",
            "handshake accepted strategy=\"ticket\"",
            "kind=\"token_expired\" status=401 carrier=\"query\"",
            "kind=\"token_invalid\" status=401 carrier=\"header\"",
            "kind=\"token_invalid\" status=401 carrier=\"subprotocol\"",
            "kind=\"token_expired\" status=401 carrier=\"cookie\"",
            "kind=\"credentials_malformed\" status=400 carrier=\"query\"",
            "strategy=\"ticket\" outcome=\"refused\" kind=\"ticket_invalid\"",
            "strategy=\"session\" outcome=\"refused\" kind=\"session_invalid\"",
            "strategy=\"origin\" outcome=\"refused\" kind=\"origin_denied\"",
            "rejection converted to a close frame",
            "closing handshake ended",
        ] {
            assert!(self.log.contains(event), "no event {event:?}");
        }
    }

    /// Every event of ours stands in the table that operators read, with every field of it.
    fn has_the_documented_events(&self) {
        let page = include_str!("../../../../crates/tower-ws-auth-core/src/telemetry.rs");
        let rows = || page.lines().filter_map(|line| line.strip_prefix("//! | `"));
        let mut events = 0;
        for line in self.log.lines() {
            let Some((_, event)) = line.split_once(" tower_ws_auth: ") else {
                continue;
            };
            events += 1;
            let row = rows().find(|row| {
                let name = row.split('`').next().unwrap();
                event.starts_with(name.trim_end_matches('…'))
            });
            let row = row.unwrap_or_else(|| panic!("not documented: {event}"));
            for (at, _) in event.match_indices('=') {
                let name = event[..at].rsplit(' ').next().unwrap();
                let is_field =
                    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                let documented = row.contains(&format!("`{name}`"));
                assert!(!is_field || documented, "{name} of: {event}");
            }
        }
        assert!(events > 100, "{events} events");
    }

    fn kept_silent(&self) {
        assert_eq!(self.needles.found_in(&self.log), Vec::<String>::new());
        assert_eq!(self.needles.found_in(&self.answers), Vec::<String>::new());
    }
}

#[tokio::test]
async fn with_the_redact_layer_outermost_nothing_is_found() {
    let told = told_by("redacted").await;
    told.said_much();
    told.decided();
    told.has_the_documented_events();
    told.kept_silent();
}

#[tokio::test]
async fn with_redacted_spans_nothing_is_found() {
    let told = told_by("spans").await;
    told.said_much();
    told.decided();
    told.kept_silent();
    assert!(told.log.contains("token=redacted"));
}

#[tokio::test]
async fn without_the_redact_layer_the_trace_layer_logs_it() {
    let told = told_by("unredacted").await;
    told.said_much();
    told.decided();
    told.needles.assert_all_found_in(&told.log);
    // Inside of the strategies it is gone all the same.
    let inside: String = (told.log.lines())
        .filter(|line| line.contains("the handler has") || line.contains("axum has kept"))
        .filter_map(|line| {
            line.split_once("the handler has")
                .or(line.split_once("axum has kept"))
        })
        .map(|(_, said)| said)
        .collect();
    assert!(!inside.is_empty());
    assert_eq!(told.needles.found_in(&inside), Vec::<String>::new());
}

#[tokio::test]
async fn an_unread_credential_ends_with_the_request() {
    let told = told_by("unguarded").await;
    told.said_much();
    told.kept_silent();
}

#[tokio::test]
async fn without_both_the_same_search_finds_every_secret() {
    let told = told_by("bare").await;
    told.said_much();
    told.needles.assert_all_found_in(&told.log);
}
