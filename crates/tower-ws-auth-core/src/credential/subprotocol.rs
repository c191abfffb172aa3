use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::presented::{LONGEST, TOO_LONG};
use super::{Credential, Offered, malformed, offers, replace_subprotocols};
use crate::Rejection;

/// The format of a credential as an entry of `Sec-WebSocket-Protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubprotocolFormat {
    /// `base64url.bearer.phx.<base64>`, as Phoenix channels send it: base64 without padding, in
    /// the standard or the url-safe alphabet.
    Phoenix,
    /// `base64url.bearer.authorization.k8s.io.<base64url>`, as Kubernetes clients send it:
    /// url-safe base64 without padding.
    Kubernetes,
    /// The entry after `bearer`, as it is: `bearer, <credential>`. `bearer` stays in the list, for
    /// the server to select.
    BearerPair,
    /// `v1.token.websocket.jupyter.org.<credential>`, as Jupyter's clients send it.
    Jupyter,
    /// `header-<base64url>` of a JSON object with a member `Authorization`, as AWS `AppSync`'s
    /// clients send it beside `graphql-ws`. The object may hold no escape.
    AppSync,
    /// The last entry, if it begins with this text. What follows is the credential as it is.
    LastAfter(&'static str),
}

impl SubprotocolFormat {
    /// How an entry in base64 begins.
    fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Phoenix => Some("base64url.bearer.phx."),
            Self::Kubernetes => Some("base64url.bearer.authorization.k8s.io."),
            Self::BearerPair | Self::Jupyter | Self::AppSync | Self::LastAfter(_) => None,
        }
    }

    fn decode(self, text: &str) -> Option<String> {
        const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, NO_PAD);
        const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD);
        let standard = self == Self::Phoenix && text.contains(['+', '/']);
        let engine = if standard { STANDARD } else { URL_SAFE };
        String::from_utf8(engine.decode(text).ok()?).ok()
    }
}

/// The common prefix of all formats.
const BEARER: &str = "base64url.bearer.";

/// Whether an entry carries a credential in any format, ours or not. It must not be selected.
pub(crate) fn is_credential(entry: &str) -> bool {
    // The other formats, and whatever looks like a JWT.
    if entry.starts_with("eyJ") || entry.starts_with("header-eyJ") || entry.contains(".eyJ") {
        return true;
    }
    let jupyter = entry.strip_prefix(offers::JUPYTER);
    jupyter.is_some_and(|rest| rest.starts_with('.')) || is_encoded(entry)
}

fn is_encoded(entry: &str) -> bool {
    entry
        .get(..BEARER.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(BEARER))
}

/// Whether the head has a list.
pub(super) fn is_in(head: &Parts) -> bool {
    head.headers.contains_key(SEC_WEBSOCKET_PROTOCOL) || Offered::is_in(head)
}

/// Whether the list may carry a credential: whether [`take`] finds one, or refuses it.
pub(super) fn may_hold(headers: &HeaderMap, formats: &[SubprotocolFormat]) -> bool {
    let mut lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    lines.any(may_hold_credential) || offers::may_hold(headers, formats)
}

/// Takes one entry of the list. Another entry must remain, or the server would have nothing to
/// select.
pub(super) fn take(
    head: &mut Parts,
    formats: &[SubprotocolFormat],
) -> Result<Option<Credential>, Rejection> {
    let answered = Offered::bring_back(head);
    let taken = take_from_list(head, formats);
    if let Some(answered) = answered {
        Offered::put_aside(head, answered.selected);
    }
    taken
}

fn take_from_list(
    head: &mut Parts,
    formats: &[SubprotocolFormat],
) -> Result<Option<Credential>, Rejection> {
    let encoded = take_encoded(head, formats);
    if formats.iter().all(|format| format.prefix().is_some()) {
        return encoded;
    }
    match (encoded, offers::take(head, formats)) {
        (Ok(Some(_)), Ok(Some(_))) => Err(malformed("two credentials among the subprotocols")),
        (Err(rejection), _) | (_, Err(rejection)) => Err(rejection),
        (Ok(encoded), Ok(offered)) => Ok(encoded.or(offered)),
    }
}

fn take_encoded(
    head: &mut Parts,
    formats: &[SubprotocolFormat],
) -> Result<Option<Credential>, Rejection> {
    let lines = head.headers.get_all(SEC_WEBSOCKET_PROTOCOL);
    if !lines.iter().any(may_hold_credential) {
        return Ok(None);
    }
    let mut disguised = false;
    let mut found = Vec::new();
    let mut kept = Vec::new();
    for line in head.headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        // A line with invalid bytes is dropped with all that it carries.
        let Ok(line) = line.to_str() else {
            disguised |= may_hold_credential(line);
            continue;
        };
        for entry in line.split(',').map(|entry| entry.trim_matches([' ', '\t'])) {
            match strip_prefix(entry, formats) {
                Some(encoded) => found.push(encoded),
                // Another format, or other letter case: another parser might still read it.
                None if is_encoded(entry) => disguised = true,
                None if entry.is_empty() => {}
                None => kept.push(entry),
            }
        }
    }
    if found.is_empty() && !disguised {
        // The prefix stands in the middle of another name.
        return Ok(None);
    }
    let credential = match found.as_slice() {
        _ if disguised => Err(malformed(
            "a subprotocol carries a credential in a way unknown here",
        )),
        [(_, encoded)] if encoded.len() > LONGEST * 4 / 3 + 3 => Err(malformed(TOO_LONG)),
        [_] if kept.is_empty() => Err(malformed(
            "no subprotocol beside the one that carries the credential",
        )),
        [(format, encoded)] => match format.decode(encoded) {
            Some(text) => Credential::in_subprotocol(text),
            None => Err(malformed("the credential in the subprotocol is not base64")),
        },
        _ => Err(malformed(
            "not exactly one readable credential among the subprotocols",
        )),
    };
    let rest = kept.join(", ");
    replace_subprotocols(&mut head.headers, &rest);
    credential.map(Some)
}

fn strip_prefix<'a>(
    entry: &'a str,
    formats: &[SubprotocolFormat],
) -> Option<(SubprotocolFormat, &'a str)> {
    formats
        .iter()
        .find_map(|&format| Some((format, entry.strip_prefix(format.prefix()?)?)))
}

/// Whether a line of the list has to be searched at all.
pub(crate) fn may_hold_credential(line: &HeaderValue) -> bool {
    let mut windows = line.as_bytes().windows(BEARER.len());
    windows.any(|window| window.eq_ignore_ascii_case(BEARER.as_bytes()))
}

#[cfg(test)]
mod subprotocols {
    use super::*;
    use http::Request;

    fn take_from(lines: &[&str]) -> (Result<Option<String>, &'static str>, Vec<String>) {
        let mut head = Request::new(()).into_parts().0;
        for line in lines {
            let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            head.headers.append(SEC_WEBSOCKET_PROTOCOL, line);
        }
        let taken = take(
            &mut head,
            &[SubprotocolFormat::Phoenix, SubprotocolFormat::Kubernetes],
        );
        let taken = taken
            .map(|c| c.map(|c| c.as_str().to_owned()))
            .map_err(|r| r.reason());
        let left = head.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        (
            taken,
            left.map(|line| line.to_str().unwrap().to_owned()).collect(),
        )
    }

    #[test]
    fn the_entry_that_phoenix_js_sends_is_taken_and_the_other_stays() {
        let (taken, left) = take_from(&["phoenix,base64url.bearer.phx.YWJjLmRlZi1fZw"]);
        assert_eq!(taken, Ok(Some("abc.def-_g".into())));
        assert_eq!(left, ["phoenix"]);
    }

    #[test]
    fn phoenix_may_use_either_alphabet_and_kubernetes_only_the_url_safe_one() {
        // "~~~???" minus what the alphabet of tokens forbids: "a~~" encodes to "YX5-" / "YX5+".
        for (prefix, text, ok) in [
            ("base64url.bearer.phx.", "YX5-", true),
            ("base64url.bearer.phx.", "YX5+", true),
            ("base64url.bearer.authorization.k8s.io.", "YX5-", true),
            ("base64url.bearer.authorization.k8s.io.", "YX5+", false),
        ] {
            let (taken, left) = take_from(&["x", &format!("{prefix}{text}"), "y"]);
            assert_eq!(taken.is_ok(), ok, "{prefix}{text}");
            assert_eq!(left, ["x, y"]);
        }
    }

    #[test]
    fn without_a_real_subprotocol_it_is_malformed() {
        let (taken, left) = take_from(&["base64url.bearer.phx.YWJj"]);
        assert_eq!((taken, left.len()), (Err("credentials_malformed"), 0));
    }

    #[test]
    fn two_bad_empty_padded_or_long_ones_are_malformed_and_gone() {
        let long = format!("x, base64url.bearer.phx.{}", "YWJj".repeat(20_000));
        for bad in [
            "x, base64url.bearer.phx.YWJj, base64url.bearer.phx.YWJj",
            "x, base64url.bearer.phx.YWJj, base64url.bearer.authorization.k8s.io.YWJj",
            "x, base64url.bearer.phx.",
            "x, BASE64URL.bearer.phx.YWJj",
            "x, base64url.bearer.unknown.YWJj",
            "x, base64url.bearer.phx.YW=",
            "x, base64url.bearer.phx.YWI=",
            "x, base64url.bearer.phx.YWJ",
            "x, base64url.bearer.phx.IA",
            "x, base64url.bearer.phx.w6k",
            "x, base64url.bearer.phx.a-+/",
            &long,
        ] {
            assert_eq!(
                take_from(&[bad]),
                (Err("credentials_malformed"), vec!["x".into()])
            );
        }
    }

    #[test]
    fn a_line_with_foreign_bytes_is_dropped_with_its_credential() {
        let (taken, left) = take_from(&["é, base64url.bearer.phx.YWJj", "x"]);
        assert_eq!(
            (taken, left),
            (Err("credentials_malformed"), vec!["x".into()])
        );
    }

    #[test]
    fn other_subprotocols_are_left_exactly_as_they_were() {
        for lines in [
            ["graphql-ws ,chat.v1", "base64url,bearer"],
            ["chat.base64url.bearer.phx.YWJj ,x", "y"],
        ] {
            assert_eq!(
                take_from(&lines),
                (Ok(None), lines.map(str::to_owned).to_vec())
            );
        }
    }
}
