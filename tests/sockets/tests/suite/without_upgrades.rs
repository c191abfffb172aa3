//! A server that was built without upgrades offers one all the same: the operator is warned.

use std::convert::Infallible;

use bytes::Bytes;
use http::Response;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use socket_tests::{Answer, Stack, end_of, handshake};
use test_support::{Log, until};
use tower::ServiceBuilder;

#[tokio::test]
async fn it_is_logged_as_a_warning_that_names_the_cause() {
    let log = Log::capture();
    let stack = Stack::default();
    let service = ServiceBuilder::new()
        .layer(stack.close)
        .layer(stack.origin)
        .layer(stack.jwt)
        .service_fn(async |_: http::Request<hyper::body::Incoming>| {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // Without `with_upgrades()`.
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        connection.await
    });

    let headers = [("origin", "https://app.example")];
    let answer = end_of(handshake(address, "?token=x", &headers).await).await;
    assert_eq!(answer, Answer::Lost);
    until("the warning", || log.text().contains("upgrade_failed")).await;
    let text = log.text();
    let warning = text
        .lines()
        .find(|line| line.contains("upgrade_failed"))
        .unwrap();
    assert!(warning.contains("WARN"), "{warning}");
    assert!(
        warning.contains("is the server built with upgrades?"),
        "{warning}"
    );
}
