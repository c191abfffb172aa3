//! A head that waits for its client: it pins no buffer of its server, and takes little room.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tower_ws_auth_core::AllowedOrigin;

/// A head, put together.
pub(super) struct Waiting {
    /// Without its fields: a map of them has room for twice as many.
    head: Parts,
    fields: Box<[(HeaderName, HeaderValue)]>,
}

impl Waiting {
    /// Copies what is a slice of the buffer into which the server has read the request: that is 16
    /// KiB.
    pub(super) fn new(mut head: Parts) -> Self {
        // The origin layer, which stands further out, has kept a value.
        if let Some(allowed) = head.extensions.get_mut::<AllowedOrigin>()
            && let Ok(copy) = HeaderValue::from_bytes(allowed.value().as_bytes())
        {
            *allowed = AllowedOrigin::vouch_for(copy);
        }
        detach_uri(&mut head.uri);
        #[cfg(feature = "axum")]
        if let Some(original) = head.extensions.get_mut::<axum::extract::OriginalUri>() {
            detach_uri(&mut original.0);
        }
        let fields = pack(std::mem::take(&mut head.headers));
        Self { head, fields }
    }

    /// The head as it was.
    pub(super) fn into_head(self) -> Parts {
        let Self { mut head, fields } = self;
        head.headers.reserve(fields.len());
        for (name, value) in fields {
            head.headers.append(name, value);
        }
        head
    }
}

/// The fields in their order, whose values share one allocation.
fn pack(headers: HeaderMap) -> Box<[(HeaderName, HeaderValue)]> {
    let length = headers.values().map(HeaderValue::len).sum();
    let mut all = Vec::with_capacity(length);
    for value in headers.values() {
        all.extend_from_slice(value.as_bytes());
    }
    let mut rest = Bytes::from(all);
    let mut last = None;
    let mut fields = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        last = name.or(last);
        let copy = HeaderValue::from_maybe_shared(rest.split_to(value.len()));
        let mut copy = copy.unwrap_or_else(|_| value.clone());
        copy.set_sensitive(value.is_sensitive());
        fields.extend(last.clone().map(|name| (name, copy)));
    }
    fields.into()
}

fn detach_uri(uri: &mut Uri) {
    let copy = match uri.path_and_query() {
        // As a rule there is no more, and nothing has to be put together.
        Some(path) if uri.authority().is_none() => {
            Uri::from_maybe_shared(Bytes::copy_from_slice(path.as_str().as_bytes()))
        }
        _ => Uri::try_from(uri.to_string()),
    };
    if let Ok(copy) = copy {
        *uri = copy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_has_waited_says_what_it_said() {
        for uri in ["http://host.example:1/ws?a=%20&b", "/ws?a=%20&b", "/", "*"] {
            says_what_it_said(uri);
        }
    }

    fn says_what_it_said(uri: &str) {
        let request = http::Request::get(uri)
            .header("x", "y")
            .header("cookie", "a=b")
            .header("empty", "")
            .header("x", "\u{e4}")
            .header("cookie", "c=d");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        for value in head.headers.values_mut() {
            let is_cookie = value.as_bytes().contains(&b'=');
            value.set_sensitive(is_cookie);
        }
        let before = format!("{head:?}");
        let all = |head: &Parts| {
            let of_name = |name: &HeaderName| {
                let values = head.headers.get_all(name).iter();
                values
                    .map(|value| (value.as_bytes().to_vec(), value.is_sensitive()))
                    .collect()
            };
            let names = head.headers.keys();
            names
                .map(|name| (name.clone(), of_name(name)))
                .collect::<Vec<(_, Vec<_>)>>()
        };
        let fields = all(&head);
        let origin = HeaderValue::from_static("https://app.example");
        (head.extensions).insert(AllowedOrigin::vouch_for(origin.clone()));
        let mut head = Waiting::new(head).into_head();
        let allowed = head.extensions.remove::<AllowedOrigin>();
        assert_eq!(allowed.unwrap().value(), origin);
        assert_eq!(format!("{head:?}"), before);
        assert_eq!(all(&head), fields);
    }
}
