//! The close codes of the built-in protocols.

use crate::protocol::Cause;
use crate::protocol::cause::NextStep;

pub(crate) fn iana(cause: Cause) -> u16 {
    match cause {
        Cause::Unauthenticated
        | Cause::Stale
        | Cause::NotYetValid
        | Cause::TokenExpired
        | Cause::SessionEnded => 3000,
        Cause::Malformed | Cause::TooManyConnections => 1008,
        Cause::Forbidden | Cause::Revoked | Cause::Application => 3003,
        Cause::RateLimited | Cause::Unavailable => 1011,
        Cause::TimedOut => 3008,
        Cause::GoingAway => 1001,
    }
}

/// An expired connection comes back after any code, and reads it in `disconnect`.
pub(crate) fn socket_io(cause: Cause) -> Option<u16> {
    match cause {
        Cause::TokenExpired | Cause::GoingAway => None,
        _ => Some(1000),
    }
}

/// Fatal are 4400, 4401, 4429 and most of 1002 to 1999; 1000 is retried at once, for ever.
pub(crate) fn graphql_ws(cause: Cause) -> u16 {
    match (cause, cause.next_step()) {
        (Cause::Malformed, _) => 4400,
        (Cause::GoingAway, _) => 1001,
        (_, NextStep::Stop) => 4401,
        (_, NextStep::Refresh) => 4403,
        (_, NextStep::ComeBack) => 4503,
    }
}

/// Where one of [Centrifugo's own codes] says it, that one.
///
/// [Centrifugo's own codes]: https://centrifugal.dev/docs/server/codes
pub(crate) fn centrifugo(cause: Cause) -> u16 {
    match cause {
        Cause::Unauthenticated | Cause::SessionEnded => 3500,
        Cause::Malformed => 3501,
        Cause::Revoked | Cause::Application => 3503,
        Cause::TooManyConnections => 3504,
        Cause::Forbidden => 3507,
        Cause::GoingAway => 3001,
        Cause::Unavailable | Cause::TimedOut | Cause::NotYetValid => 3004,
        Cause::RateLimited => 3013,
        // "State invalidated": the only one after which it asks for a new token.
        Cause::Stale | Cause::TokenExpired => 3014,
    }
}

/// 4000 to 4099 stop, 4200 to 4299 come back at once.
pub(crate) fn pusher(cause: Cause) -> u16 {
    match (cause, cause.next_step()) {
        (Cause::TooManyConnections, _) => 4004,
        (_, NextStep::Stop | NextStep::Refresh) => 4009,
        (_, NextStep::ComeBack) => 4200,
    }
}

#[cfg(test)]
mod tests {
    use tower_ws_auth_core::handshake::HandshakeError;
    use tower_ws_auth_core::{Advice, DisconnectReason, Rejection, RejectionKind};

    use crate::frame::CloseCode;
    use crate::protocol::ClientProtocol;
    use http::StatusCode;

    fn protocols() -> [ClientProtocol; 5] {
        [
            ClientProtocol::plain(),
            ClientProtocol::iana(),
            ClientProtocol::centrifugo(),
            ClientProtocol::pusher(),
            ClientProtocol::graphql_ws(),
        ]
    }

    /// A rejection, and its code in each of these protocols.
    fn rejections() -> Vec<(RejectionKind, [u16; 5])> {
        use RejectionKind as Kind;
        let invalid = |error| Kind::HandshakeInvalid(error);
        vec![
            (Kind::CredentialsMissing, [4401, 3000, 3500, 4009, 4401]),
            (invalid(HandshakeError::Key), [4400, 1008, 3501, 4009, 4400]),
            (
                invalid(HandshakeError::Method),
                [4405, 1008, 3501, 4009, 4400],
            ),
            (
                invalid(HandshakeError::Version),
                [4426, 1008, 3501, 4009, 4400],
            ),
            (Kind::CredentialsMalformed, [4400, 1008, 3501, 4009, 4400]),
            (Kind::MessageMalformed, [4400, 1008, 3501, 4009, 4400]),
            (Kind::MessageTimeout, [4408, 3008, 3004, 4200, 4503]),
            (Kind::TokenInvalid, [4401, 3000, 3500, 4009, 4401]),
            (Kind::TokenExpired, [4401, 3000, 3014, 4009, 4403]),
            (Kind::TokenNotYetValid, [4401, 3000, 3004, 4200, 4503]),
            (Kind::TicketInvalid, [4401, 3000, 3014, 4009, 4403]),
            (Kind::SessionInvalid, [4401, 3000, 3500, 4009, 4401]),
            (Kind::OriginDenied, [4403, 3003, 3507, 4009, 4401]),
            (Kind::Forbidden, [4403, 3003, 3507, 4009, 4401]),
            (Kind::RateLimited, [4429, 1011, 3013, 4200, 4503]),
            (Kind::Unavailable, [4503, 1011, 3004, 4200, 4503]),
        ]
    }

    /// A disconnect reason, and its code in each of these protocols.
    fn reasons() -> Vec<(DisconnectReason, [u16; 5])> {
        use DisconnectReason as Reason;
        let own = Reason::application(4321, "moved").unwrap();
        vec![
            (Reason::TokenExpired, [4401, 3000, 3014, 4009, 4403]),
            (Reason::SessionEnded, [4401, 3000, 3500, 4009, 4401]),
            (Reason::Revoked, [4403, 3003, 3503, 4009, 4401]),
            (Reason::TooManyConnections, [4429, 1008, 3504, 4004, 4401]),
            (Reason::GoingAway, [1001, 1001, 3001, 4200, 1001]),
            (own, [4321; 5]),
        ]
    }

    #[test]
    fn every_rejection_has_its_code_and_the_public_token() {
        for (kind, codes) in rejections() {
            let rejection = Rejection::new(kind, "");
            for (protocol, code) in protocols().into_iter().zip(codes) {
                let close = protocol.rejection(&rejection);
                assert_eq!(close.code().get(), code, "{protocol:?} {kind:?}");
                assert_eq!(close.reason(), kind.reason());
            }
        }
    }

    #[test]
    fn every_reason_has_its_code_and_its_token() {
        for (reason, codes) in reasons() {
            for (protocol, code) in protocols().into_iter().zip(codes) {
                let close = protocol.disconnect(&reason);
                assert_eq!(close.code().get(), code, "{protocol:?} {reason:?}");
                assert_eq!(close.reason(), reason.reason());
            }
        }
    }

    #[test]
    fn a_timeout_of_another_layer_has_a_code_of_its_own() {
        let slow = Rejection::new(RejectionKind::Unavailable, "");
        for (status, codes) in [
            (408, [4408, 3008, 3004, 4200, 4503]),
            (504, [4504, 3008, 3004, 4200, 4503]),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            for (protocol, code) in protocols().into_iter().zip(codes) {
                let close = protocol.classified(&slow, status);
                assert_eq!((close.code().get(), close.reason()), (code, "unavailable"));
            }
        }
        let other = Rejection::new(RejectionKind::Forbidden, "");
        let close = ClientProtocol::iana().classified(&other, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(close.code().get(), 3003);
    }

    #[test]
    fn every_browser_shows_every_code() {
        let rejections = rejections().into_iter().map(|(_, codes)| codes);
        for number in rejections
            .chain(reasons().into_iter().map(|(_, codes)| codes))
            .flatten()
        {
            assert!(CloseCode::new(number).unwrap().is_portable(), "{number}");
        }
    }

    /// `isReconnect` in centrifuge's disconnect.go.
    fn centrifuge_comes_back(code: u16) -> bool {
        !(3500..4000).contains(&code) && !(4500..5000).contains(&code)
    }

    /// `isFatalInternalCloseCode` and more in graphql-ws's client.ts.
    fn graphql_ws_comes_back(code: u16) -> bool {
        !matches!(code, 4400 | 4401 | 4004 | 4005 | 4406 | 4409 | 4429 | 4500)
    }

    #[test]
    fn a_client_comes_back_exactly_when_it_should() {
        let mut told: Vec<_> = rejections()
            .into_iter()
            .map(|(kind, codes)| {
                let stops = Advice::LogIn == kind.advice()
                    || Advice::RefreshOnce == kind.advice()
                    || Advice::Stop == kind.advice();
                let refreshes = kind.advice() == Advice::Refresh;
                (format!("{kind:?}"), !stops, refreshes, codes)
            })
            .collect();
        for (reason, codes) in reasons() {
            let refreshes = reason == DisconnectReason::TokenExpired;
            let comes_back = refreshes || reason == DisconnectReason::GoingAway;
            if !matches!(reason, DisconnectReason::Application(_)) {
                told.push((format!("{reason:?}"), comes_back, refreshes, codes));
            }
        }
        for (cause, comes_back, refreshes, [_, _, centrifuge, pusher, graphql_ws]) in told {
            assert_eq!(centrifuge_comes_back(centrifuge), comes_back, "{cause}");
            assert_eq!(centrifuge == 3014, refreshes, "{cause}");
            assert_eq!(graphql_ws_comes_back(graphql_ws), comes_back, "{cause}");
            assert_eq!(graphql_ws == 4403, refreshes, "{cause}");
            // Pusher's has no code for a refresh: it stops, and its application begins anew.
            assert_eq!(
                (4200..4300).contains(&pusher),
                comes_back && !refreshes,
                "{cause}"
            );
        }
    }
}
