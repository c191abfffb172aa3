use std::collections::BTreeSet;
use std::fmt::Write as _;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use canary_tests::Secrets;

/// Everything by which a secret would be recognised: whole and in its parts, as it is and in
/// the forms in which logs write it.
pub(crate) struct Needles {
    /// The name of each secret, and its text.
    all: Vec<(String, String)>,
    plain: Vec<(String, String)>,
}

impl Needles {
    pub(crate) fn of(secrets: &Secrets) -> Self {
        let mut plain = Vec::new();
        for (name, jwt) in [
            ("the good token", &secrets.good),
            ("the expired token", &secrets.expired),
            ("the forged token", &secrets.forged),
        ] {
            plain.push((name.to_owned(), jwt.clone()));
            let parts = ["header", "claims", "signature"];
            for (part, text) in parts.into_iter().zip(jwt.split('.')) {
                plain.push((format!("{part} of {name}"), text.to_owned()));
            }
        }
        // As express writes it: `s%3A<id>.<signature>`.
        let session = secrets.session.trim_start_matches("s%3A");
        let (id, signature) = session.split_once('.').unwrap();
        plain.push(("the session's id".into(), id.to_owned()));
        let signature = signature.split('%').max_by_key(|run| run.len()).unwrap();
        plain.push(("the session's signature".into(), signature.to_owned()));
        for (n, ticket) in secrets.tickets.iter().enumerate() {
            plain.push((format!("ticket {n}"), ticket.clone()));
        }
        let mut all = Vec::new();
        for (name, text) in &plain {
            // A run of a signature between two escapes is no longer than that, once in a while.
            assert!(text.len() > 7, "{name} is too short to be searched for");
            for (form, text) in forms(text) {
                all.push((format!("{name}, {form}"), text));
            }
        }
        Self { all, plain }
    }

    /// The names of what is found.
    pub(crate) fn found_in(&self, text: &str) -> Vec<String> {
        // One pass for hundreds of needles over megabytes of log.
        let search = AhoCorasick::new(self.all.iter().map(|(_, needle)| needle)).unwrap();
        let found = search.find_overlapping_iter(text);
        let found: BTreeSet<_> = found.map(|found| found.pattern()).collect();
        let names = found
            .into_iter()
            .map(|pattern| &self.all[pattern.as_usize()].0);
        names.cloned().collect()
    }

    /// Every secret is there, as it is.
    pub(crate) fn assert_all_found_in(&self, text: &str) {
        for (name, needle) in &self.plain {
            assert!(text.contains(needle), "{name} is not found");
        }
        let encoded = |(name, _): &&(String, String)| name.contains("base64");
        let (name, needle) = self.all.iter().find(encoded).unwrap();
        assert!(text.contains(needle), "{name} is not found");
    }
}

fn forms(text: &str) -> Vec<(&'static str, String)> {
    let bytes = text.as_bytes();
    let mut forms = vec![
        ("plain", text.to_owned()),
        ("backwards", text.chars().rev().collect()),
    ];
    let escaped = |escape: fn(&mut String, u8)| {
        bytes.iter().fold(String::new(), |mut all, &b| {
            escape(&mut all, b);
            all
        })
    };
    forms.push((
        "percent-encoded",
        text.replace('.', "%2E").replace('-', "%2D"),
    ));
    forms.push(("percent-encoded twice", text.replace('.', "%252E")));
    forms.push((
        "all percent-encoded",
        escaped(|all, b| write!(all, "%{b:02X}").unwrap()),
    ));
    forms.push(("in hex", escaped(|all, b| write!(all, "{b:02x}").unwrap())));
    forms.push((
        "as a list of bytes",
        escaped(|all, b| write!(all, "{b}, ").unwrap()),
    ));
    // Inside a longer text base64 has three forms, and both ends depend on neighbours. A short text
    // without its ends could match anything.
    let offsets = if text.len() > 15 { 0..3 } else { 0..0 };
    for before in offsets {
        let padded = [vec![b'x'; before], bytes.to_vec()].concat();
        for (form, encoded) in [
            ("in base64", STANDARD_NO_PAD.encode(&padded)),
            ("in base64url", URL_SAFE_NO_PAD.encode(&padded)),
        ] {
            forms.push((form, encoded[4..encoded.len() - 4].to_owned()));
        }
    }
    forms
}
