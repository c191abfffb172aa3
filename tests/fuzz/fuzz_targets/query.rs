//! A credential in the query string.
#![no_main]

use fuzz::{explicit_carriers, take};
use http::{Request, Uri};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &[u8]| {
    let Ok(uri) = Uri::try_from([b"/ws/room%20?", query].concat()) else {
        return;
    };
    let (mut head, ()) = Request::new(()).into_parts();
    head.uri = uri.clone();
    let credential = take(&explicit_carriers(), &mut head);
    assert_eq!(head.uri.path(), uri.path());
    let before = uri.query().unwrap_or_default();
    let after = head.uri.query().unwrap_or_default();
    // The remaining pairs keep their text and their order.
    let mut pairs = before.split('&');
    for kept in after.split('&').filter(|kept| !kept.is_empty()) {
        assert!(pairs.any(|pair| pair == kept), "{before} became {after}");
    }
    if credential.is_some() {
        assert!(after.len() < before.len());
    }
});
