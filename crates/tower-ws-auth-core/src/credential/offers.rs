//! Formats of `Sec-WebSocket-Protocol` that are not `base64url.bearer.…`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::request::Parts;

use super::subprotocol::SubprotocolFormat;
use super::{Credential, malformed, replace_subprotocols};
use crate::Rejection;

/// What jupyter-server's clients put before their token, without the last dot.
pub(super) const JUPYTER: &str = "v1.token.websocket.jupyter.org";

/// Takes the entry that one of the formats describes; the others stay.
pub(super) fn take(
    head: &mut Parts,
    formats: &[SubprotocolFormat],
) -> Result<Option<Credential>, Rejection> {
    let offers: Vec<_> = offers(&head.headers).collect();
    let found: Vec<_> = find(&offers, formats).collect();
    if found.is_empty() {
        return Ok(None);
    }
    let taken = |at: usize| found.iter().any(|(taken, _)| *taken == at);
    let kept = offers.iter().enumerate().filter(|(at, _)| !taken(*at));
    let kept: Vec<_> = kept.map(|(_, offer)| *offer).collect();
    let (rest, alone) = (kept.join(", "), kept.is_empty());
    let mut texts = found.into_iter().map(|(_, text)| text);
    let (first, several) = (texts.next().and_then(Result::ok), texts.next().is_some());
    replace_subprotocols(&mut head.headers, &rest);
    if several {
        return Err(malformed("two credentials among the subprotocols"));
    }
    if alone {
        return Err(malformed(
            "no subprotocol beside the one that carries the credential",
        ));
    }
    let text = first.ok_or_else(|| malformed("the credential in the subprotocol is unreadable"))?;
    Credential::in_subprotocol(text).map(Some)
}

/// Whether one of the formats describes an entry.
pub(super) fn may_hold(headers: &HeaderMap, formats: &[SubprotocolFormat]) -> bool {
    let offers: Vec<_> = offers(headers).collect();
    find(&offers, formats).next().is_some()
}

/// The entries that one of the formats describes, with their credentials.
fn find<'a>(
    offers: &'a [&'a str],
    formats: &'a [SubprotocolFormat],
) -> impl Iterator<Item = (usize, Result<String, Unreadable>)> + 'a {
    (0..offers.len()).filter_map(move |at| {
        let text = formats.iter().find_map(|format| read(*format, offers, at));
        Some((at, text?))
    })
}

fn offers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let entries = lines.flat_map(|line| line.split(','));
    let entries = entries.map(|entry| entry.trim_matches([' ', '\t']));
    entries.filter(|entry| !entry.is_empty())
}

/// A credential in the wrong form.
struct Unreadable;

/// The credential of this entry, if it carries one in this format; an error if
/// nobody can read it.
fn read(
    format: SubprotocolFormat,
    offers: &[&str],
    at: usize,
) -> Option<Result<String, Unreadable>> {
    let offer = offers.get(at)?;
    let before = at.checked_sub(1).and_then(|before| offers.get(before));
    let is_last = at + 1 == offers.len();
    match format {
        SubprotocolFormat::Phoenix | SubprotocolFormat::Kubernetes => None,
        SubprotocolFormat::BearerPair => (*before? == "bearer").then(|| Ok((*offer).to_owned())),
        SubprotocolFormat::Jupyter => {
            let token = offer.strip_prefix(JUPYTER)?.strip_prefix('.')?;
            // `encodeURIComponent` changes no character of a token that an entry may hold.
            Some(Ok(token.to_owned()))
        }
        SubprotocolFormat::AppSync => {
            Some(authorization(offer.strip_prefix("header-")?).ok_or(Unreadable))
        }
        SubprotocolFormat::LastAfter(prefix) => {
            let token = offer.strip_prefix(prefix).filter(|_| is_last)?;
            Some(Ok(token.to_owned()))
        }
    }
}

/// The member `Authorization` of a JSON object in base64, as AWS `AppSync`'s clients write it. No
/// token has a character that JSON escapes, so the text is looked for as it is.
fn authorization(encoded: &str) -> Option<String> {
    const NAME: &str = "\"Authorization\"";
    let encoded = encoded.trim_end_matches('=');
    let engine = if encoded.contains(['+', '/']) {
        STANDARD_NO_PAD
    } else {
        URL_SAFE_NO_PAD
    };
    let json = String::from_utf8(engine.decode(encoded).ok()?).ok()?;
    let json = json.trim();
    let inside = json.strip_prefix('{')?.strip_suffix('}')?;
    let (_, rest) = inside.split_once(NAME)?;
    // Of two readers of a duplicate one believes the first and the other the last.
    if rest.contains(NAME) || inside.contains('\\') {
        return None;
    }
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let (text, _) = rest.strip_prefix('"')?.split_once('"')?;
    let scheme = text
        .get(..7)
        .filter(|it| it.eq_ignore_ascii_case("bearer "));
    Some(
        scheme
            .map_or(text, |scheme| &text[scheme.len()..])
            .to_owned(),
    )
}

#[cfg(test)]
mod offers_that_carry_a_credential {
    use super::*;
    use http::Request;

    const ALL: [SubprotocolFormat; 4] = [
        SubprotocolFormat::BearerPair,
        SubprotocolFormat::Jupyter,
        SubprotocolFormat::AppSync,
        SubprotocolFormat::LastAfter("access_token."),
    ];

    fn take_from(line: &str) -> (Result<Option<String>, &'static str>, Option<String>) {
        let request = Request::get("/").header(SEC_WEBSOCKET_PROTOCOL, line);
        let mut head = request.body(()).unwrap().into_parts().0;
        let taken = take(&mut head, &ALL)
            .map(|taken| taken.map(|taken| taken.as_str().to_owned()))
            .map_err(|rejection| rejection.reason());
        let left = head.headers.get(SEC_WEBSOCKET_PROTOCOL);
        (taken, left.map(|left| left.to_str().unwrap().to_owned()))
    }

    fn app_sync(json: &str) -> String {
        format!("graphql-ws, header-{}", URL_SAFE_NO_PAD.encode(json))
    }

    #[test]
    fn is_taken_and_the_others_stay() {
        let object = r#"{ "host": "a.example", "Authorization" : "Bearer a.b.c" }"#;
        for (line, left) in [
            ("bearer, a.b.c".to_owned(), "bearer"),
            (
                "graphql-transport-ws, bearer, a.b.c, x".to_owned(),
                "graphql-transport-ws, bearer, x",
            ),
            (
                format!("v1.kernel, {JUPYTER}, {JUPYTER}.a.b.c"),
                "v1.kernel, v1.token.websocket.jupyter.org",
            ),
            (app_sync(object), "graphql-ws"),
            (app_sync(r#"{"Authorization":"a.b.c"}"#), "graphql-ws"),
            ("chat, access_token.a.b.c".to_owned(), "chat"),
        ] {
            let (taken, rest) = take_from(&line);
            assert_eq!(taken, Ok(Some("a.b.c".to_owned())), "{line}");
            assert_eq!(rest.as_deref(), Some(left));
        }
    }

    #[test]
    fn is_refused_and_gone_where_it_is_not_the_only_one_or_unreadable() {
        for (line, left) in [
            (
                "x, bearer, a.b.c, access_token.a.b.c".to_owned(),
                Some("x, bearer"),
            ),
            (format!("bearer, a.b.c, {JUPYTER}.a.b.c"), Some("bearer")),
            (format!("{JUPYTER}.a.b.c"), None),
            ("access_token.a.b.c".to_owned(), None),
            (format!("x, {JUPYTER}."), Some("x")),
            (format!("x, {JUPYTER}.a%2Eb"), Some("x")),
            (app_sync("{}"), Some("graphql-ws")),
            (
                app_sync(r#"{"Authorization":"a","Authorization":"b"}"#),
                Some("graphql-ws"),
            ),
            (
                app_sync(r#"{"Authorization":"a","x":"\u0041"}"#),
                Some("graphql-ws"),
            ),
            (app_sync(r#"{"Authorization":["a"]}"#), Some("graphql-ws")),
            (app_sync(r#"["Authorization"]"#), Some("graphql-ws")),
            ("graphql-ws, header-!".to_owned(), Some("graphql-ws")),
        ] {
            let (taken, rest) = take_from(&line);
            assert_eq!(taken, Err("credentials_malformed"), "{line}");
            assert_eq!(rest.as_deref(), left, "{line}");
        }
    }

    #[test]
    fn is_not_seen_where_no_format_describes_it() {
        for line in [
            "bearer",
            "Bearer, a.b.c",
            "a.b.c, bearer",
            "access_token.a.b.c, chat",
            "v1.token.websocket.jupyter.org, a.b.c",
            "headers, x",
        ] {
            assert_eq!(take_from(line), (Ok(None), Some(line.to_owned())));
        }
    }
}
