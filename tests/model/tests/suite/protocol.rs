//! The protocol, with one switch for each thing that it did differently once, or must not do.

/// The form of the protocol that a model explores.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each of them is turned off by itself"
)]
pub(crate) struct Protocol {
    /// A handshake registers its connection and then asks about revocations. Otherwise it registers
    /// when it is decided.
    pub(crate) registers_first: bool,
    /// A revocation is written and then told to what is registered. Otherwise it is told first.
    pub(crate) writes_first: bool,
    /// The validity that a ticket or a token minted for a credential inherits.
    pub(crate) minted: Minted,
    /// The store replaces a revocation only by a younger one.
    pub(crate) store_keeps_the_younger: bool,
    /// A revocation that meets a younger one is written again, behind that one. A credential issued
    /// between the two may know the younger one and be older than this one. Otherwise the younger
    /// one stands for both.
    pub(crate) revoke_goes_behind: bool,
    /// A node passes over news of a revocation that is older than the one its handshake knew of.
    pub(crate) nodes_keep_the_younger: bool,
    /// A session's key is dead once it is revoked. Otherwise it is compared by time.
    pub(crate) session_keys_are_final: bool,
    /// A credential issued by a fast clock counts as older than the revocation, up to the allowed
    /// skew.
    pub(crate) allows_for_skew: bool,
    /// The issuer of a credential asks the store first, and notes the latest revocation of its user
    /// in it. That one and older ones do not refuse it, whatever the clocks say.
    pub(crate) credentials_know_revocations: bool,
    /// A session's grant says when its user logged in, and sessions ask for revocations wherever
    /// they are read. Otherwise a session is as young as the moment in which it was read, and the
    /// ticket endpoint does not ask.
    pub(crate) sessions_know_their_login: bool,
    /// How long the claim of a single-use token is remembered.
    pub(crate) claims: Claims,
    /// Permissions and limits are looked at before a ticket is taken or a token is claimed.
    pub(crate) spends_last: bool,
    /// A handshake that may still spend its ticket holds its place under a limit meanwhile.
    pub(crate) reserves_places: bool,
    /// Limits count connections that were accepted and upgraded. Otherwise they count every
    /// registration: handshakes under way, ordinary requests and mint requests too.
    pub(crate) limits_count_upgraded: bool,
    /// A renewal counts against the limits of its new keys.
    pub(crate) limits_count_renewals: bool,
    /// A request renews the connections of its user alone.
    pub(crate) renewals_are_for_their_user: bool,
    /// It renews none by a credential that was issued before that of the connection.
    pub(crate) renewals_go_forward: bool,
    /// The node of the connection registers the credential and asks about revocations, although
    /// another node has accepted it, unless the connection has heard of all its keys meanwhile, and of none
    /// with a margin.
    pub(crate) renewals_ask_where_they_arrive: bool,
    /// A connection that is left a margin ends at its end.
    pub(crate) margins_end: bool,
    /// Of two margins the earlier end counts.
    pub(crate) margins_are_not_prolonged: bool,
    /// A renewal lifts the end by a margin.
    pub(crate) renewals_lift_margins: bool,
    /// The store keeps the last revocation that leaves no time beside a later one with a margin. What
    /// did not know the former has no margin.
    pub(crate) margins_keep_the_firm: bool,
}

/// The validity that a minted ticket or token inherits from its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Minted {
    /// It is issued when its bytes are made; a ticket has the keys of its parent, a token only its
    /// user's.
    AtMinting,
    /// It is issued when its parent was decided on, and has all keys of its parent.
    AtDecision,
    /// It is issued when its parent was, and has all keys of its parent.
    WithParent,
}

/// How long the claim of a single-use token is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claims {
    /// For what is left of the token's life by the clock of the node that claims.
    Life,
    /// For the allowed skew longer.
    LifeAndSkew,
    /// And the clock is looked at once more when the claim is answered: a token that has expired
    /// then is refused, however long it took.
    LifeAndSkewUntilAnswered,
}

impl Protocol {
    /// As the code had it before this model. It had no renewals by requests and no margins.
    pub(crate) fn before() -> Self {
        Self {
            registers_first: true,
            writes_first: true,
            minted: Minted::AtMinting,
            store_keeps_the_younger: false,
            revoke_goes_behind: false,
            nodes_keep_the_younger: false,
            session_keys_are_final: false,
            allows_for_skew: false,
            credentials_know_revocations: false,
            sessions_know_their_login: false,
            claims: Claims::Life,
            spends_last: false,
            reserves_places: false,
            limits_count_upgraded: false,
            limits_count_renewals: false,
            renewals_are_for_their_user: true,
            renewals_go_forward: true,
            renewals_ask_where_they_arrive: true,
            margins_end: true,
            margins_are_not_prolonged: true,
            renewals_lift_margins: true,
            margins_keep_the_firm: false,
        }
    }

    /// As it is meant to be.
    pub(crate) fn mended() -> Self {
        Self {
            registers_first: true,
            writes_first: true,
            minted: Minted::WithParent,
            store_keeps_the_younger: true,
            revoke_goes_behind: true,
            nodes_keep_the_younger: true,
            session_keys_are_final: true,
            allows_for_skew: true,
            credentials_know_revocations: true,
            sessions_know_their_login: true,
            claims: Claims::LifeAndSkewUntilAnswered,
            spends_last: true,
            reserves_places: true,
            limits_count_upgraded: true,
            limits_count_renewals: true,
            renewals_are_for_their_user: true,
            renewals_go_forward: true,
            renewals_ask_where_they_arrive: true,
            margins_end: true,
            margins_are_not_prolonged: true,
            renewals_lift_margins: true,
            margins_keep_the_firm: true,
        }
    }
}
