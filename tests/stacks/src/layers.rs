use std::time::Duration;

use socket_tests::{Claims, Stack};
use tower_ws_auth::{CloseFrameLayer, JwtLayer, LeaseLayer, OriginLayer, RedactError, RedactLayer};

/// Hides `?token=` on `/ws` from the layers inside.
///
/// # Errors
///
/// Never.
pub fn redact() -> Result<RedactLayer, RedactError> {
    RedactLayer::new(["token"], ["/ws"])
}

/// Without a reject delay, which these tests are not about.
pub fn close() -> CloseFrameLayer {
    CloseFrameLayer::new().reject_delay(Duration::ZERO)
}

/// Allows [`APP`](crate::APP), and clients without an `Origin`.
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
