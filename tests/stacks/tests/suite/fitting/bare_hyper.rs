use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use socket_tests::{Answer, Claims, end_of, token};
use stacks_tests::{accepts, bare_echo, browser, refuses};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tonic::service::Routes;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_ws_auth::jwt::Jwt;
use tower_ws_auth::{AuthLayer, CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins};

use super::{jwt, origins};

/// The service of the sockets, with the body that suits it.
use bare_echo as chat;

async fn serve(listener: TcpListener, grpc: Routes, jwt: Jwt<Claims>, origins: Origins) {
    let sockets = ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(OriginLayer::new(origins, MissingOrigin::Allow))
        .layer(AuthLayer::new(jwt))
        .layer(LeaseLayer::expiry_only())
        .service_fn(chat::<Empty<bytes::Bytes>>);
    let grpc = grpc.prepare();
    let service = service_fn(move |request: Request<Incoming>| {
        let (sockets, grpc) = (sockets.clone(), grpc.clone());
        async move {
            match request.uri().path() {
                "/ws" => Ok::<_, Infallible>(sockets.oneshot(request).await?.map(Body::new)),
                _ => Ok(grpc.oneshot(request).await?.map(Body::new)),
            }
        }
    });

    let mut server = auto::Builder::new(TokioExecutor::new());
    // For sockets over HTTP/2; without it their clients come back over HTTP/1.1.
    server.http2().enable_connect_protocol();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No more file descriptors, say.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (server, service) = (server.clone(), TowerToHyperService::new(service.clone()));
        tokio::spawn(async move {
            // "With upgrades": without, a client is told 101 and then nothing.
            let io = TokioIo::new(stream);
            let _ = server.serve_connection_with_upgrades(io, service).await;
        });
    }
}

async fn running() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_, health) = tonic_health::server::health_reporter();
    tokio::spawn(serve(listener, Routes::new(health), jwt(), origins()));
    address
}

#[tokio::test]
async fn one_port_for_both() {
    let address = running().await;
    accepts(address).await.unwrap();
    refuses(address).await.unwrap();
    crate::fitting::tonic_and_axum::asks_for_health(address).await;
}

#[tokio::test]
async fn without_upgrades_a_socket_hears_nothing_after_its_101() {
    let sockets = ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(AuthLayer::new(jwt()))
        .service_fn(chat::<Empty<bytes::Bytes>>);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(sockets.clone());
            let server = auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move {
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    for seconds in [60, -3600] {
        let opened = browser(address, &format!("?token={}", token(seconds))).await;
        assert!(opened.is_ok());
        assert_eq!(end_of(opened).await, Answer::Lost);
    }
}
