//! A credential in `Authorization`; the lines of the input are lines of the field.
#![no_main]

use fuzz::{explicit_carriers, head_with, take};
use http::header::AUTHORIZATION;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|lines: &[u8]| {
    let Some(mut head) = head_with(&AUTHORIZATION, lines) else {
        return;
    };
    let before = head.headers.clone();
    if let Some(credential) = take(&explicit_carriers(), &mut head) {
        // The credential is the client's text after a scheme of that name.
        let line = before[AUTHORIZATION]
            .to_str()
            .expect("a b64token is ASCII")
            .trim();
        let (scheme, text) = line.split_once(' ').expect("there is a scheme");
        assert!(scheme.eq_ignore_ascii_case("bearer"));
        assert_eq!(text.trim(), credential.as_str());
        assert!(!head.headers.contains_key(AUTHORIZATION));
    }
    // Other schemes are not ours.
    for line in head.headers.get_all(AUTHORIZATION) {
        assert!(
            before
                .get_all(AUTHORIZATION)
                .iter()
                .any(|other| other == line)
        );
    }
});
