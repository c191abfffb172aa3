//! A head that waits for its client pins no buffer of its server.

use http::request::Parts;
use http::{HeaderValue, Uri};

/// Copies what is a slice of the buffer into which the server has read the request: that is 16 KiB.
pub(super) fn detach(head: &mut Parts) {
    for value in head.headers.values_mut() {
        if let Ok(mut copy) = HeaderValue::from_bytes(value.as_bytes()) {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
    detach_uri(&mut head.uri);
    #[cfg(feature = "axum")]
    if let Some(original) = head.extensions.get_mut::<axum::extract::OriginalUri>() {
        detach_uri(&mut original.0);
    }
}

fn detach_uri(uri: &mut Uri) {
    if let Ok(copy) = Uri::try_from(uri.to_string()) {
        *uri = copy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_says_what_the_head_said() {
        let request = http::Request::get("http://host.example:1/ws?a=%20&b").header("x", "y");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        for value in head.headers.values_mut() {
            value.set_sensitive(true);
        }
        let before = format!("{head:?}");
        detach(&mut head);
        assert_eq!(format!("{head:?}"), before);
        assert!(head.headers["x"].is_sensitive());
    }
}
