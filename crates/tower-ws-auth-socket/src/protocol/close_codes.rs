use crate::frame::{Close, CloseCode};
use http::StatusCode;
use tower_ws_auth_core::revocation::DisconnectReason;
use tower_ws_auth_core::{Advice, Rejection, RejectionKind};

/// Which close codes a client reads.
///
/// A client library that reconnects by itself decides by the code. One that was written for another
/// server reads that server's codes, and under the wrong palette it comes back for ever, or never:
/// to a Centrifuge client 4401 means "reconnect" and 4503 means "stop".
///
/// | rejection | [`Http`] | [`Iana`] | [`Centrifuge`] | [`Pusher`] | the client |
/// |---|---|---|---|---|---|
/// | `credentials_missing`, `session_invalid` | 4401 | 3000 | 3500 | 4009 | stops: log in |
/// | `token_invalid` | 4401 | 3000 | 3500 | 4009 | stops |
/// | `token_expired`, `ticket_invalid` | 4401 | 3000 | 3005 | 4100 | comes back |
/// | `token_not_yet_valid` | 4401 | 3000 | 4401 | 4100 | comes back |
/// | `credentials_malformed`, `handshake_invalid` | 4400, 4405, 4426 | 1008 | 3501 | 4009 | stops |
/// | `forbidden`, `origin_denied` | 4403 | 3003 | 3507 | 4009 | stops |
/// | `rate_limited` | 4429 | 1011 | 4429 | 4100 | backs off |
/// | `unavailable` | 4503 | 1011 | 3004 | 4100 | backs off |
/// | `unavailable`, where another layer answered 408 or 504 | 4408, 4504 | 3008 | 4408 | 4100 | backs off |
///
/// | ending of an open connection | [`Http`] | [`Iana`] | [`Centrifuge`] | [`Pusher`] | the client |
/// |---|---|---|---|---|---|
/// | `token_expired` | 4401 | 3000 | 3005 | 4200 | comes back |
/// | `session_ended` | 4401 | 3000 | 3500 | 4009 | stops: log in |
/// | `revoked` | 4403 | 3003 | 3503 | 4009 | stops |
/// | `too_many_connections` | 4429 | 1008 | 3504 | 4004 | stops, or it would push the next one out |
/// | `going_away` | 1001 | 1001 | 3001 | 4200 | comes back |
/// | the application's own | its own | its own | its own | its own | |
///
/// The reason is the public reason in all of them.
///
/// ```
/// use tower_ws_auth_socket::close::{CloseFrameLayer, ClientProtocol};
/// use tower_ws_auth_core::{DisconnectReason, Rejection, RejectionKind};
///
/// let layer = CloseFrameLayer::new().palette(ClientProtocol::Centrifuge);
/// # let _ = layer;
///
/// // Come back with a new token ...
/// let expired = Rejection::new(RejectionKind::TokenExpired, "`exp` has passed");
/// assert_eq!(ClientProtocol::Centrifuge.rejection(&expired).code().get(), 3005);
/// // ... and do not come back at all.
/// let forbidden = Rejection::new(RejectionKind::Forbidden, "not an editor");
/// assert_eq!(ClientProtocol::Centrifuge.rejection(&forbidden).code().get(), 3507);
///
/// // For `LeaseLayer::close_with`, so that open connections end in the same language.
/// let close_with = |reason: &DisconnectReason| ClientProtocol::Centrifuge.disconnect(reason);
/// assert_eq!(close_with(&DisconnectReason::Revoked).code().get(), 3503);
/// ```
///
/// [`Http`]: Self::Http
/// [`Iana`]: Self::Iana
/// [`Centrifuge`]: Self::Centrifuge
/// [`Pusher`]: Self::Pusher
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientProtocol {
    /// 4000 + the HTTP status. The default.
    #[default]
    Http,
    /// What [IANA has registered]: 3000 "Unauthorized", 3003 "Forbidden", 3008 "Timeout".
    ///
    /// 1011 "Internal Error" stands for "come back later", for 429 as for 503: the registered 1013
    /// "Try Again Later" does not reach pages in WebKit, which report it as 1006.
    ///
    /// [IANA has registered]: https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number
    Iana,
    /// For clients of Centrifugo and of the centrifuge library.
    ///
    /// They stop at 3500-3999 and 4500-4999, and come back with back-off from everything else
    /// ([`Disconnect`]). Where one of [Centrifugo's own codes] says it, that one is sent. Such a
    /// client reads the code only beside a reason, so an application's own reason needs one.
    ///
    /// [`Disconnect`]: https://github.com/centrifugal/centrifuge/blob/master/disconnect.go
    /// [Centrifugo's own codes]: https://centrifugal.dev/docs/server/codes
    Centrifuge,
    /// For clients of Pusher Channels and of servers that speak [its protocol].
    ///
    /// They stop at 4000-4099, come back after a second from 4100-4199 and at once from
    /// 4200-4299. They take a first message for a broken handshake, so leave it out.
    ///
    /// [its protocol]: https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/
    Pusher,
}

impl ClientProtocol {
    /// The close frame for a rejection.
    pub fn rejection(self, rejection: &Rejection) -> Close {
        let code = match self.table() {
            None => CloseCode::from_status(rejection.status()),
            Some(table) => code(table(Meaning::of(rejection.kind()))),
        };
        Close::new(code, rejection.reason())
    }

    /// The close frame for the disconnect reason of an open connection.
    pub fn disconnect(self, reason: &DisconnectReason) -> Close {
        let code = match (reason, self.table()) {
            // An application's code was judged when the disconnect reason was made.
            (DisconnectReason::Application(_), _) | (_, None) => code(reason.code()),
            (_, Some(table)) => code(table(Meaning::of_reason(reason))),
        };
        Close::new(code, reason.reason().to_owned())
    }

    /// The close frame for a response with this status that was classified as this rejection.
    pub(crate) fn classified(self, rejection: &Rejection, status: StatusCode) -> Close {
        let timed_out =
            status == StatusCode::REQUEST_TIMEOUT || status == StatusCode::GATEWAY_TIMEOUT;
        if !timed_out || rejection.kind() != RejectionKind::Unavailable {
            return self.rejection(rejection);
        }
        let code = match self.table() {
            None => CloseCode::from_status(status),
            Some(table) => code(table(Meaning::TimedOut)),
        };
        Close::new(code, rejection.reason())
    }

    /// `None` where the status is the code.
    fn table(self) -> Option<fn(Meaning) -> u16> {
        match self {
            Self::Http => None,
            Self::Iana => Some(iana),
            Self::Centrifuge => Some(centrifuge),
            Self::Pusher => Some(pusher),
        }
    }
}

/// What a client is told to do: the two rows of tables above in one.
#[derive(Clone, Copy)]
enum Meaning {
    /// Stop, until somebody logs in.
    Unauthenticated,
    /// Get a new credential and come back, from a refused handshake.
    Renew,
    /// The same, from an open connection.
    RenewNow,
    /// Come back later with the same credential.
    Early,
    /// Stop: a bug.
    Malformed,
    /// Stop: not permitted.
    Forbidden,
    /// Stop: permitted no longer.
    Revoked,
    /// Stop: there is another connection.
    Replaced,
    /// Back off: too many attempts.
    RateLimited,
    /// Back off: something is missing.
    Unavailable,
    /// Back off: something is slow.
    TimedOut,
    /// Come back, as a rule to another node.
    GoingAway,
}

impl Meaning {
    fn of(kind: RejectionKind) -> Self {
        match kind {
            RejectionKind::Forbidden | RejectionKind::OriginDenied => Self::Forbidden,
            RejectionKind::RateLimited => Self::RateLimited,
            kind => match kind.advice() {
                // No client library refreshes once and then stops by itself.
                Advice::LogIn | Advice::RefreshOnce => Self::Unauthenticated,
                Advice::Refresh => Self::Renew,
                Advice::Wait => Self::Early,
                Advice::BackOff => Self::Unavailable,
                // What is not known here is no reason to come back.
                _ => Self::Malformed,
            },
        }
    }

    fn of_reason(reason: &DisconnectReason) -> Self {
        match reason {
            DisconnectReason::TokenExpired => Self::RenewNow,
            DisconnectReason::SessionEnded => Self::Unauthenticated,
            DisconnectReason::TooManyConnections => Self::Replaced,
            DisconnectReason::GoingAway => Self::GoingAway,
            // What is not known here is no reason to come back.
            _ => Self::Revoked,
        }
    }
}

fn iana(meaning: Meaning) -> u16 {
    match meaning {
        Meaning::Unauthenticated | Meaning::Renew | Meaning::RenewNow | Meaning::Early => 3000,
        Meaning::Malformed | Meaning::Replaced => 1008,
        Meaning::Forbidden | Meaning::Revoked => 3003,
        Meaning::RateLimited | Meaning::Unavailable => 1011,
        Meaning::TimedOut => 3008,
        Meaning::GoingAway => 1001,
    }
}

fn centrifuge(meaning: Meaning) -> u16 {
    match meaning {
        Meaning::Unauthenticated => 3500,
        Meaning::Malformed => 3501,
        Meaning::Revoked => 3503,
        Meaning::Replaced => 3504,
        Meaning::Forbidden => 3507,
        Meaning::GoingAway => 3001,
        Meaning::Unavailable => 3004,
        Meaning::Renew | Meaning::RenewNow => 3005,
        // Not Centrifugo's own, and in its range for "come back".
        Meaning::Early => 4401,
        Meaning::TimedOut => 4408,
        Meaning::RateLimited => 4429,
    }
}

fn pusher(meaning: Meaning) -> u16 {
    match meaning {
        Meaning::Unauthenticated | Meaning::Malformed | Meaning::Forbidden | Meaning::Revoked => {
            4009
        }
        Meaning::Replaced => 4004,
        Meaning::Renew
        | Meaning::Early
        | Meaning::RateLimited
        | Meaning::Unavailable
        | Meaning::TimedOut => 4100,
        Meaning::RenewNow | Meaning::GoingAway => 4200,
    }
}

/// Every number here is one that may be sent; a test holds that.
fn code(number: u16) -> CloseCode {
    CloseCode::new(number).unwrap_or(CloseCode::POLICY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_ws_auth_core::handshake::HandshakeError;

    const ALL: [ClientProtocol; 4] = [
        ClientProtocol::Http,
        ClientProtocol::Iana,
        ClientProtocol::Centrifuge,
        ClientProtocol::Pusher,
    ];

    /// A rejection, and its code in each palette.
    fn rejections() -> Vec<(RejectionKind, [u16; 4])> {
        use RejectionKind as Kind;
        vec![
            (Kind::CredentialsMissing, [4401, 3000, 3500, 4009]),
            (
                Kind::HandshakeInvalid(HandshakeError::Key),
                [4400, 1008, 3501, 4009],
            ),
            (
                Kind::HandshakeInvalid(HandshakeError::Method),
                [4405, 1008, 3501, 4009],
            ),
            (
                Kind::HandshakeInvalid(HandshakeError::Version),
                [4426, 1008, 3501, 4009],
            ),
            (Kind::CredentialsMalformed, [4400, 1008, 3501, 4009]),
            (Kind::TokenInvalid, [4401, 3000, 3500, 4009]),
            (Kind::TokenExpired, [4401, 3000, 3005, 4100]),
            (Kind::TokenNotYetValid, [4401, 3000, 4401, 4100]),
            (Kind::TicketInvalid, [4401, 3000, 3005, 4100]),
            (Kind::SessionInvalid, [4401, 3000, 3500, 4009]),
            (Kind::OriginDenied, [4403, 3003, 3507, 4009]),
            (Kind::Forbidden, [4403, 3003, 3507, 4009]),
            (Kind::RateLimited, [4429, 1011, 4429, 4100]),
            (Kind::Unavailable, [4503, 1011, 3004, 4100]),
        ]
    }

    /// A disconnect reason, and its code in each palette.
    fn reasons() -> Vec<(DisconnectReason, [u16; 4])> {
        let own = DisconnectReason::application(4321, "moved").unwrap();
        vec![
            (DisconnectReason::TokenExpired, [4401, 3000, 3005, 4200]),
            (DisconnectReason::SessionEnded, [4401, 3000, 3500, 4009]),
            (DisconnectReason::Revoked, [4403, 3003, 3503, 4009]),
            (
                DisconnectReason::TooManyConnections,
                [4429, 1008, 3504, 4004],
            ),
            (DisconnectReason::GoingAway, [1001, 1001, 3001, 4200]),
            (own, [4321; 4]),
        ]
    }

    #[test]
    fn every_rejection_has_its_code_and_the_public_token() {
        for (kind, codes) in rejections() {
            let rejection = Rejection::new(kind, "");
            for (palette, code) in ALL.into_iter().zip(codes) {
                let close = palette.rejection(&rejection);
                assert_eq!(close.code().get(), code, "{palette:?} {kind:?}");
                assert_eq!(close.reason(), kind.reason());
                // Only a timeout has a code of its own.
                let status = kind.status();
                assert_eq!(palette.classified(&rejection, status), close);
            }
        }
    }

    #[test]
    fn every_reason_has_its_code_and_its_token() {
        for (reason, codes) in reasons() {
            for (palette, code) in ALL.into_iter().zip(codes) {
                let close = palette.disconnect(&reason);
                assert_eq!(close.code().get(), code, "{palette:?} {reason:?}");
                assert_eq!(close.reason(), reason.reason());
            }
        }
    }

    #[test]
    fn a_timeout_of_another_layer_has_a_code_of_its_own() {
        let slow = Rejection::new(RejectionKind::Unavailable, "");
        for (status, codes) in [
            (408, [4408, 3008, 4408, 4100]),
            (504, [4504, 3008, 4408, 4100]),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            for (palette, code) in ALL.into_iter().zip(codes) {
                let close = palette.classified(&slow, status);
                assert_eq!((close.code().get(), close.reason()), (code, "unavailable"));
            }
        }
        let other = Rejection::new(RejectionKind::Forbidden, "");
        let close = ClientProtocol::Iana.classified(&other, StatusCode::REQUEST_TIMEOUT);
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

    /// What [`Advice`] says, as a client library that knows only "stop" and "come back".
    fn comes_back(kind: RejectionKind) -> bool {
        match kind.advice() {
            Advice::Refresh | Advice::Wait | Advice::BackOff => true,
            Advice::LogIn | Advice::RefreshOnce | Advice::Stop => false,
            other => panic!("{other:?} is not classified"),
        }
    }

    /// `isReconnect` in centrifuge's disconnect.go.
    fn centrifuge_client_comes_back(code: u16) -> bool {
        !(3500..4000).contains(&code) && !(4500..5000).contains(&code)
    }

    /// Section "Connection closure" of the Pusher Channels protocol.
    fn pusher_client_comes_back(code: u16) -> bool {
        match code {
            4000..=4099 => false,
            4100..=4299 => true,
            _ => panic!("{code} means nothing to a Pusher client"),
        }
    }

    #[test]
    fn a_client_of_centrifuge_or_pusher_comes_back_exactly_when_it_should() {
        for (kind, [_, _, centrifuge, pusher]) in rejections() {
            assert_eq!(
                centrifuge_client_comes_back(centrifuge),
                comes_back(kind),
                "{kind:?}"
            );
            assert_eq!(
                pusher_client_comes_back(pusher),
                comes_back(kind),
                "{kind:?}"
            );
        }
        for (reason, [_, _, centrifuge, pusher]) in reasons() {
            let should = match reason {
                DisconnectReason::TokenExpired | DisconnectReason::GoingAway => true,
                DisconnectReason::Application(_) => continue,
                _ => false,
            };
            assert_eq!(centrifuge_client_comes_back(centrifuge), should, "{reason}");
            assert_eq!(pusher_client_comes_back(pusher), should, "{reason}");
        }
    }
}
