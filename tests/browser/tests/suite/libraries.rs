//! Client libraries in a page: each sees the reason through its own API, and comes back as often as
//! it should. `tests/clients` has the same ones in Node.

use client_tests::Server;
use client_tests::libraries::{
    ACTION_CABLE, ANY_CABLE, APOLLO_CLIENT, CENTRIFUGO, GRAPHQL_WS, Library, LibraryServer, MQTT_3,
    MQTT_5, NATS, PATIENCE, PHOENIX_1_7, PHOENIX_1_8_15, PHOENIX_1_8_16, PUSHER, SIGNALR,
    SOCKET_IO, SOCKET_IO_2, SOCKET_IO_2_UNTOLD, SOCKET_IO_2_WITH_TWO_NAMESPACES,
    SOCKET_IO_WITH_TWO_NAMESPACES, STOMP, SUBSCRIPTIONS_TRANSPORT_WS,
};
use serde_json::Value;
use test_support::of_tier;
use tokio::time::timeout;

use crate::browser::{Browser, Kind};

/// The first one alone in the short form.
async fn see_every_reason(libraries: &[Library]) {
    let outer = Server::start().await.unwrap();
    Browser::run(Kind::Chromium, async |browser| {
        for library in &libraries[..of_tier(1, libraries.len())] {
            let page = format!("http://{}/", outer.address);
            browser.client.goto(&page).await.unwrap();
            library
                .sees_every_reason_and_comes_back_as_it_should(async |server, job| {
                    run_in_a_frame(browser, server, job).await
                })
                .await;
        }
    })
    .await;
}

/// A frame for each script: only those in a visible page keep their timers. They share a thread, so
/// one is loaded at a time.
async fn run_in_a_frame(browser: &Browser, server: &LibraryServer, job: &Value) -> Vec<String> {
    const SCRIPT: &str = "
        const [page, job, loaded] = arguments;
        const frame = document.createElement('iframe');
        Object.assign(frame, { width: 60, height: 40, onload: () => loaded() });
        frame.src = `${page}#${encodeURIComponent(job)}`;
        document.body.append(frame);";
    let page = format!("http://127.0.0.1:{}/page", server.port());
    let arguments = vec![page.into(), job.to_string().into()];
    browser
        .client
        .execute_async(SCRIPT, arguments)
        .await
        .unwrap();
    let lines = timeout(PATIENCE, server.lines()).await;
    lines.expect("the script in the page does not end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn socket_io_and_signalr_in_chromium() {
    let libraries = [
        SOCKET_IO,
        SOCKET_IO_WITH_TWO_NAMESPACES,
        SOCKET_IO_2,
        SOCKET_IO_2_WITH_TWO_NAMESPACES,
        SOCKET_IO_2_UNTOLD,
        SIGNALR,
    ];
    see_every_reason(&libraries).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phoenix_and_the_cables_in_chromium() {
    let libraries = [
        PHOENIX_1_8_16,
        PHOENIX_1_8_15,
        PHOENIX_1_7,
        ACTION_CABLE,
        ANY_CABLE,
    ];
    see_every_reason(&libraries).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_of_graphql_in_chromium() {
    see_every_reason(&[GRAPHQL_WS, APOLLO_CLIENT, SUBSCRIPTIONS_TRANSPORT_WS]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_of_channels_and_brokers_in_chromium() {
    see_every_reason(&[CENTRIFUGO, PUSHER, STOMP, MQTT_3, MQTT_5, NATS]).await;
}
