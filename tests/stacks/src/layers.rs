use std::time::Duration;

use socket_tests::{Claims, Stack};
use tower_ws_auth::{CloseFrameLayer, JwtLayer, LeaseLayer, LiftError, LiftLayer, OriginLayer};

/// Takes `?token=` out of what the layers inside see of `/ws`.
///
/// # Errors
///
/// Never.
pub fn lift() -> Result<LiftLayer, LiftError> {
    LiftLayer::new(["token"], ["/ws"])
}

/// Told at once: the tests here are about something else than the storm brake.
pub fn close() -> CloseFrameLayer {
    CloseFrameLayer::new().hold(Duration::ZERO)
}

/// Lets [`APP`](crate::APP) in, and clients without an `Origin`.
pub fn origin() -> OriginLayer {
    Stack::default().origin
}

/// HS256 with [`SECRET`](socket_tests::SECRET), in `?token=` among others.
pub fn auth() -> JwtLayer<Claims> {
    Stack::default().jwt
}

/// Ends a connection with its token.
pub fn lease() -> LeaseLayer {
    LeaseLayer::expiry_only()
}
