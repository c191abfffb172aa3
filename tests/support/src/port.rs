use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// A free port of 127.0.0.1.
///
/// It is outside of the range that the system hands out, so it stays free while a server starts or
/// restarts. Only another caller of this function could take it, and every test process begins
/// elsewhere.
pub fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    loop {
        let asked = ASKED.fetch_add(1, Ordering::Relaxed);
        let n = std::process::id().wrapping_mul(37).wrapping_add(asked) % 20_000;
        let port = u16::try_from(10_000 + n).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
