//! The shared parts of the tests of whole stacks: our layers, services behind them, and the two
//! clients that every stack must serve.
//!
//! One `ServiceBuilder` per route:
//!
//! ```
//! use axum::{Router, routing::any};
//! use stacks_tests::{auth, close, echo};
//!
//! let stack = tower::ServiceBuilder::new().layer(close()).layer(auth());
//! let app: Router = Router::new().route("/ws", any(echo).layer(stack));
//! ```
//!
//! Two calls do not infer their types:
//!
//! ```compile_fail,E0283
//! use axum::{Router, routing::any};
//! use stacks_tests::{auth, close, echo};
//!
//! let app: Router = Router::new().route("/ws", any(echo).layer(auth()).layer(close()));
//! ```
//!
//! A rate limiter of `tower_governor` wraps axum's body:
//!
//! ```
//! use axum::{Router, body::Body, routing::any};
//! use stacks_tests::{auth, echo};
//! use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};
//! use tower_http::map_response_body::MapResponseBodyLayer;
//!
//! let limit = GovernorConfigBuilder::default().finish().unwrap();
//! let stack = tower::ServiceBuilder::new()
//!     .layer(GovernorLayer::new(limit))
//!     .layer(MapResponseBodyLayer::new(Body::new))
//!     .layer(auth());
//! let app: Router = Router::new().route("/ws", any(echo).layer(stack));
//! ```
//!
//! It wraps no other:
//!
//! ```compile_fail,E0277
//! use axum::{Router, body::Body, routing::any};
//! use stacks_tests::{auth, echo};
//! use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};
//! use tower_http::map_response_body::MapResponseBodyLayer;
//!
//! let limit = GovernorConfigBuilder::default().finish().unwrap();
//! let stack = tower::ServiceBuilder::new()
//!     .layer(GovernorLayer::new(limit))
//!     .layer(auth());
//! let app: Router = Router::new().route("/ws", any(echo).layer(stack));
//! ```

mod clients;
mod layers;
mod servers;

pub use self::clients::{APP, EVIL, accepts, browser, browser_at, plain, refuses};
pub use self::layers::{auth, close, lease, origin, redact};
pub use self::servers::{bare_echo, echo, serve, serve_hyper};
