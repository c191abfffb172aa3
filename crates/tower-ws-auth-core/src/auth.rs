//! The seam, and the one layer around it: authenticates a request or says why it is refused.

mod and_then;
mod any_of;
mod authenticate;
mod authenticate_ext;
mod authenticated;
mod combine;
pub(crate) mod future;
mod gate;
mod grant;
mod label;
mod layer;
mod optional;
#[cfg(feature = "axum")]
mod path;
mod peek;
mod presented;
mod refused;
mod renewing;
mod service;
mod validity;

pub use self::and_then::{AndThen, AndThenFuture};
pub use self::any_of::{AnyOf, Chosen, Either, EitherFuture};
pub use self::authenticate::{Authenticate, Called};
pub use self::authenticate_ext::AuthenticateExt;
pub use self::authenticated::Authenticated;
#[cfg(feature = "axum")]
pub use self::authenticated::MissingAuthLayer;
pub use self::combine::{Authorize, Map, Permit};
pub use self::future::ResponseFuture;
pub use self::gate::Gate;
pub use self::grant::Grant;
pub use self::label::Label;
pub use self::layer::AuthLayer;
pub(crate) use self::layer::Who;
pub use self::optional::{Optional, OptionalFuture};
#[cfg(feature = "axum")]
pub use self::path::{ByPath, path_params};
pub use self::presented::Presented;
pub use self::refused::RefusedIdentity;
pub use self::renewing::{Renewed, Renewing};
pub use self::service::Auth;
pub use self::validity::Validity;
