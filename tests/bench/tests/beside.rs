//! The servers that `cargo xtask bench --beside` measures do the same work: each accepts a token,
//! refuses an expired one, and echoes. Nothing is measured here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "beside")]

use std::process::Command;

/// The servers whose names contain these words.
fn accept_refuse_and_echo(names: &[&str]) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_bench-beside"));
    program.arg("--check");
    for name in names {
        program.args(["--only", name]);
    }
    let output = program.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{error}");
    for name in names {
        let line = format!("{name}: accepts, refuses and echoes");
        assert!(said.contains(&line), "{said}");
    }
}

#[test]
fn the_servers_in_rust_accept_refuse_and_echo() {
    accept_refuse_and_echo(&[
        "tower-ws-auth on axum",
        "the same with a lease",
        "axum by hand",
        "socketioxide by hand",
    ]);
}

#[test]
fn the_servers_in_node_accept_refuse_and_echo() {
    accept_refuse_and_echo(&["ws + jsonwebtoken", "Express + Socket.IO"]);
}

#[test]
fn the_server_in_python_accepts_refuses_and_echoes() {
    accept_refuse_and_echo(&["FastAPI + PyJWT"]);
}

#[test]
fn the_proxies_accept_refuse_and_echo() {
    accept_refuse_and_echo(&["gateway, then ws", "nginx, then ws + jsonwebtoken"]);
}
