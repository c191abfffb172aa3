//! The clock of a layer's leases: one task for all of them.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};
use tower_ws_auth_core::{AuthLayer, Clock, Grant, Rejection};
use tower_ws_auth_socket::lease::{Lease, LeaseLayer};

#[tokio::test(start_paused = true)]
async fn a_later_lease_that_ends_earlier_ends_in_time() {
    let began = Instant::now();
    let now = move || Clock::at(1_700_000_000) + began.elapsed();
    let strategy = move |head: &mut Parts| {
        let left: Duration = head.extensions.remove().unwrap();
        ready(Ok::<_, Rejection>(Grant::new(()).until(now() + left)))
    };
    let handler = service_fn(|request: Request<()>| {
        let mut response = Response::new(());
        *response.extensions_mut() = request.extensions().clone();
        ready(Ok::<_, Infallible>(response))
    });
    let leases = LeaseLayer::expiry_only()
        .clock(Clock::from_fn(now))
        .cooperative();
    let layer = AuthLayer::new(strategy).any_request();
    let service = layer.layer(leases.layer(handler));
    let open = async |left: Duration| -> Lease {
        let mut request = Request::new(());
        request.extensions_mut().insert(left);
        let mut response = service.clone().oneshot(request).await.unwrap();
        response.extensions_mut().remove().unwrap()
    };

    let _long = open(Duration::from_secs(3600)).await;
    // The task sleeps meanwhile.
    sleep(Duration::from_millis(100)).await;
    for left in [500, 950, 1500, 5000, 10] {
        let left = Duration::from_millis(left);
        let from = Instant::now();
        open(left).await.ended().await;
        // A timer counts whole milliseconds.
        let late = from.elapsed().checked_sub(left).unwrap();
        assert!(late <= Duration::from_millis(2), "{left:?}: {late:?}");
    }
}
