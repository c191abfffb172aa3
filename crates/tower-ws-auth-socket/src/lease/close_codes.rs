use crate::frame::{Close, CloseCode};
use tower_ws_auth_core::revocation::DisconnectReason;

/// The default close frame: code 4000 + the HTTP status of the disconnect reason, 1001 for
/// [`GoingAway`](DisconnectReason::GoingAway), the application's own code for its own reason; and the
/// reason's token as reason.
pub fn status_and_reason(reason: &DisconnectReason) -> Close {
    // Each of them is one that may be sent; a test holds that.
    let code = CloseCode::new(reason.code()).unwrap_or(CloseCode::POLICY);
    Close::new(code, reason.reason().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_code_and_its_reason() {
        for (ended, code, reason) in [
            (DisconnectReason::TokenExpired, 4401, "token_expired"),
            (DisconnectReason::SessionEnded, 4401, "session_ended"),
            (DisconnectReason::Revoked, 4403, "revoked"),
            (
                DisconnectReason::TooManyConnections,
                4429,
                "too_many_connections",
            ),
            (DisconnectReason::GoingAway, 1001, "going_away"),
            (
                DisconnectReason::application(4999, "banned").unwrap(),
                4999,
                "banned",
            ),
        ] {
            let close = status_and_reason(&ended);
            assert_eq!((close.code().get(), close.reason()), (code, reason));
        }
    }
}
