//! The mended protocol: every state of some bounded worlds, and long random walks through a large
//! one.

use crate::explore::{by_tier, counterexample_beyond, keeps_every_rule, walks};
use crate::protocol::Protocol;
use crate::rules::{Bounds, Rule};
use crate::seen::Seen;
use crate::setup::{Budget, OverLimit, QUIET, RECHECK, Setup, Start, TIMEOUT, WITHIN_SKEW};
use crate::state::{Kind, Tick, User};

/// One node is ahead by the allowed skew: a part of [`WITHIN_SKEW`].
const ONE_AHEAD: &[[Tick; 2]] = &[[0, 1]];

fn explore(name: &str, world: Setup, comes_by: &[Seen]) {
    keeps_every_rule(name, world, Protocol::mended(), comes_by);
}

/// A session, the credentials minted for it, and its logout or its user's ban on either node.
#[test]
fn every_minted_credential_is_revoked_with_its_session() {
    explore(
        "minting",
        Setup {
            clocks: by_tier(ONE_AHEAD, WITHIN_SKEW),
            start: &[Start::SESSION],
            mint: &[Kind::Ticket, Kind::Token],
            budget: Budget {
                handshakes: 1,
                mints: 1,
                revocations: 1,
                ..QUIET.budget
            },
            bans: true,
            logouts: by_tier(false, true),
            horizon: by_tier(2, 4),
            ..QUIET
        },
        &[
            Seen::SessionAccepted,
            Seen::TicketAccepted,
            Seen::TokenAccepted,
            Seen::RefusedAsRevoked,
            Seen::RefusedByNews,
            Seen::EndedWhereRevoked,
            Seen::EndedByNews,
        ],
    );
}

/// A session of another application, without a time of login in its record.
#[test]
fn a_session_of_unknown_age_is_older_than_every_revocation() {
    explore(
        "a session of unknown age",
        Setup {
            clocks: WITHIN_SKEW,
            start: &[Start {
                issued_by: None,
                ..Start::SESSION
            }],
            mint: by_tier(&[], &[Kind::Token]),
            budget: Budget {
                handshakes: 1,
                mints: by_tier(0, 1),
                revocations: 1,
                ..QUIET.budget
            },
            bans: true,
            horizon: by_tier(4, 3),
            ..QUIET
        },
        &[
            Seen::SessionAccepted,
            Seen::RefusedAsRevoked,
            Seen::EndedByRecheck,
        ],
    );
}

/// Two handshakes with a session and what is minted for it, while it is revoked.
#[test]
fn no_handshake_of_two_outlives_the_revocation() {
    explore(
        "two handshakes",
        Setup {
            clocks: ONE_AHEAD,
            start: &[Start::SESSION],
            mint: by_tier(&[Kind::Ticket], &[Kind::Ticket, Kind::Token]),
            budget: Budget {
                handshakes: 2,
                mints: by_tier(0, 1),
                revocations: 1,
                ..QUIET.budget
            },
            revoking: &[0],
            bans: true,
            logouts: true,
            horizon: 2,
            ..QUIET
        },
        &[
            Seen::SessionAccepted,
            Seen::RefusedAsRevoked,
            Seen::EndedWhereRevoked,
            Seen::EndedByNews,
            Seen::EndedByRecheck,
        ],
    );
}

/// A minted credential can mint again: a token for a session, and a ticket for the token.
#[test]
fn a_credential_minted_for_a_minted_one_is_revoked_too() {
    explore(
        "minting twice",
        Setup {
            clocks: ONE_AHEAD,
            start: &[Start::SESSION],
            mint: by_tier(&[Kind::Token], &[Kind::Token, Kind::Ticket]),
            budget: Budget {
                handshakes: 1,
                mints: 2,
                revocations: 1,
                ..QUIET.budget
            },
            serving: by_tier(&[1], &[0, 1]),
            revoking: &[0],
            bans: true,
            logouts: by_tier(false, true),
            horizon: 1,
            ..QUIET
        },
        &[
            Seen::TokenMinted,
            Seen::TokenAccepted,
            Seen::RefusedAsRevoked,
        ],
    );
}

/// A user is revoked twice, on any node, with writes that fail and come late, and logs in between.
#[test]
fn two_revocations_and_a_login_come_in_any_order() {
    explore(
        "revoked twice",
        Setup {
            clocks: by_tier(ONE_AHEAD, &[[0, 0], [0, 1]]),
            budget: Budget {
                handshakes: 1,
                revocations: 2,
                log_ins: 1,
                failures: by_tier(0, 1),
                ..QUIET.budget
            },
            log_ins: &[User::Ada],
            serving: by_tier(&[1], &[0, 1]),
            bans: true,
            horizon: by_tier(1, 2),
            ..QUIET
        },
        by_tier(
            &[
                Seen::LaterLoginAccepted,
                Seen::NewsWasOld,
                Seen::YoungerKept,
            ],
            &[
                Seen::LaterLoginAccepted,
                Seen::NewsWasOld,
                Seen::YoungerKept,
                Seen::RevocationFailed,
                Seen::CaughtUp,
                Seen::WrittenLate,
                Seen::EndedByRecheck,
            ],
        ),
    );
}

/// The same beside a token that was issued before, with two handshakes on one node.
#[test]
fn two_revocations_separate_older_from_later_credentials() {
    explore(
        "older and later",
        Setup {
            clocks: ONE_AHEAD,
            start: &[Start::TOKEN],
            budget: Budget {
                handshakes: by_tier(1, 2),
                revocations: 2,
                log_ins: by_tier(0, 1),
                ..QUIET.budget
            },
            log_ins: &[User::Ada],
            serving: &[1],
            bans: true,
            horizon: 1,
            ..QUIET
        },
        by_tier(
            &[Seen::TokenAccepted, Seen::RefusedAsRevoked],
            &[
                Seen::TokenAccepted,
                Seen::RefusedAsRevoked,
                Seen::LaterLoginAccepted,
                Seen::NewsWasOld,
            ],
        ),
    );
}

/// Two revocations, and a node that is cut off during either.
#[test]
fn two_revocations_reach_a_node_that_was_cut_off() {
    explore(
        "cut off during two revocations",
        Setup {
            clocks: ONE_AHEAD,
            start: &[Start::TOKEN],
            budget: Budget {
                handshakes: by_tier(0, 1),
                revocations: 2,
                cuts: 1,
                ..QUIET.budget
            },
            bans: true,
            horizon: by_tier(1, 2),
            ..QUIET
        },
        &[
            Seen::Reconnected,
            Seen::RevocationFailed,
            Seen::CaughtUp,
            Seen::YoungerKept,
        ],
    );
}

/// A node loses the store while it revokes, while it serves, or while the other one revokes.
#[test]
fn a_node_that_was_cut_off_catches_up() {
    explore(
        "cut off",
        Setup {
            clocks: by_tier(ONE_AHEAD, WITHIN_SKEW),
            start: &[Start::SESSION],
            budget: Budget {
                handshakes: 1,
                revocations: 1,
                cuts: by_tier(1, 2),
                failures: by_tier(0, 1),
                ..QUIET.budget
            },
            bans: by_tier(false, true),
            logouts: true,
            horizon: by_tier(3, 5),
            ..QUIET
        },
        &[
            Seen::Reconnected,
            Seen::RevocationFailed,
            Seen::CaughtUp,
            Seen::WrittenLate,
            Seen::EndedWhereRevoked,
            Seen::EndedByNews,
            Seen::EndedByRecheck,
        ],
    );
}

/// Tickets, ordinary requests, requests without permission and a guest who becomes Ada, with room
/// for one open connection of hers.
#[test]
fn limits_that_refuse_the_newest_hold_and_spend_nothing() {
    explore(
        "a limit that refuses the newest",
        limited(OverLimit::RefuseNewest),
        &[
            Seen::TicketAccepted,
            Seen::Renewed,
            Seen::RefusedByLimit,
            Seen::RefusedByPermission,
        ],
    );
}

#[test]
fn limits_that_end_the_oldest_hold_and_end_no_other() {
    explore(
        "a limit that ends the oldest",
        limited(OverLimit::EndOldest),
        &[
            Seen::TicketAccepted,
            Seen::Renewed,
            Seen::EndedByLimit,
            Seen::RefusedByPermission,
        ],
    );
}

/// Requests to either node renew the connections of Ada and of a guest, while Ada is revoked.
#[test]
fn a_renewal_by_request_is_as_good_as_a_handshake() {
    explore(
        "renewals",
        Setup {
            clocks: by_tier(ONE_AHEAD, WITHIN_SKEW),
            start: by_tier(
                &[Start::TOKEN, Start::YOUNGER],
                &[Start::TOKEN, Start::YOUNGER, Start::TICKET, Start::GUEST],
            ),
            budget: Budget {
                handshakes: 1,
                renewals: by_tier(1, 2),
                revocations: 1,
                ..QUIET.budget
            },
            revoking: by_tier(&[0], &[0, 1]),
            bans: true,
            renewable: true,
            horizon: by_tier(2, 3),
            ..QUIET
        },
        &[
            Seen::RenewedByRequest,
            Seen::RenewedAcross,
            Seen::RenewedUnasked,
            Seen::RenewalRefused,
            Seen::RefusedAsRevoked,
            Seen::RefusedByNews,
            Seen::EndedByNews,
        ],
    );
}

/// A revocation with a margin, and a login in time.
#[test]
fn a_margin_ends_a_connection_unless_it_is_renewed() {
    explore(
        "margins",
        Setup {
            clocks: ONE_AHEAD,
            start: &[Start::TOKEN],
            budget: Budget {
                handshakes: 1,
                renewals: 1,
                revocations: 1,
                log_ins: 1,
                cuts: by_tier(0, 1),
                ..QUIET.budget
            },
            log_ins: &[User::Ada],
            serving: by_tier(&[1], &[0, 1]),
            revoking: by_tier(&[0], &[0, 1]),
            margins: true,
            renewable: true,
            horizon: by_tier(5, 6),
            ..QUIET
        },
        &[
            Seen::LeftAMargin,
            Seen::RenewedInTime,
            Seen::EndedByMargin,
            Seen::RefusedAsRevoked,
        ],
    );
}

/// A revocation with a margin and one without, in any order. A node that has missed the news of the
/// one without a margin leaves its connections no time.
#[test]
fn a_margin_weakens_no_revocation_before_it_or_after_it() {
    explore(
        "a margin and a revocation",
        Setup {
            clocks: by_tier(ONE_AHEAD, &[[0, 1], [1, 0]]),
            budget: Budget {
                handshakes: 1,
                revocations: 2,
                failures: by_tier(0, 1),
                ..QUIET.budget
            },
            revoking: by_tier(&[0], &[0, 1]),
            horizon: by_tier(4, 5),
            ..MARGIN_AND_BAN
        },
        &[
            Seen::FirmKept,
            Seen::LeftAMargin,
            Seen::EndedByNews,
            Seen::EndedByRecheck,
        ],
    );
}

/// What is issued between the two has the margin, and what is renewed in that time stays open.
#[test]
fn a_login_between_a_revocation_and_a_margin_has_the_margin() {
    explore(
        "a login before a margin",
        Setup {
            start: by_tier(&[], &[Start::TOKEN]),
            budget: Budget {
                handshakes: 1,
                renewals: by_tier(0, 1),
                revocations: 2,
                log_ins: 1,
                ..QUIET.budget
            },
            log_ins: &[User::Ada],
            renewable: true,
            horizon: by_tier(2, 5),
            ..MARGIN_AND_BAN
        },
        &[Seen::FirmKept, Seen::LaterLoginAccepted, Seen::LeftAMargin],
    );
}

/// A node is cut off while it revokes, or while the other one does.
#[test]
fn a_margin_and_a_revocation_reach_a_node_that_was_cut_off() {
    explore(
        "cut off before a margin",
        Setup {
            budget: Budget {
                handshakes: 1,
                revocations: 2,
                cuts: 1,
                ..QUIET.budget
            },
            revoking: by_tier(&[0], &[0, 1]),
            horizon: by_tier(2, 3),
            ..MARGIN_AND_BAN
        },
        &[
            Seen::FirmKept,
            Seen::CaughtUp,
            Seen::LeftAMargin,
            Seen::EndedByRecheck,
        ],
    );
}

const MARGIN_AND_BAN: Setup = Setup {
    clocks: ONE_AHEAD,
    start: &[Start::TOKEN],
    serving: &[1],
    revoking: &[0],
    bans: true,
    margins: true,
    ..QUIET
};

fn limited(over_limit: OverLimit) -> Setup {
    Setup {
        start: by_tier(
            &[Start::TICKET, Start::TOKEN, Start::GUEST],
            &[Start::TICKET, Start::TICKET, Start::TOKEN, Start::GUEST],
        ),
        budget: Budget {
            handshakes: by_tier(2, 3),
            renewals: 1,
            requests: by_tier(0, 1),
            ..QUIET.budget
        },
        limit: Some((1, over_limit)),
        forbidden: true,
        serving: by_tier(&[0, 1], &[0]),
        horizon: 1,
        ..QUIET
    }
}

/// A token is presented to both nodes, and its user is revoked.
#[test]
fn a_single_use_token_is_used_once_until_it_ends() {
    explore(
        "single use",
        Setup {
            clocks: by_tier(ONE_AHEAD, WITHIN_SKEW),
            start: &[Start::SINGLE_USE],
            budget: Budget {
                handshakes: by_tier(2, 3),
                revocations: by_tier(0, 1),
                ..QUIET.budget
            },
            bans: true,
            horizon: 6,
            ..QUIET
        },
        &[
            Seen::SingleUseAccepted,
            Seen::SecondUseRefused,
            Seen::GaveUp,
        ],
    );
}

/// Everything at once, and too much to visit every state: random walks, from the same seed each
/// time.
#[test]
fn everything_at_once_breaks_no_rule_on_long_walks() {
    for (seed, over_limit) in [(1, OverLimit::EndOldest), (2, OverLimit::RefuseNewest)] {
        let world = Setup {
            clocks: WITHIN_SKEW,
            start: &[
                Start::SESSION,
                Start::TICKET,
                Start::TOKEN,
                Start::SINGLE_USE,
                Start::GUEST,
            ],
            mint: &[Kind::Ticket, Kind::Token],
            log_ins: &[User::Ada],
            bans: true,
            logouts: true,
            forbidden: true,
            budget: Budget {
                handshakes: 7,
                requests: 1,
                mints: 3,
                renewals: 2,
                revocations: 3,
                log_ins: 2,
                cuts: 2,
                failures: 2,
            },
            limit: Some((2, over_limit)),
            horizon: 8,
            ..QUIET
        };
        let steps = by_tier(50_000, 2_500_000);
        walks(world, Protocol::mended(), seed, steps);
    }
}

/// A bound that is larger than it has to be would promise too little, and a model that does not
/// reach it would prove nothing.
mod no_bound_is_larger_than_it_has_to_be {
    use super::*;

    const REVOKED: Setup = Setup {
        start: &[Start::TOKEN],
        budget: Budget {
            handshakes: 1,
            revocations: 1,
            ..QUIET.budget
        },
        serving: &[1],
        revoking: &[0],
        bans: true,
        ..QUIET
    };

    fn is_reached(world: Setup, bounds: Bounds, breaks: Rule) {
        let found = counterexample_beyond(bounds, world, Protocol::mended(), breaks);
        assert!(found.is_some(), "{bounds:?}");
    }

    #[test]
    fn for_a_handshake_whose_question_was_answered_before() {
        let bounds = Bounds {
            accepts: TIMEOUT - 1,
            ..Bounds::PROMISED
        };
        is_reached(REVOKED, bounds, Rule::RevokedIsRefused);
    }

    #[test]
    fn for_a_ticket_that_is_spent_after_the_question() {
        let world = Setup {
            start: &[Start::TICKET],
            ..REVOKED
        };
        let bounds = Bounds {
            accepts_spent: 2 * TIMEOUT - 1,
            ..Bounds::PROMISED
        };
        is_reached(world, bounds, Rule::RevokedIsRefused);
    }

    #[test]
    fn for_a_connection_whose_node_hears_no_news() {
        let bounds = Bounds {
            keeps_open: RECHECK - 1,
            ..Bounds::PROMISED
        };
        is_reached(REVOKED, bounds, Rule::RevokedIsClosed);
    }

    #[test]
    fn for_a_margin_by_a_clock_that_is_behind() {
        let world = Setup {
            clocks: &[[1, 0]],
            bans: false,
            margins: true,
            horizon: 5,
            ..REVOKED
        };
        let bounds = Bounds {
            keeps_a_margin: Bounds::PROMISED.keeps_a_margin - 1,
            ..Bounds::PROMISED
        };
        is_reached(world, bounds, Rule::RevokedIsClosed);
    }

    #[test]
    fn for_a_connection_whose_node_was_cut_off() {
        let world = Setup {
            budget: Budget {
                cuts: 1,
                ..REVOKED.budget
            },
            ..REVOKED
        };
        let bounds = Bounds {
            keeps_open_once_back: TIMEOUT - 1,
            ..Bounds::PROMISED
        };
        is_reached(world, bounds, Rule::RevokedIsClosed);
    }
}
