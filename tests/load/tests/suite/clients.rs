//! 10,000 clients in a process of their own, and their cost for this one.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use test_support::{stands_still, within};
use tokio::runtime::Handle;

/// The clients' process, which always ends with the test.
pub(crate) struct Clients(Child);

impl Clients {
    pub(crate) fn start(
        address: std::net::SocketAddr,
        count: usize,
    ) -> (Self, BufReader<ChildStdout>) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_silent-clients"))
            .args([address.to_string(), count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        (Self(child), output)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// The tasks and descriptors of a server that has started.
pub(crate) async fn idle() -> (usize, usize) {
    let time = Duration::from_millis(100);
    stands_still("tasks and descriptors", time, || (tasks(), descriptors())).await
}

/// Waits until no more tasks and descriptors are there than these; a slow machine needs its time.
pub(crate) async fn back_to(idle_tasks: usize, idle_descriptors: usize) {
    let left = || {
        format!(
            "{} tasks and {} descriptors are left, {idle_tasks} and {idle_descriptors} before",
            tasks(),
            descriptors()
        )
    };
    let back = || tasks() <= idle_tasks && descriptors() <= idle_descriptors;
    within(Duration::from_secs(20)).until(left, back).await;
}

pub(crate) fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

pub(crate) async fn answered(mut output: BufReader<ChildStdout>) -> String {
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    });
    tokio::time::timeout(Duration::from_secs(200), line)
        .await
        .unwrap()
        .unwrap()
}

pub(crate) fn allow_descriptors(count: u64) {
    let reached = rlimit::increase_nofile_limit(count).unwrap();
    assert!(
        reached >= count,
        "this test needs {count} open files and may have {reached}: raise the hard limit (ulimit -Hn)"
    );
}
