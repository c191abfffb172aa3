use std::mem;

use bytes::Bytes;
use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;

use super::malformed;
use crate::Rejection;

/// Replaces the head's query and returns the old URI.
pub(crate) fn swap_query(head: &mut Parts, query: &str) -> Result<Uri, Rejection> {
    let path = head.uri.path();
    let path_and_query = if query.is_empty() {
        Bytes::copy_from_slice(path.as_bytes())
    } else {
        Bytes::from([path, "?", query].concat())
    };
    let failed = || malformed("the URI cannot be written without its credential");
    let is_path_alone = head.uri.scheme().is_none() && head.uri.authority().is_none();
    if is_path_alone && path_and_query.starts_with(b"/") {
        let uri = Uri::from_maybe_shared(path_and_query).map_err(|_| failed())?;
        forget_original(head, &uri);
        return Ok(mem::replace(&mut head.uri, uri));
    }
    let path_and_query = PathAndQuery::from_maybe_shared(path_and_query).map_err(|_| failed())?;
    let mut parts = http::uri::Parts::default();
    parts.scheme = head.uri.scheme().cloned();
    parts.authority = head.uri.authority().cloned();
    parts.path_and_query = Some(path_and_query);
    let uri = Uri::from_parts(parts).map_err(|_| failed())?;
    forget_original(head, &uri);
    Ok(mem::replace(&mut head.uri, uri))
}

/// Removes the whole query.
pub(crate) fn remove_query(head: &mut Parts) {
    if head.uri.query().is_some() && swap_query(head, "").is_err() {
        head.uri = Uri::default();
    }
}

/// The path that the client sent. A nested axum router shows its routes a shorter one.
pub(crate) fn path_as_sent(head: &Parts) -> &str {
    #[cfg(feature = "axum")]
    if let Some(original) = head.extensions.get::<axum::extract::OriginalUri>() {
        return original.0.path();
    }
    head.uri.path()
}

/// axum keeps a copy of the URI as it arrived. The credential must leave it too.
#[cfg(feature = "axum")]
fn forget_original(head: &mut Parts, uri: &Uri) {
    use axum::extract::OriginalUri;
    if let Some(OriginalUri(original)) = head.extensions.get_mut::<OriginalUri>() {
        // A nested router shows its routes a shorter path, so only the query is replaced.
        let mut parts = mem::take(original).into_parts();
        let path = parts
            .path_and_query
            .as_ref()
            .map_or("/", |path| path.path());
        let path_and_query = match uri.query() {
            Some(query) => [path, "?", query].concat(),
            None => path.to_owned(),
        };
        parts.path_and_query = PathAndQuery::from_maybe_shared(Bytes::from(path_and_query)).ok();
        *original = Uri::from_parts(parts).unwrap_or_default();
    }
}

#[cfg(not(feature = "axum"))]
fn forget_original(_head: &mut Parts, _uri: &Uri) {}
