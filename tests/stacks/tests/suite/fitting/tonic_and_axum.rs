use axum::Router;
use axum::routing::any;
use socket_tests::{Answer, Claims, Http2, end_of, token};
use stacks_tests::{APP, accepts, browser, echo as chat, refuses, serve};
use tonic::service::Routes;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceBuilder;
use tower_ws_auth::jwt::Jwt;
use tower_ws_auth::{AuthLayer, CloseFrameLayer, LeaseLayer, MissingOrigin, OriginLayer, Origins};

use super::{jwt, origins};

fn app(grpc: Routes, jwt: Jwt<Claims>, origins: Origins) -> Router {
    let sockets = ServiceBuilder::new()
        .layer(CloseFrameLayer::new())
        .layer(OriginLayer::new(origins, MissingOrigin::Allow))
        .layer(AuthLayer::new(jwt))
        .layer(LeaseLayer::expiry_only());

    // The layers are the route's alone: a gRPC call is no handshake, and would be refused.
    grpc.into_axum_router()
        .route("/ws", any(chat).layer(sockets))
}

fn grpc() -> Routes {
    let (_, health) = tonic_health::server::health_reporter();
    Routes::new(health)
}

#[tokio::test]
async fn one_port_for_both() {
    let address = serve(app(grpc(), jwt(), origins())).await.unwrap();
    accepts(address).await.unwrap();
    refuses(address).await.unwrap();
    asks_for_health(address).await;
}

pub(crate) async fn asks_for_health(address: std::net::SocketAddr) {
    let channel = tonic::transport::Endpoint::new(format!("http://{address}")).unwrap();
    let channel = channel.connect().await.unwrap();
    let everything = HealthCheckRequest {
        service: String::new(),
    };
    let answer = HealthClient::new(channel).check(everything).await.unwrap();
    assert_eq!(answer.into_inner().status, 1);
}

#[tokio::test]
async fn a_socket_may_come_over_http2_as_the_calls_do() {
    let address = serve(app(grpc(), jwt(), origins())).await.unwrap();
    let mut connection = Http2::connect(address).await.unwrap();
    let page = [("origin", APP), ("sec-websocket-protocol", "chat.v1")];
    let query = format!("?token={}", token(60));
    connection.open(&query, &page).await.unwrap();
    let query = format!("?token={}", token(-3600));
    let refused = connection.open(&query, &page).await;
    let answer = end_of(refused).await;
    assert_eq!(answer, Answer::closed(4401, "token_expired"));
}

mod wrong_orders {
    use super::*;

    #[tokio::test]
    async fn around_the_whole_router_the_layers_refuse_every_call() {
        let all = grpc()
            .into_axum_router()
            .route("/ws", any(chat))
            .layer(AuthLayer::new(jwt()));
        let address = serve(all).await.unwrap();
        let channel = tonic::transport::Endpoint::new(format!("http://{address}")).unwrap();
        let channel = channel.connect().await.unwrap();
        let everything = HealthCheckRequest {
            service: String::new(),
        };
        let status = HealthClient::new(channel).check(everything).await;
        let status = status.unwrap_err();
        assert!(status.message().contains("405"), "{status:?}");
    }

    #[tokio::test]
    async fn under_tonics_own_server_a_socket_hears_nothing_after_its_101() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sockets = ServiceBuilder::new()
            .layer(CloseFrameLayer::new())
            .layer(AuthLayer::new(jwt()));
        let routes = grpc().into_axum_router();
        let routes = routes.route("/ws", any(chat).layer(sockets));
        let server = tonic::transport::Server::builder()
            .accept_http1(true)
            .add_routes(routes.into());
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        tokio::spawn(server.serve_with_incoming(incoming));
        asks_for_health(address).await;

        for seconds in [60, -3600] {
            let opened = browser(address, &format!("?token={}", token(seconds))).await;
            assert!(opened.is_ok());
            assert_eq!(end_of(opened).await, Answer::Lost);
        }
    }
}
