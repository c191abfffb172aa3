//! The layers' metrics in the format of Prometheus.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::sleep;
use tower_ws_auth::telemetry;

/// From a token that is checked at once to a slow store.
const SECONDS: [f64; 10] = [
    0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0,
];

/// `GET /metrics`. It shows no secret and no name, but it is for operators only. If strangers reach
/// the server, give it an address of its own.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>()
-> Result<Router<S>, Box<dyn Error + Send + Sync>> {
    let counts = counts()?;
    let answer = async move || {
        let headers = [
            (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
        ];
        (headers, counts.render()).into_response()
    };
    Ok(Router::new().route("/metrics", get(answer)))
}

/// One recorder per process: several chats in one process count together.
fn counts() -> Result<PrometheusHandle, Box<dyn Error + Send + Sync>> {
    static COUNTS: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

    let mut installed = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(counts) = &*installed {
        return Ok(counts.clone());
    }
    let decisions = Matcher::Full(telemetry::DECISION_SECONDS.to_owned());
    let counts = PrometheusBuilder::new()
        .set_buckets_for_metric(decisions, &SECONDS)?
        .install_recorder()
        .map_err(|error| format!("--metrics: {error}"))?;
    telemetry::describe();
    let upkeep = counts.clone();
    tokio::spawn(async move {
        // Without it, measurements would accumulate until the next scrape.
        loop {
            sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    *installed = Some(counts.clone());
    Ok(counts)
}
