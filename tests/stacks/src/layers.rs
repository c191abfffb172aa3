use std::time::Duration;

use socket_tests::{Claims, Stack};
use tower_ws_auth::{CloseFrameLayer, JwtLayer, LeaseLayer, OriginLayer, RedactError, RedactLayer};

/// Takes `?token=` out of what the layers inside see of `/ws`.
///
/// # Errors
///
/// Never.
pub fn redact() -> Result<RedactLayer, RedactError> {
    RedactLayer::new(["token"], ["/ws"])
}

/// Told at once: the tests here are about something else than the storm brake.
pub fn close() -> CloseFrameLayer {
    CloseFrameLayer::new().reject_delay(Duration::ZERO)
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
