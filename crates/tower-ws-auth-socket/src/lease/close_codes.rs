use crate::frame::{Close, CloseCode};
use tower_ws_auth_core::revocation::Ending;

/// The default close frame: code 4000 + the HTTP status of the ending, 1001 for
/// [`GoingAway`](Ending::GoingAway), the application's own code for its own ending; and the
/// ending's token as reason.
pub fn status_and_token(ending: &Ending) -> Close {
    // Each of them is one that may be sent; a test holds that.
    let code = CloseCode::new(ending.code()).unwrap_or(CloseCode::POLICY);
    Close::new(code, ending.token().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_its_code_and_its_reason() {
        for (ending, code, reason) in [
            (Ending::TokenExpired, 4401, "token_expired"),
            (Ending::SessionEnded, 4401, "session_ended"),
            (Ending::Revoked, 4403, "revoked"),
            (Ending::TooManyConnections, 4429, "too_many_connections"),
            (Ending::GoingAway, 1001, "going_away"),
            (Ending::application(4999, "banned").unwrap(), 4999, "banned"),
        ] {
            let close = status_and_token(&ending);
            assert_eq!((close.code().get(), close.reason()), (code, reason));
        }
    }
}
