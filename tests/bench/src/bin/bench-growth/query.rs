//! The query: the carrier, the layer that redacts it, and the type that prints it.

use std::hint::black_box;

use bench_suite::{Shape, now};
use http::{Request, Response, Uri};
use tower::{Layer, Service, service_fn};
use tower_ws_auth::credential::Carriers;
use tower_ws_auth::{RedactLayer, RedactedQuery};

use crate::filled;

/// `http::Uri` holds no more.
const LONGEST_URI: usize = 64_000;
/// The carrier refuses a longer query.
const LONGEST_QUERY: usize = 16 * 1024;

/// The beginning, the repeated part and the end of a query.
const QUERIES: [(&str, &str, &str); 10] = [
    ("plain", "token=abc&x=", "x"),
    ("many pairs", "token=abc", "&a=1"),
    ("many credentials", "", "token=abc&"),
    ("many lists", "", "token[]=1&"),
    ("many semicolons", "a=1", ";a"),
    ("many credentials behind semicolons", "a=1", ";token=1"),
    ("many %25", "", "%25"),
    ("escapes of escapes", "%", "25"),
    ("encoded keys", "", "%74oken=a&"),
    ("many pluses", "token=", "+"),
];

fn uri(size: usize, (_, beginning, repeated): (&str, &str, &str)) -> Uri {
    let path = "/ws?";
    let query = filled(beginning, repeated, "", size);
    format!("{path}{query}").parse().unwrap()
}

pub(crate) fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for query in QUERIES {
        let taken = Shape::new("query", query.0, move |size| {
            let mut head = Request::new(()).into_parts().0;
            head.uri = uri(size, query);
            let carriers = Carriers::builder()
                .query("token")
                .query_bearer("Authorization");
            let carriers = carriers.build().unwrap();
            move || {
                let mut head = head.clone();
                let _ = black_box(carriers.take(&mut head));
            }
        });
        let redacted = Shape::new("redaction", query.0, move |size| {
            let redacted = RedactedQuery::new(["token", "ticket"]).unwrap();
            let uri = uri(size, query);
            move || drop(black_box(redacted.uri(&uri).to_string()))
        });
        let redacting = Shape::new("redacting", query.0, move |size| {
            let mut service = RedactLayer::new(["token"], ["/ws"])
                .unwrap()
                .layer(service_fn(taken_behind));
            let uri = uri(size, query);
            move || {
                let mut request = Request::new(());
                *request.uri_mut() = uri.clone();
                now(service.call(request)).unwrap();
            }
        });
        shapes.extend([
            taken.no_longer_than(LONGEST_QUERY),
            redacted.no_longer_than(LONGEST_URI),
            redacting.no_longer_than(LONGEST_QUERY),
        ]);
        shapes.push(
            Shape::new("query too long", query.0, move |size| {
                let mut head = Request::new(()).into_parts().0;
                head.uri = uri(size, query);
                let carriers = Carriers::builder().query("token").build().unwrap();
                move || {
                    let mut head = head.clone();
                    let _ = black_box(carriers.take(&mut head));
                }
            })
            .no_longer_than(LONGEST_URI),
        );
    }
    shapes
}

async fn taken_behind(request: Request<()>) -> Result<Response<()>, std::convert::Infallible> {
    let carriers = Carriers::builder().query("token").build().unwrap();
    let _ = black_box(carriers.take(&mut request.into_parts().0));
    Ok(Response::new(()))
}
