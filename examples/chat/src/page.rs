//! The page and its scripts, unchanged.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};

/// Nothing from another host, nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; frame-src 'self'; img-src data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The page in a frame whose origin is `null`: it shows how a foreign page is refused. Firefox
/// counts no socket as `'self'` there.
const FOREIGN_POLICY: &str = "sandbox allow-scripts; default-src 'none'; script-src 'self'; \
                              connect-src ws: wss:; frame-ancestors 'self'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

macro_rules! files {
    ($($path:literal: $content_type:ident = $file:literal,)*) => {
        &[$(($path, $content_type, include_str!(concat!("../static/", $file)))),*]
    };
}

/// Path, content type and text.
const FILES: &[(&str, &str, &str)] = files! {
    "/": HTML = "index.html",
    "/style.css": CSS = "style.css",
    "/page.js": JS = "page.js",
    "/page/account.js": JS = "page/account.js",
    "/page/attempt.js": JS = "page/attempt.js",
    "/page/cards.js": JS = "page/cards.js",
    "/page/cases.js": JS = "page/cases.js",
    "/page/chat.js": JS = "page/chat.js",
    "/page/dom.js": JS = "page/dom.js",
    "/page/foreign.js": JS = "page/foreign.js",
    "/page/foreign_socket.js": JS = "page/foreign_socket.js",
    "/page/log.js": JS = "page/log.js",
    "/page/stack.js": JS = "page/stack.js",
    "/page/story.js": JS = "page/story.js",
    "/page/words.js": JS = "page/words.js",
    "/reconnect.js": JS = "../../../clients/js/reconnect.js",
};

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let add = |router: Router<S>, &(path, content_type, text)| {
        router.route(path, file(content_type, POLICY, text))
    };
    let foreign = include_str!("../static/page/foreign.html");
    let foreign = file(HTML, FOREIGN_POLICY, foreign);
    let router = Router::new().route("/page/foreign.html", foreign);
    FILES.iter().fold(router, add)
}

fn file<S: Clone + Send + Sync + 'static>(
    content_type: &'static str,
    policy: &'static str,
    text: &'static str,
) -> MethodRouter<S> {
    get(async move || {
        let headers = [
            (CONTENT_TYPE, content_type),
            (CONTENT_SECURITY_POLICY, policy),
            (CACHE_CONTROL, "no-cache"),
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (headers, text).into_response()
    })
}
