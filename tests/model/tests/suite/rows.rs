//! One test for each thing that the protocol did differently once, or must not do differently.
//!
//! Each shows three explorations of one small world. The protocol as it was breaks a rule, unless
//! it was right about that. The mended protocol with this one fault breaks it too. Without the
//! fault no rule is broken in any state.

use crate::explore::{counterexample, keeps_every_rule};
use crate::protocol::{Claims, Minted, Protocol};
use crate::rules::Rule;
use crate::seen::Seen;
use crate::setup::{Budget, OverLimit, QUIET, Setup, Start, WITHIN_SKEW};
use crate::state::{Kind, User};

/// A rule that a fault breaks.
struct Row {
    name: &'static str,
    world: Setup,
    fault: fn(&mut Protocol),
    breaks: Rule,
    /// Whether the protocol as it was breaks the rule in the same world.
    was_so: bool,
    /// The events that the clean exploration must see.
    comes_by: &'static [Seen],
}

impl Row {
    fn check(self) {
        let mut faulty = Protocol::mended();
        (self.fault)(&mut faulty);
        let name = self.name;
        let by_this_fault = counterexample(self.world.clone(), faulty, self.breaks);
        assert!(by_this_fault.is_some(), "{name}: not by this fault alone");
        println!("{name}: {by_this_fault:?}");
        let before = counterexample(self.world.clone(), Protocol::before(), self.breaks);
        assert_eq!(before.is_some(), self.was_so, "{name}: before: {before:?}");
        keeps_every_rule(name, self.world, Protocol::mended(), self.comes_by);
    }
}

const ONE_HANDSHAKE: Budget = Budget {
    handshakes: 1,
    ..QUIET.budget
};

const TWO_HANDSHAKES: Budget = Budget {
    handshakes: 2,
    ..QUIET.budget
};

/// Any client presents one credential while one key is revoked.
const ONE_REVOCATION: Budget = Budget {
    revocations: 1,
    ..ONE_HANDSHAKE
};

/// The store is asked before the revocation is written, and the handshake is not registered when it
/// is told.
#[test]
fn a_handshake_registers_before_it_asks() {
    Row {
        name: "a handshake that registers late",
        world: REVOKED_TOKEN,
        fault: |protocol| protocol.registers_first = false,
        breaks: Rule::RevokedIsRefused,
        was_so: false,
        comes_by: &[Seen::TokenAccepted, Seen::RefusedByNews],
    }
    .check();
}

/// The handshake registers when the revocation has been told, and asks before it is written.
#[test]
fn a_revocation_is_written_before_it_is_told() {
    Row {
        name: "a revocation that is told early",
        world: REVOKED_TOKEN,
        fault: |protocol| protocol.writes_first = false,
        breaks: Rule::RevokedIsRefused,
        was_so: false,
        comes_by: &[Seen::TokenAccepted, Seen::EndedWhereRevoked],
    }
    .check();
}

const REVOKED_TOKEN: Setup = Setup {
    start: &[Start::TOKEN],
    budget: ONE_REVOCATION,
    bans: true,
    ..QUIET
};

/// The headers of the request for a ticket arrive, then the logout, then the request's body.
#[test]
fn a_ticket_ends_with_the_session_that_it_is_minted_for() {
    Row {
        name: "a ticket of a session",
        world: Setup {
            start: &[Start::SESSION],
            mint: &[Kind::Ticket],
            budget: Budget {
                mints: 1,
                ..ONE_REVOCATION
            },
            bans: true,
            horizon: 3,
            ..QUIET
        },
        fault: |protocol| protocol.minted = Minted::AtMinting,
        breaks: Rule::RevokedIsRefused,
        was_so: true,
        comes_by: &[
            Seen::TicketMinted,
            Seen::TicketAccepted,
            Seen::RefusedAsRevoked,
        ],
    }
    .check();
}

/// The same with a token, which did not even have the session's key.
#[test]
fn a_token_ends_with_the_session_that_it_is_minted_for() {
    Row {
        name: "a token of a session",
        world: Setup {
            start: &[Start::SESSION],
            mint: &[Kind::Token],
            budget: Budget {
                mints: 1,
                ..ONE_REVOCATION
            },
            logouts: true,
            horizon: 2,
            ..QUIET
        },
        fault: |protocol| protocol.minted = Minted::AtMinting,
        breaks: Rule::RevokedIsRefused,
        was_so: true,
        comes_by: &[
            Seen::TokenMinted,
            Seen::TokenAccepted,
            Seen::RefusedAsRevoked,
        ],
    }
    .check();
}

/// The moment of the decision is too late a time of issue. A revocation may have begun before the
/// decision and reach the store after it; the clock of the node that decided is ahead.
#[test]
fn a_minted_credential_is_as_old_as_its_parent_and_not_as_the_decision() {
    Row {
        name: "a token as old as the decision",
        world: Setup {
            clocks: &[[0, 1]],
            start: &[Start::SESSION],
            mint: &[Kind::Token],
            budget: Budget {
                mints: 1,
                ..ONE_REVOCATION
            },
            bans: true,
            horizon: 2,
            ..QUIET
        },
        fault: |protocol| protocol.minted = Minted::AtDecision,
        breaks: Rule::RevokedIsRefused,
        was_so: true,
        comes_by: &[
            Seen::TokenMinted,
            Seen::TokenAccepted,
            Seen::RefusedAsRevoked,
        ],
    }
    .check();
}

/// A write that failed is caught up, or comes late, after a younger one.
#[test]
fn the_store_keeps_the_younger_of_two_revocations() {
    Row {
        name: "two revocations in the store",
        world: Setup {
            budget: Budget {
                revocations: 2,
                failures: 1,
                ..QUIET.budget
            },
            bans: true,
            ..QUIET
        },
        fault: |protocol| protocol.store_keeps_the_younger = false,
        breaks: Rule::NeverBackwards,
        was_so: true,
        comes_by: &[Seen::CaughtUp, Seen::WrittenLate, Seen::YoungerKept],
    }
    .check();
}

/// Ada is revoked twice, logs in again, and the news of the first revocation arrives last.
#[test]
fn old_news_ends_no_later_login() {
    Row {
        name: "old news",
        world: Setup {
            budget: Budget {
                revocations: 2,
                log_ins: 1,
                ..ONE_HANDSHAKE
            },
            log_ins: &[User::Ada],
            bans: true,
            serving: &[1],
            horizon: 1,
            ..QUIET
        },
        fault: |protocol| protocol.nodes_keep_the_younger = false,
        breaks: Rule::OthersStayOpen,
        was_so: true,
        comes_by: &[
            Seen::LaterLoginAccepted,
            Seen::NewsWasOld,
            Seen::EndedByNews,
        ],
    }
    .check();
}

/// The first revocation has the time of a node whose clock is ahead. A login knows it. The second
/// one comes from the other node, and would be passed over as older.
#[test]
fn a_revocation_that_meets_a_younger_one_goes_behind_it() {
    Row {
        name: "a revocation behind another",
        world: Setup {
            clocks: &[[0, 1]],
            budget: Budget {
                revocations: 2,
                log_ins: 1,
                ..ONE_HANDSHAKE
            },
            log_ins: &[User::Ada],
            bans: true,
            serving: &[0],
            horizon: 1,
            ..QUIET
        },
        fault: |protocol| protocol.revoke_goes_behind = false,
        breaks: Rule::RevokedIsRefused,
        was_so: true,
        comes_by: &[
            Seen::LaterLoginAccepted,
            Seen::YoungerKept,
            Seen::RefusedAsRevoked,
        ],
    }
    .check();
}

/// The session began by a clock that is ahead by more than is allowed.
#[test]
fn a_logged_out_session_is_dead_by_any_clock() {
    Row {
        name: "a logout under wrong clocks",
        world: Setup {
            clocks: &[[0, 5]],
            start: &[Start {
                issued_by: Some(1),
                ..Start::SESSION
            }],
            budget: ONE_REVOCATION,
            logouts: true,
            ..QUIET
        },
        fault: |protocol| protocol.session_keys_are_final = false,
        breaks: Rule::RevokedIsClosed,
        was_so: true,
        comes_by: &[
            Seen::RefusedAsRevoked,
            Seen::EndedByNews,
            Seen::EndedByRecheck,
        ],
    }
    .check();
}

/// A token of an issuer whose clock is ahead by no more than is allowed.
#[test]
fn a_token_is_older_than_a_revocation_in_spite_of_skewed_clocks() {
    Row {
        name: "a token under skewed clocks",
        world: Setup {
            clocks: &[[0, 1]],
            start: &[Start {
                issued_by: Some(1),
                ..Start::TOKEN
            }],
            budget: ONE_REVOCATION,
            bans: true,
            ..QUIET
        },
        fault: |protocol| protocol.allows_for_skew = false,
        breaks: Rule::RevokedIsRefused,
        was_so: true,
        comes_by: &[
            Seen::RefusedAsRevoked,
            Seen::EndedByNews,
            Seen::EndedByRecheck,
        ],
    }
    .check();
}

/// With the skew alone, a login right after a revocation would be refused for as long.
#[test]
fn a_login_right_after_a_revocation_is_accepted() {
    Row {
        name: "a login after a revocation",
        world: Setup {
            start: &[Start::TOKEN],
            budget: Budget {
                log_ins: 1,
                ..ONE_REVOCATION
            },
            log_ins: &[User::Ada],
            bans: true,
            horizon: 2,
            ..QUIET
        },
        fault: |protocol| protocol.credentials_know_revocations = false,
        breaks: Rule::LaterLoginIsWelcome,
        // It compared clocks without any margin.
        was_so: false,
        comes_by: &[Seen::LaterLoginAccepted, Seen::RefusedAsRevoked],
    }
    .check();
}

/// A handshake under way, an ordinary request or a mint request is no connection.
#[test]
fn a_limit_ends_the_oldest_only_for_connections() {
    Row {
        name: "a limit that ends the oldest",
        world: limited(OverLimit::EndOldest),
        fault: |protocol| protocol.limits_count_upgraded = false,
        breaks: Rule::OthersStayOpen,
        was_so: true,
        comes_by: &[Seen::TokenAccepted, Seen::EndedByLimit],
    }
    .check();
}

#[test]
fn a_limit_refuses_the_newest_only_for_connections() {
    Row {
        name: "a limit that refuses the newest",
        world: limited(OverLimit::RefuseNewest),
        fault: |protocol| protocol.limits_count_upgraded = false,
        breaks: Rule::RoomIsGiven,
        was_so: true,
        comes_by: &[Seen::TokenAccepted, Seen::RefusedByLimit],
    }
    .check();
}

/// Two handshakes and an ordinary request, and room for one connection.
fn limited(over_limit: OverLimit) -> Setup {
    Setup {
        start: &[Start::TOKEN],
        budget: Budget {
            requests: 1,
            ..TWO_HANDSHAKES
        },
        limit: Some((1, over_limit)),
        horizon: 1,
        ..QUIET
    }
}

/// A guest's connection goes on as Ada's.
#[test]
fn a_renewal_counts_against_the_limit_of_its_new_user() {
    Row {
        name: "a limit and a renewal",
        world: Setup {
            start: &[Start::TOKEN, Start::GUEST],
            budget: Budget {
                renewals: 1,
                ..TWO_HANDSHAKES
            },
            limit: Some((1, OverLimit::RefuseNewest)),
            horizon: 1,
            ..QUIET
        },
        fault: |protocol| protocol.limits_count_renewals = false,
        breaks: Rule::LimitHolds,
        was_so: true,
        comes_by: &[Seen::Renewed, Seen::RefusedByLimit],
    }
    .check();
}

/// The cookie of a user who was revoked is presented again.
#[test]
fn a_ban_reaches_the_sessions_of_its_user() {
    Row {
        name: "a ban and a session",
        world: Setup {
            start: &[Start::SESSION],
            budget: ONE_REVOCATION,
            bans: true,
            ..QUIET
        },
        fault: |protocol| protocol.sessions_know_their_login = false,
        breaks: Rule::RevokedIsRefused,
        was_so: true,
        comes_by: &[
            Seen::SessionAccepted,
            Seen::RefusedAsRevoked,
            Seen::EndedByRecheck,
        ],
    }
    .check();
}

/// The second node is behind the first, and takes the token when the claim is forgotten.
#[test]
fn a_single_use_token_is_used_once_in_spite_of_skewed_clocks() {
    Row {
        name: "single use",
        world: SINGLE_USE,
        fault: |protocol| protocol.claims = Claims::Life,
        breaks: Rule::UsedOnce,
        was_so: true,
        comes_by: &[Seen::SingleUseAccepted, Seen::SecondUseRefused],
    }
    .check();
}

/// It looks at the clock, asks about revocations, and claims: so much later than it looked.
#[test]
fn a_second_use_that_waited_for_its_claim_is_refused_too() {
    Row {
        name: "single use, and a wait",
        world: SINGLE_USE,
        fault: |protocol| protocol.claims = Claims::LifeAndSkew,
        breaks: Rule::UsedOnce,
        was_so: true,
        comes_by: &[Seen::SingleUseAccepted, Seen::SecondUseRefused],
    }
    .check();
}

const SINGLE_USE: Setup = Setup {
    clocks: WITHIN_SKEW,
    start: &[Start::SINGLE_USE],
    budget: TWO_HANDSHAKES,
    horizon: 6,
    ..QUIET
};

/// A 403 burnt the ticket.
#[test]
fn a_ticket_survives_a_refusal_by_permission() {
    Row {
        name: "a ticket and a permission",
        world: Setup {
            start: &[Start::TICKET],
            budget: TWO_HANDSHAKES,
            forbidden: true,
            horizon: 2,
            ..QUIET
        },
        fault: |protocol| protocol.spends_last = false,
        breaks: Rule::RefusalSpendsNothing,
        was_so: true,
        comes_by: &[Seen::RefusedByPermission, Seen::TicketAccepted],
    }
    .check();
}

/// A 429 advised to come again with a ticket that was spent.
#[test]
fn a_ticket_survives_a_refusal_by_a_limit() {
    Row {
        name: "a ticket and a limit",
        world: Setup {
            start: &[Start::TICKET, Start::TOKEN],
            budget: TWO_HANDSHAKES,
            limit: Some((1, OverLimit::RefuseNewest)),
            horizon: 2,
            ..QUIET
        },
        fault: |protocol| protocol.spends_last = false,
        breaks: Rule::RefusalSpendsNothing,
        was_so: true,
        comes_by: &[Seen::RefusedByLimit, Seen::TicketAccepted],
    }
    .check();
}

/// Two tickets find room for one, and both are taken before either is upgraded.
#[test]
fn a_client_that_spends_a_ticket_has_a_place() {
    Row {
        name: "two tickets and one place",
        world: Setup {
            start: &[Start::TICKET, Start::TICKET],
            budget: TWO_HANDSHAKES,
            limit: Some((1, OverLimit::RefuseNewest)),
            horizon: 2,
            ..QUIET
        },
        fault: |protocol| protocol.reserves_places = false,
        breaks: Rule::RefusalSpendsNothing,
        was_so: true,
        comes_by: &[Seen::RefusedByLimit, Seen::TicketAccepted],
    }
    .check();
}

/// Two tokens of a user and one of a guest, and requests that renew.
const RENEWABLE: Setup = Setup {
    clocks: &[[0, 1]],
    start: &[Start::TOKEN, Start::YOUNGER, Start::GUEST],
    budget: Budget {
        renewals: 1,
        ..ONE_HANDSHAKE
    },
    renewable: true,
    horizon: 1,
    ..QUIET
};

#[test]
fn a_request_renews_the_connections_of_its_user_alone() {
    Row {
        name: "a renewal of another user's connection",
        world: RENEWABLE,
        fault: |protocol| protocol.renewals_are_for_their_user = false,
        breaks: Rule::RenewedByItsUser,
        was_so: false,
        comes_by: &[
            Seen::RenewedByRequest,
            Seen::RenewedAcross,
            Seen::RenewalRefused,
        ],
    }
    .check();
}

/// Two requests race: the younger credential is there first.
#[test]
fn a_request_renews_by_no_older_credential() {
    Row {
        name: "a renewal by an older credential",
        world: Setup {
            start: &[Start::TOKEN, Start::YOUNGER],
            budget: Budget {
                renewals: 2,
                ..ONE_HANDSHAKE
            },
            ..RENEWABLE
        },
        fault: |protocol| protocol.renewals_go_forward = false,
        breaks: Rule::NeverOlder,
        was_so: false,
        comes_by: &[Seen::RenewedAcross, Seen::RenewalRefused],
    }
    .check();
}

/// A node accepts a session, the user logs out on the node of the connection, and then the renewal
/// arrives there.
#[test]
fn the_node_of_a_renewed_connection_asks_about_revocations_itself() {
    Row {
        name: "a renewal that only the other node has checked",
        world: Setup {
            start: &[Start::TOKEN, Start::SESSION],
            budget: Budget {
                revocations: 1,
                renewals: 1,
                ..ONE_HANDSHAKE
            },
            logouts: true,
            horizon: 3,
            ..RENEWABLE
        },
        fault: |protocol| protocol.renewals_ask_where_they_arrive = false,
        breaks: Rule::RevokedIsRefused,
        was_so: true,
        comes_by: &[Seen::RenewedAcross, Seen::RefusedAsRevoked],
    }
    .check();
}

/// A connection hears of a revocation that leaves it the time to renew.
const MARGIN_LEFT: Setup = Setup {
    start: &[Start::TOKEN],
    budget: ONE_REVOCATION,
    margins: true,
    horizon: 5,
    ..QUIET
};

#[test]
fn a_margin_ends_a_connection_at_its_end() {
    Row {
        name: "a margin without an end",
        world: MARGIN_LEFT,
        fault: |protocol| protocol.margins_end = false,
        breaks: Rule::RevokedIsClosed,
        was_so: false,
        comes_by: &[Seen::LeftAMargin, Seen::EndedByMargin],
    }
    .check();
}

#[test]
fn a_second_margin_does_not_prolong_the_first() {
    Row {
        name: "a margin that is prolonged",
        world: Setup {
            budget: Budget {
                revocations: 2,
                ..ONE_REVOCATION
            },
            serving: &[0],
            revoking: &[0],
            ..MARGIN_LEFT
        },
        fault: |protocol| protocol.margins_are_not_prolonged = false,
        breaks: Rule::RevokedIsClosed,
        was_so: false,
        comes_by: &[Seen::LeftAMargin, Seen::EndedByMargin],
    }
    .check();
}

#[test]
fn a_connection_that_is_renewed_in_time_stays_open() {
    Row {
        name: "a margin that a renewal does not lift",
        world: Setup {
            budget: Budget {
                log_ins: 1,
                renewals: 1,
                ..ONE_REVOCATION
            },
            log_ins: &[User::Ada],
            serving: &[0],
            revoking: &[0],
            renewable: true,
            ..MARGIN_LEFT
        },
        fault: |protocol| protocol.renewals_lift_margins = false,
        breaks: Rule::MarginIsLeft,
        was_so: false,
        comes_by: &[Seen::RenewedInTime, Seen::EndedByMargin],
    }
    .check();
}

/// A node misses the news of a ban, and asks when one with a margin has taken its place.
#[test]
fn a_margin_does_not_take_the_place_of_a_revocation() {
    Row {
        name: "a margin in the place of a revocation",
        world: Setup {
            budget: Budget {
                revocations: 2,
                ..ONE_REVOCATION
            },
            bans: true,
            serving: &[1],
            revoking: &[0],
            horizon: 4,
            ..MARGIN_LEFT
        },
        fault: |protocol| protocol.margins_keep_the_firm = false,
        breaks: Rule::RevokedIsClosed,
        was_so: true,
        comes_by: &[Seen::FirmKept, Seen::LeftAMargin, Seen::EndedByRecheck],
    }
    .check();
}
