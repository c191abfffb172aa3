use std::process::Command;

/// Sends a process a signal, such as `TERM` or `STOP`.
///
/// # Panics
///
/// The process is gone.
pub fn signal(process: u32, name: &str) {
    let mut kill = Command::new("kill");
    let status = kill.args(["-s", name, &process.to_string()]).status();
    assert!(status.unwrap().success(), "SIG{name} for {process}");
}
