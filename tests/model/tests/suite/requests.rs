//! Handshakes, mint requests and renewals, from the credential to the decision.
//!
//! | here | in the code |
//! |---|---|
//! | [`steps`] | `Session::verify` and `Rules::decide`, `Ticket::verify`, `SingleUse::verify`; `Revocable` |
//! | [`World::look`] | `revocation::Connection::decide` |
//! | [`World::gate`] | `authorize`, and `LeaseLayer`'s `max_connections`: `Peek` and `Registry::reserve` before a credential is spent |
//! | [`World::accept`] | the upgrade: `Waiting::open`, `UpgradeGuard::accept` |
//! | [`World::finish_body`] | `TicketEndpoint` and the chat's `POST /token`, once the body is there |
//! | [`World::renew`] | `Lease::renew` |
//! | [`World::renew_by_request`] | `Renewals`, and its `across` |

use crate::model::World;
use crate::protocol::{Claims, Minted, Protocol};
use crate::rules::{Rule, is_older};
use crate::seen::Seen;
use crate::setup::OverLimit;
use crate::state::{
    Answer, Connection, Credential, Key, Kind, Moment, Purpose, Request, State, Step, Tick, User,
    Watch, members, moment, place_of,
};

/// The questions to the store on the way to a decision.
fn steps(protocol: &Protocol, kind: Kind, purpose: Purpose, is_relayed: bool) -> &'static [Step] {
    // Another node has accepted it: only its revocations are asked about again.
    if is_relayed {
        return &[Step::Look];
    }
    let is_mint = matches!(purpose, Purpose::Mint(_));
    match kind {
        Kind::Session if is_mint && !protocol.sessions_know_their_login => &[Step::Load],
        Kind::Session => &[Step::Load, Step::Look],
        Kind::Token => &[Step::Look],
        Kind::SingleUse if protocol.spends_last => &[Step::Look, Step::Spend],
        Kind::Ticket if protocol.spends_last => &[Step::Peek, Step::Look, Step::Spend],
        Kind::SingleUse | Kind::Ticket => &[Step::Spend, Step::Look],
    }
}

impl World {
    /// A request begins.
    pub(crate) fn ask(&self, state: &mut State, node: usize, credential: usize, purpose: Purpose) {
        let left = match purpose {
            Purpose::Open { .. } => &mut state.left.handshakes,
            Purpose::Fetch => &mut state.left.requests,
            Purpose::Mint(_) => &mut state.left.mints,
            Purpose::Renew(_) | Purpose::RenewByRequest(_) => &mut state.left.renewals,
        };
        *left -= 1;
        let presented = &state.credentials[credential];
        let kind = presented.kind;
        let issued_at = match kind {
            Kind::Session if !self.protocol.sessions_know_their_login => Some(state.moment(node)),
            _ => presented.issued_at,
        };
        let request = Request {
            node,
            credential,
            purpose,
            step: Step::Body,
            sent: state.now,
            answer: None,
            issued_at,
            claim: 0,
            watch: Watch::Unregistered,
            spent: false,
            has_place: false,
            is_relayed: false,
        };
        if let Some(first) = steps(&self.protocol, kind, purpose, false).first() {
            let request = self.send(state, request, *first);
            state.requests.push(request);
        }
    }

    /// Sends the command of a step.
    fn send(&self, state: &State, mut request: Request, step: Step) -> Request {
        request.step = step;
        request.sent = state.now;
        request.answer = None;
        let credential = &state.credentials[request.credential];
        match step {
            Step::Look if self.protocol.registers_first => {
                request.watch = Watch::Checking { heard: 0 };
            }
            Step::Spend if credential.kind == Kind::SingleUse => {
                let life = credential.expires.saturating_sub(state.clock(request.node));
                request.claim = match self.protocol.claims {
                    Claims::Life => life,
                    Claims::LifeAndSkew | Claims::LifeAndSkewUntilAnswered => {
                        life + self.setup.skew
                    }
                };
            }
            _ => {}
        }
        request
    }

    pub(crate) fn carry_out(&self, state: &mut State, number: usize) {
        let request = &state.requests[number];
        let credential = &mut state.credentials[request.credential];
        let step = request.step;
        let answer = match step {
            Step::Load | Step::Peek => Answer::Found(credential.is_stored),
            Step::Spend if credential.kind == Kind::Ticket => {
                Answer::Found(std::mem::take(&mut credential.is_stored))
            }
            Step::Spend => {
                let is_first = credential.claimed_until <= state.now;
                if is_first {
                    credential.claimed_until = state.now + request.claim;
                }
                Answer::Found(is_first)
            }
            Step::Look | Step::Body => {
                let credential = &state.credentials[request.credential];
                let keys = [
                    Some(Key::User(credential.user)),
                    credential.session.map(Key::Session),
                ];
                Answer::Revoked(keys.map(|key| {
                    let key = key.filter(|&key| credential.holds(key))?;
                    state.stored_for(key)
                }))
            }
        };
        state.requests[number].answer = Some(answer);
        // Its answer leads to the next question and to nothing else, which may wait as long.
        if matches!(step, Step::Load | Step::Peek) {
            self.answer(state, number);
        }
    }

    pub(crate) fn answer(&self, state: &mut State, number: usize) {
        let mut request = state.requests.remove(number);
        match request.answer {
            Some(Answer::Found(true)) => {
                request.spent |= request.step == Step::Spend;
                if request.step == Step::Spend && self.has_expired(state, &request) {
                    return;
                }
            }
            Some(Answer::Found(false)) => {
                if request.step == Step::Spend {
                    self.seen.add(Seen::SecondUseRefused);
                }
                return;
            }
            Some(Answer::Revoked(found)) => match self.look(state, &request, found) {
                None => return,
                Some(watch) => {
                    request.watch = watch;
                    if !self.gate(state, &mut request) {
                        return;
                    }
                }
            },
            None => {}
        }
        let kind = state.credentials[request.credential].kind;
        let steps = steps(&self.protocol, kind, request.purpose, request.is_relayed);
        let done = steps.iter().position(|step| *step == request.step);
        match done.and_then(|done| steps.get(done + 1)) {
            Some(&next) => {
                let request = self.send(state, request, next);
                state.requests.push(request);
            }
            None => self.accept(state, request),
        }
    }

    /// Whether a single-use token has expired while it was claimed, by the clock of its node.
    fn has_expired(&self, state: &State, request: &Request) -> bool {
        let credential = &state.credentials[request.credential];
        self.protocol.claims == Claims::LifeAndSkewUntilAnswered
            && credential.kind == Kind::SingleUse
            && state.clock(request.node) >= credential.expires
    }

    /// Decides about the revocations that the store knows, and those that were heard meanwhile.
    fn look(
        &self,
        state: &mut State,
        request: &Request,
        found: [Option<usize>; 2],
    ) -> Option<Watch> {
        let heard = match request.watch {
            Watch::Checking { heard } => heard,
            _ => 0,
        };
        let knows = state.credentials[request.credential].knows;
        let covers = |&number: &usize| self.covers(state, number, request.issued_at, knows);
        if let Some(revocation) = found.into_iter().flatten().find(covers) {
            self.seen.add(Seen::RefusedAsRevoked);
            state.judge_refusal(request.credential, revocation);
            return None;
        }
        let is_new = |&number: &usize| {
            let heard = &state.revocations[number];
            found[place_of(heard.key)].is_none_or(|known| state.revocations[known].at < heard.at)
        };
        if let Some(revocation) = members(heard).find(is_new) {
            self.seen.add(Seen::RefusedByNews);
            state.judge_refusal(request.credential, revocation);
            state.judge_ending(request.credential, revocation);
            return None;
        }
        Some(Watch::Good { known: found })
    }

    /// Whether a revocation refuses a credential of this time of issue that knew that one.
    fn covers(
        &self,
        state: &State,
        number: usize,
        issued_at: Option<Moment>,
        knows: Option<Moment>,
    ) -> bool {
        let revocation = &state.revocations[number];
        if self.protocol.session_keys_are_final && matches!(revocation.key, Key::Session(_)) {
            return true;
        }
        if knows.is_some_and(|known| known >= revocation.at) {
            return false;
        }
        let margin = if self.protocol.allows_for_skew {
            moment(self.setup.skew)
        } else {
            0
        };
        issued_at.is_none_or(|issued| issued <= revocation.at + margin)
    }

    /// Permissions and limits. False: it is refused.
    fn gate(&self, state: &mut State, request: &mut Request) -> bool {
        if request.purpose == (Purpose::Open { permitted: false }) {
            self.seen.add(Seen::RefusedByPermission);
            if request.spent {
                state.breaks(Rule::RefusalSpendsNothing);
            }
            return false;
        }
        let Some((most, over_limit)) = self.setup.limit else {
            return true;
        };
        if !self.protocol.limits_count_upgraded {
            return self.gate_by_registrations(state, request, most, over_limit);
        }
        let is_handshake = matches!(request.purpose, Purpose::Open { .. });
        if !is_handshake || over_limit == OverLimit::EndOldest {
            return true;
        }
        if !self.has_room(state, request, most) {
            return false;
        }
        // A credential that is used up by now would be lost for nothing.
        let is_spent_by_use = state.credentials[request.credential].is_spent_by_use();
        request.has_place = self.protocol.reserves_places && is_spent_by_use;
        true
    }

    /// Whether one more may be open. Refuses it if not.
    fn has_room(&self, state: &mut State, request: &Request, most: usize) -> bool {
        let user = state.credentials[request.credential].user;
        let open = state.count_open(request.node, user);
        if open + state.count_places(request.node, user) < most {
            return true;
        }
        self.refused_by_limit(state, request, most);
        false
    }

    fn refused_by_limit(&self, state: &mut State, request: &Request, most: usize) {
        self.seen.add(Seen::RefusedByLimit);
        if request.spent {
            state.breaks(Rule::RefusalSpendsNothing);
        }
        let user = state.credentials[request.credential].user;
        // A place is held for a verified credential.
        let open = state.count_open(request.node, user);
        if open + state.count_places(request.node, user) < most {
            state.breaks(Rule::RoomIsGiven);
        }
    }

    /// As limits were counted once: every registration under the key. Accepted connections come
    /// before handshakes under way.
    fn gate_by_registrations(
        &self,
        state: &mut State,
        request: &Request,
        most: usize,
        over_limit: OverLimit,
    ) -> bool {
        let purpose = request.purpose;
        if matches!(
            purpose,
            Purpose::Renew(_) | Purpose::RenewByRequest(_) | Purpose::Mint(_)
        ) {
            return true;
        }
        let user = state.credentials[request.credential].user;
        let is_registered = |other: &Request| {
            other.node == request.node
                && state.credentials[other.credential].user == user
                && matches!(other.watch, Watch::Checking { .. } | Watch::Good { .. })
        };
        let under_way = (0..state.requests.len())
            .filter(|&other| is_registered(&state.requests[other]))
            .collect::<Vec<_>>();
        let registered = state.count_open(request.node, user) + under_way.len() + 1;
        let mut too_many = registered.saturating_sub(most);
        if too_many > 0 && over_limit == OverLimit::RefuseNewest {
            self.refused_by_limit(state, request, most);
            return false;
        }
        let is_handshake = usize::from(request.purpose != Purpose::Fetch);
        while too_many > 0 && state.count_open(request.node, user) > 0 {
            self.end_oldest(state, request.node, user, most, is_handshake);
            too_many -= 1;
        }
        for other in under_way.into_iter().take(too_many) {
            state.requests[other].watch = Watch::Ended;
        }
        true
    }

    /// Ends the oldest connection of a user, because others come.
    fn end_oldest(&self, state: &mut State, node: usize, user: User, most: usize, coming: usize) {
        self.seen.add(Seen::EndedByLimit);
        if state.count_open(node, user) + coming <= most {
            state.breaks(Rule::OthersStayOpen);
        }
        let of_user = |open: &Connection| {
            open.node == node && state.credentials[open.credential].user == user
        };
        if let Some(oldest) = state.connections.iter().position(of_user) {
            state.connections.remove(oldest);
        }
    }

    /// All is said: the connection is upgraded, the lease moves on, or the body is waited for.
    fn accept(&self, state: &mut State, mut request: Request) {
        let known = match (request.watch, request.purpose) {
            (Watch::Good { known }, _) => known,
            // Its registration is ignored.
            (_, Purpose::Mint(_)) => [None, None],
            // It was revoked between the decision and now.
            _ => return,
        };
        match request.purpose {
            Purpose::Mint(_) | Purpose::Fetch => {
                request.step = Step::Body;
                request.answer = None;
                state.requests.push(request);
            }
            Purpose::Open { .. } => {
                if !self.make_room(state, &request, None) {
                    return;
                }
                self.open(state, request.node, request.credential, known);
            }
            Purpose::Renew(connection) => self.renew(state, &request, connection, known),
            Purpose::RenewByRequest(connection) => {
                self.renew_by_request(state, request, connection, known);
            }
        }
    }

    /// The node of the connection decides, and may be another one (`Renewals::across`).
    fn renew_by_request(
        &self,
        state: &mut State,
        mut request: Request,
        connection: usize,
        known: [Option<usize>; 2],
    ) {
        let is_it = |open: &&Connection| open.number == connection;
        let Some(open) = state.connections.iter().find(is_it).copied() else {
            self.seen.add(Seen::RenewalRefused);
            return;
        };
        if open.node != request.node {
            // It neither hears the question nor answers.
            if state.nodes[open.node].is_cut_off {
                return;
            }
            request.node = open.node;
            request.is_relayed = true;
            if self.protocol.renewals_ask_where_they_arrive {
                if !Self::is_covered(state, open, request.credential, known) {
                    let request = self.send(state, request, Step::Look);
                    state.requests.push(request);
                    return;
                }
                self.seen.add(Seen::RenewedUnasked);
            }
        }
        let [old, new] = [open.credential, request.credential].map(|it| &state.credentials[it]);
        let is_others = self.protocol.renewals_are_for_their_user && old.user != new.user;
        let is_behind = self.protocol.renewals_go_forward && is_older(new, old);
        if is_others || is_behind {
            self.seen.add(Seen::RenewalRefused);
            return;
        }
        state.judge_renewal(open, request.credential);
        self.seen.add(if request.is_relayed {
            Seen::RenewedAcross
        } else {
            Seen::RenewedByRequest
        });
        self.renew(state, &request, connection, known);
    }

    /// Whether a connection has heard of every revocation that another node has not found for this
    /// credential (`Connection::covers`).
    fn is_covered(
        state: &State,
        open: Connection,
        credential: usize,
        found: [Option<usize>; 2],
    ) -> bool {
        let [old, new] = [open.credential, credential].map(|it| &state.credentials[it]);
        let names_own = !new.names_session || old.names_session && old.session == new.session;
        let at = |number: Option<usize>| Some(state.revocations[number?].at);
        let knows = |place: usize| at(open.known[place]) <= at(found[place]);
        open.deadline.is_none() && old.user == new.user && names_own && knows(0) && knows(1)
    }

    /// At the upgrade: refuses the newest or ends the oldest, if there is no place.
    fn make_room(&self, state: &mut State, request: &Request, renewed: Option<usize>) -> bool {
        let Some((most, over_limit)) = self.setup.limit else {
            return true;
        };
        // It was counted at the gate, by the way of counting of that time.
        if !self.protocol.limits_count_upgraded {
            return true;
        }
        let user = state.credentials[request.credential].user;
        match over_limit {
            OverLimit::RefuseNewest if renewed.is_none() && request.has_place => true,
            OverLimit::RefuseNewest => self.has_room(state, request, most),
            OverLimit::EndOldest => {
                while state.count_open(request.node, user) >= most {
                    self.end_oldest(state, request.node, user, most, 1);
                }
                true
            }
        }
    }

    /// Another credential takes the place of the one that opened a connection.
    fn renew(
        &self,
        state: &mut State,
        request: &Request,
        connection: usize,
        known: [Option<usize>; 2],
    ) {
        let is_it = |open: &Connection| open.number == connection && open.node == request.node;
        let Some(at) = state.connections.iter().position(is_it) else {
            return;
        };
        let old = &state.credentials[state.connections[at].credential];
        let is_other_user = old.user != state.credentials[request.credential].user;
        if is_other_user
            && self.protocol.limits_count_renewals
            && !self.make_room(state, request, Some(connection))
        {
            return;
        }
        self.seen.add(Seen::Renewed);
        state.judge_acceptance(request.credential, request.node, self.bounds);
        // The connection may have moved up in the order when the oldest was ended.
        if let Some(at) = state.connections.iter().position(is_it) {
            let open = &mut state.connections[at];
            open.credential = request.credential;
            open.known = known;
            if open.deadline.is_some() {
                self.seen.add(Seen::RenewedInTime);
            }
            if self.protocol.renewals_lift_margins {
                open.deadline = None;
            }
        }
        state.judge_what_is_open(self.bounds);
        state.judge_limit(request.node, request.credential, self.setup.limit);
    }

    /// No answer came: 503. A credential that was being spent may be gone.
    pub(crate) fn give_up(&self, state: &mut State, number: usize) {
        self.seen.add(Seen::GaveUp);
        // A command that is carried out later can only use up a credential that admits no request.
        state.requests.remove(number);
    }

    /// The body of a mint request is there, or an ordinary request is answered.
    pub(crate) fn finish_body(&self, state: &mut State, number: usize) {
        let request = state.requests.remove(number);
        let Purpose::Mint(kind) = request.purpose else {
            return;
        };
        self.seen.add(match kind {
            Kind::Ticket => Seen::TicketMinted,
            _ => Seen::TokenMinted,
        });
        let parent = &state.credentials[request.credential];
        let inherits = self.protocol.minted != Minted::AtMinting;
        // Its parent's known revocations pass to it as well.
        let knows = match request.watch {
            _ if !self.protocol.credentials_know_revocations => None,
            Watch::Good {
                known: [Some(known), _],
            } => Some(state.revocations[known].at),
            _ => None,
        };
        let minted = Credential {
            kind,
            user: parent.user,
            session: parent.session,
            names_session: parent.names_session && (inherits || kind == Kind::Ticket),
            issued_at: match self.protocol.minted {
                Minted::AtMinting => Some(state.moment(request.node)),
                // It was sent when the last question about its parent was.
                Minted::AtDecision => Some(moment(request.sent + state.nodes[request.node].ahead)),
                Minted::WithParent => request.issued_at,
            },
            knows: knows.max(parent.knows),
            expires: Tick::MAX,
            is_coming: false,
            is_stored: kind == Kind::Ticket,
            claimed_until: 0,
            doomed: parent.doomed,
            survives: parent.survives,
            uses: 0,
        };
        state.credentials.push(minted);
    }
}
