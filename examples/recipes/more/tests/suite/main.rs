//! Each recipe is run as it stands, and asked by a real client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../src/async_graphql.rs"]
mod async_graphql_recipe;
#[path = "../../../tests/suite/clients.rs"]
#[allow(dead_code, reason = "the other recipes need more of them")]
mod clients;
#[cfg(feature = "clients")]
mod gateway;
#[path = "../../../tests/suite/hyper_clients.rs"]
mod hyper_clients;
#[path = "../../src/juniper.rs"]
mod juniper_recipe;
#[path = "../../src/mcp.rs"]
mod mcp;
#[path = "../../src/open_telemetry.rs"]
mod open_telemetry;
mod others;
#[path = "../../src/yawc.rs"]
mod yawc_recipe;
