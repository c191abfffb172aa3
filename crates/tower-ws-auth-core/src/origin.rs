//! The pages that may connect: [`OriginLayer`] compares a request's `Origin` with an allow-list.
//!
//! A browser opens a WebSocket for any page to any server, and sends the cookies along. CORS does
//! not apply to it. Only the `Origin` field distinguishes a foreign page from your own: the browser
//! writes it, and the page cannot change it (RFC 6455 §10.2).
//!
//! - An origin is compared whole and byte for byte: scheme, host and port. Another port is
//!   another origin.
//! - Two `Origin` fields, `null`, and everything that is not written as browsers write it are
//!   refused with 403 `origin_denied`. If this layer stands outside of the one that reads
//!   credentials, a refused page learns nothing about its visitor.
//! - A request without `Origin` does not come from a browser's WebSocket. [`MissingOrigin`] decides
//!   about it. A strategy that reads a cookie requires an allowed origin in any case.
//! - An accepted request with an `Origin` carries [`AllowedOrigin`] in its
//!   extensions. A refused one loses its query, `Authorization`, cookies and credential-bearing
//!   subprotocols.
//!
//! `Origin` proves something about browsers only: any other client can send any value. It does not
//! replace authentication.
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, Service, ServiceExt};
//! use tower_ws_auth_core::{AllowedOrigin, Rejection};
//! use tower_ws_auth_core::origin::{MissingOrigin, OriginLayer, Origins};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let origins = Origins::new(["https://example.com", "https://*.example.com"])?;
//! let layer = OriginLayer::new(origins, MissingOrigin::Refuse);
//! let mut service = layer.layer(tower::service_fn(async |request: Request<()>| {
//!     let origin = request.extensions().get::<AllowedOrigin>().unwrap().value().clone();
//!     Ok::<_, std::io::Error>(Response::new(format!("hello, {}", origin.to_str().unwrap())))
//! }));
//! let from = |page: &str| Request::get("/ws").header("origin", page).body(()).unwrap();
//!
//! let accepted = service.ready().await?.call(from("https://app.example.com")).await?;
//! assert_eq!(accepted.status(), StatusCode::OK);
//!
//! let refused = service.ready().await?.call(from("https://example.com.evil.net")).await?;
//! assert_eq!(refused.status(), StatusCode::FORBIDDEN);
//! assert_eq!(refused.extensions().get::<Rejection>().unwrap().reason(), "origin_denied");
//! # Ok(())
//! # }
//! ```

mod allowed;
mod layer;
mod origins;
mod pattern;
mod trace;

pub use self::allowed::AllowedOrigin;
pub use self::layer::{MissingOrigin, Origin, OriginLayer};
pub use self::origins::{OriginCheck, Origins, Scheme};
pub use self::pattern::OriginsError;
