//! The decision allocates nothing for any input.

use http::Request;
use tower_ws_auth_core::origin::{OriginCheck, Origins, Scheme};

#[test]
fn the_decision_allocates_nothing() {
    let origins = Origins::new(["https://example.com", "https://*.example.com"])
        .unwrap()
        .and_same_as_host(Scheme::Https);
    for (origin, allowed) in [
        ("https://example.com", true),
        ("https://a.b.example.com", true),
        ("https://[::1]:8443", true),
        ("https://evil.net", false),
        ("null", false),
        ("https://EXAMPLE.com.:443@", false),
    ] {
        let request = Request::get("/ws")
            .header("host", "[::1]:8443")
            .header("origin", origin);
        let head = request.body(()).unwrap().into_parts().0;
        let mut verdict = OriginCheck::Missing;
        let made = allocation_counter::measure(|| verdict = origins.allows(&head));
        assert_eq!(
            matches!(verdict, OriginCheck::Allowed(_)),
            allowed,
            "{origin}"
        );
        assert_eq!(made.count_total, 0, "{origin}");
    }
}
