//! Thousands of refused clients that never close: bounded, and gone by the deadline.

use std::time::{Duration, Instant};

use socket_tests::{Server, Stack};
use test_support::{Stopwatch, of_tier};
use tower_ws_auth::CloseFrameLayer;

use crate::ALONE;
use crate::clients::{
    Clients, allow_descriptors, answered, back_to, descriptors, idle, resident_bytes, tasks,
};

/// Five or twenty seconds, and more on a machine on which the clients need so long to be there all at once:
/// some of them show how fast it is.
async fn deadline(clients: usize) -> Duration {
    let some = clients / 20;
    let server = Server::axum(Stack::default()).await.unwrap();
    let (idle_tasks, idle_descriptors) = (tasks(), descriptors());
    let began = Instant::now();
    let (clients, output) = Clients::start(server.address, some);
    assert_eq!(answered(output).await, format!("upgraded {some} plain 0"));
    let deadline = began.elapsed() * 20 * 3 / 2;
    drop(clients);
    back_to(idle_tasks, idle_descriptors).await;
    deadline.clamp(
        of_tier(Duration::from_secs(5), Duration::from_secs(20)),
        Duration::from_secs(90),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_permits_for_all_no_task_and_no_descriptor_is_left_a_second_after_the_deadline() {
    let _alone = ALONE.lock().await;
    allow_descriptors(12_000);
    let count = of_tier(1_000, 10_000);
    let deadline = deadline(count).await;
    let close = CloseFrameLayer::new()
        .max_closing_handshakes(count)
        .deadline(deadline);
    let server = Server::axum(Stack::closing(close)).await.unwrap();
    let (idle_tasks, idle_descriptors) = idle().await;
    let idle_bytes = resident_bytes();

    let began = Instant::now();
    let (clients, output) = Clients::start(server.address, count);
    assert_eq!(answered(output).await, format!("upgraded {count} plain 0"));
    let all_in = Instant::now();
    assert!(
        all_in - began < deadline,
        "the clients were too slow to be there all at once"
    );
    let (full_tasks, full_descriptors) = (tasks(), descriptors());
    assert!(full_tasks >= count, "{full_tasks} tasks");
    assert!(full_descriptors >= count, "{full_descriptors} descriptors");
    let each = (resident_bytes() - idle_bytes) / count;
    println!(
        "{count} refused clients: {each} bytes resident and {} tasks each",
        full_tasks / count
    );

    tokio::time::sleep_until((all_in + deadline).into()).await;
    let late = Stopwatch::start();
    // The clients' pipes belong to this process too.
    back_to(idle_tasks, idle_descriptors + 2).await;
    assert!(
        late.elapsed() < Duration::from_secs(1),
        "{:?}",
        late.elapsed()
    );
    println!(
        "all are gone {:?} after the last one came, of {deadline:?}",
        all_in.elapsed()
    );
    assert_eq!(server.echo.calls(), 0);
    drop(clients);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_default_permits_the_others_get_plain_http_at_once() {
    let _alone = ALONE.lock().await;
    allow_descriptors(4_000);
    // Held for so long that no permit comes back while the clients arrive.
    let close = CloseFrameLayer::new().deadline(Duration::from_secs(180));
    let server = Server::axum(Stack::closing(close)).await.unwrap();
    let began = Instant::now();
    let (clients, output) = Clients::start(server.address, 3_000);
    assert_eq!(answered(output).await, "upgraded 1024 plain 1976");
    assert!(
        began.elapsed() < Duration::from_secs(90),
        "{:?}",
        began.elapsed()
    );
    drop(clients);
}
