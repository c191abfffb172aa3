//! The model: the possible actions in a state, and their effects.

use stateright::{Model, Property};

use crate::protocol::Protocol;
use crate::rules::{self, Bounds, Broken, Rule};
use crate::seen::{Log, Seen};
use crate::setup::{RECHECK, Setup, Start, TIMEOUT};
use crate::state::{
    Command, Connection, Credential, Key, Kind, Node, Outcome, Purpose, Revocation, State, Step,
    Tick, User, bit, members, moment,
};

/// A setup under a protocol.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) protocol: Protocol,
    pub(crate) bounds: Bounds,
    /// After this rule is broken, nothing that follows matters.
    pub(crate) looks_for: Option<Rule>,
    pub(crate) seen: Log,
}

/// One thing that happens. Numbers are places in the vectors of [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// True time goes on. It waits for everything that must have happened by now.
    Tick,

    /// A user logs in, and the node asks which revocation of theirs is the latest
    /// (`Revocations::key`).
    LogIn(User),
    /// Their session is made, with the time of the login in its record (`Sessions::create`).
    Create { node: usize, credential: usize },
    /// A handshake, an ordinary request, a mint request or a renewal begins.
    Ask {
        node: usize,
        credential: usize,
        purpose: Purpose,
    },
    /// The store carries out the command of a request.
    CarryOut(usize),
    /// Its answer arrives, and the node goes on.
    Answer(usize),
    /// No answer came in time, or the node is cut off: 503.
    GiveUp(usize),
    /// The body of a mint request has arrived, or an ordinary request has been answered.
    Finish(usize),

    /// `Revocations::revoke`, for a session together with `Sessions::destroy`.
    Revoke { node: usize, key: Key },
    /// `Revocations::revoke_within`.
    RevokeWithin { node: usize, key: Key },
    /// The store carries out the write of a revocation.
    Write(usize),
    /// The store carries out the `DEL` of a logout.
    Destroy(usize),
    /// The answers arrive: it returns `Ok`, or is written a second time.
    Confirm(usize),
    /// Some answer did not arrive: it returns `Err`, and the node keeps it to write it later.
    Fail(usize),
    /// A write that was given up is carried out after all.
    WriteLate(usize),
    /// A node writes and publishes what it could not write before (`Shared::catch_up`).
    CatchUp { node: usize, revocation: usize },
    /// The other node hears what was published (`Listener::listen`).
    Hear(usize),
    /// A node asks about all its keys (`Listener::ask_about_everything`).
    Recheck(usize),

    /// A node loses the store, with all that it waits for.
    CutOff(usize),
    /// It has the store again.
    Reconnect(usize),
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let clocks = self.setup.clocks.iter();
        clocks.map(|clocks| self.begin(*clocks)).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.looks_for.is_some_and(|rule| !state.keeps(rule)) {
            return;
        }
        self.clients(state, actions);
        self.operators(state, actions);
        for (number, request) in state.requests.iter().enumerate() {
            if request.step == Step::Body {
                actions.push(Action::Finish(number));
                continue;
            }
            let is_cut_off = state.nodes[request.node].is_cut_off;
            match request.answer {
                // Its answer would not arrive, and it leaves nothing behind.
                None if is_cut_off && request.step != Step::Spend => {}
                None => actions.push(Action::CarryOut(number)),
                Some(_) if !is_cut_off => actions.push(Action::Answer(number)),
                Some(_) => {}
            }
            // One that leaves nothing behind is a request that never was.
            let is_late = state.now >= request.sent + TIMEOUT;
            if is_cut_off || is_late && request.step == Step::Spend {
                actions.push(Action::GiveUp(number));
            }
        }
        for number in 0..state.revocations.len() {
            revocation_steps(state, number, actions);
        }
        for (number, node) in state.nodes.iter().enumerate() {
            if !node.is_cut_off {
                if state
                    .written()
                    .any(|(written, _)| node.asked & bit(written) == 0)
                {
                    actions.push(Action::Recheck(number));
                }
                for revocation in members(node.unwritten) {
                    let node = number;
                    actions.push(Action::CatchUp { node, revocation });
                }
            }
            if node.is_cut_off {
                actions.push(Action::Reconnect(number));
            } else if state.left.cuts > 0 {
                actions.push(Action::CutOff(number));
            }
        }
        if state.now < self.setup.horizon && !state.must_act_first() {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Tick => {
                state.now += 1;
                self.end_margins(&mut state);
                state.judge_what_is_open(self.bounds);
            }
            Action::LogIn(user) => self.log_in(&mut state, user),
            Action::Create { node, credential } => state.create(node, credential),
            Action::Ask {
                node,
                credential,
                purpose,
            } => self.ask(&mut state, node, credential, purpose),
            Action::CarryOut(number) => self.carry_out(&mut state, number),
            Action::Answer(number) => self.answer(&mut state, number),
            Action::GiveUp(number) => self.give_up(&mut state, number),
            Action::Finish(number) => self.finish_body(&mut state, number),
            Action::Revoke { node, key } => self.revoke(&mut state, node, key, false),
            Action::RevokeWithin { node, key } => self.revoke(&mut state, node, key, true),
            Action::Write(number) => {
                state.revocations[number].write = self.write(&mut state, number);
            }
            Action::Destroy(number) => Self::destroy(&mut state, number),
            Action::Confirm(number) => self.confirm(&mut state, number),
            Action::Fail(number) => self.fail(&mut state, number),
            Action::WriteLate(number) => self.write_late(&mut state, number),
            Action::CatchUp { node, revocation } => self.catch_up(&mut state, node, revocation),
            Action::Hear(number) => self.hear_news(&mut state, number),
            Action::Recheck(node) => self.recheck(&mut state, node),
            Action::CutOff(node) => {
                state.left.cuts -= 1;
                state.nodes[node].is_cut_off = true;
            }
            Action::Reconnect(node) => self.reconnect(&mut state, node),
        }
        state.requests.sort_unstable();
        self.forget_idle_questions(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        rules::properties()
    }
}

/// The possible outcomes of a revocation's commands.
fn revocation_steps(state: &State, number: usize, actions: &mut Vec<Action>) {
    let revocation = &state.revocations[number];
    let is_cut_off = state.nodes[revocation.node].is_cut_off;
    if revocation.outcome == Outcome::Waiting {
        if revocation.write == Command::Sent {
            actions.push(Action::Write(number));
        }
        if revocation.destroy == Command::Sent {
            actions.push(Action::Destroy(number));
        }
        let is_done = revocation.write != Command::Sent && revocation.destroy != Command::Sent;
        if is_done && !is_cut_off {
            actions.push(Action::Confirm(number));
        }
        let is_late = state.now >= revocation.sent + TIMEOUT;
        if is_cut_off || is_late && state.left.failures > 0 {
            actions.push(Action::Fail(number));
        }
    }
    if revocation.may_come_late {
        actions.push(Action::WriteLate(number));
    }
    if revocation.is_news && !state.nodes[1 - revocation.node].is_cut_off {
        actions.push(Action::Hear(number));
    }
}

impl World {
    pub(crate) fn new(setup: Setup, protocol: Protocol) -> Self {
        Self {
            setup,
            protocol,
            bounds: Bounds::PROMISED,
            looks_for: None,
            seen: Log::default(),
        }
    }

    fn begin(&self, clocks: [Tick; 2]) -> State {
        let node = |ahead| Node {
            ahead,
            is_cut_off: false,
            reconnected: 0,
            asked: 0,
            unwritten: 0,
        };
        let credential = |(number, start): (usize, &Start)| Credential {
            kind: start.kind,
            user: start.user,
            session: (start.kind == Kind::Session).then_some(number),
            names_session: start.kind == Kind::Session,
            issued_at: start.issued_by.map(|node| moment(clocks[node])),
            knows: None,
            expires: start.expires,
            is_coming: false,
            is_stored: matches!(start.kind, Kind::Session | Kind::Ticket),
            claimed_until: 0,
            doomed: 0,
            survives: 0,
            uses: 0,
        };
        State {
            now: 0,
            nodes: clocks.map(node),
            credentials: self
                .setup
                .start
                .iter()
                .enumerate()
                .map(credential)
                .collect(),
            requests: Vec::new(),
            connections: Vec::new(),
            revocations: Vec::new(),
            stored: Vec::new(),
            left: self.setup.budget,
            broken: Broken::default(),
        }
    }

    /// The actions that clients may begin.
    fn clients(&self, state: &State, actions: &mut Vec<Action>) {
        if state.left.log_ins > 0 {
            let log_ins = self.setup.log_ins.iter().copied();
            actions.extend(log_ins.map(Action::LogIn));
        }
        for &node in self.setup.serving {
            // A node that is cut off refuses everybody, and nothing comes of it.
            if state.nodes[node].is_cut_off {
                continue;
            }
            for (number, credential) in state.credentials.iter().enumerate() {
                let mut ask = |purpose| {
                    actions.push(Action::Ask {
                        node,
                        credential: number,
                        purpose,
                    });
                };
                // A credential that the store has lost for ever is refused, without any further
                // effect.
                let needs_store = matches!(credential.kind, Kind::Session | Kind::Ticket);
                let is_over = state.clock(node) >= credential.expires;
                if credential.is_coming {
                    let credential = number;
                    actions.push(Action::Create { node, credential });
                    continue;
                }
                if is_over || needs_store && !credential.is_stored {
                    continue;
                }
                if state.left.handshakes > 0 {
                    ask(Purpose::Open { permitted: true });
                    if self.setup.forbidden {
                        ask(Purpose::Open { permitted: false });
                    }
                }
                if self.setup.renewable && state.left.renewals > 0 {
                    let others = state.connections.iter();
                    for open in others.filter(|open| open.credential != number) {
                        ask(Purpose::RenewByRequest(open.number));
                    }
                }
                if credential.is_spent_by_use() {
                    continue;
                }
                if state.left.requests > 0 {
                    ask(Purpose::Fetch);
                }
                if state.left.mints > 0 {
                    for &kind in self.setup.mint {
                        ask(Purpose::Mint(kind));
                    }
                }
                if state.left.renewals > 0 && !self.setup.renewable {
                    let here = state.connections.iter().filter(|open| open.node == node);
                    let others = here.filter(|open| open.credential != number);
                    for open in others {
                        ask(Purpose::Renew(open.number));
                    }
                }
            }
        }
    }

    /// The revocations that operators and users may begin.
    fn operators(&self, state: &State, actions: &mut Vec<Action>) {
        if state.left.revocations == 0 {
            return;
        }
        for &node in self.setup.revoking {
            if self.setup.margins {
                let key = Key::User(User::Ada);
                actions.push(Action::RevokeWithin { node, key });
            }
            if self.setup.bans {
                let key = Key::User(User::Ada);
                actions.push(Action::Revoke { node, key });
            }
            if self.setup.logouts {
                for (number, credential) in state.credentials.iter().enumerate() {
                    let key = Key::Session(number);
                    let again = |revocation: &Revocation| {
                        revocation.key == key && revocation.outcome != Outcome::Err
                    };
                    if credential.kind == Kind::Session && !state.revocations.iter().any(again) {
                        actions.push(Action::Revoke { node, key });
                    }
                }
            }
        }
    }

    fn log_in(&self, state: &mut State, user: User) {
        state.left.log_ins -= 1;
        let number = state.credentials.len();
        let is_over =
            |&(number, _): &(usize, Tick)| state.revocations[number].outcome != Outcome::Waiting;
        let survives = state.written().filter(is_over);
        let survives = survives.map(|(number, _)| bit(number)).sum();
        let known = state.stored_for(Key::User(user));
        let known = known.filter(|_| self.protocol.credentials_know_revocations);
        state.credentials.push(Credential {
            kind: Kind::Session,
            user,
            session: Some(number),
            names_session: true,
            issued_at: None,
            knows: known.map(|known| state.revocations[known].at),
            expires: Tick::MAX,
            is_coming: true,
            is_stored: false,
            claimed_until: 0,
            doomed: 0,
            survives,
            uses: 0,
        });
    }

    fn reconnect(&self, state: &mut State, node: usize) {
        self.seen.add(Seen::Reconnected);
        let now = state.now;
        let node = &mut state.nodes[node];
        node.is_cut_off = false;
        node.reconnected = now;
        node.asked = 0;
    }

    /// Accepts a credential for a connection.
    pub(crate) fn open(
        &self,
        state: &mut State,
        node: usize,
        credential: usize,
        known: [Option<usize>; 2],
    ) {
        self.seen.add(match state.credentials[credential].kind {
            Kind::Session => Seen::SessionAccepted,
            Kind::Token => Seen::TokenAccepted,
            Kind::SingleUse => Seen::SingleUseAccepted,
            Kind::Ticket => Seen::TicketAccepted,
        });
        if state.credentials[credential].survives != 0 {
            self.seen.add(Seen::LaterLoginAccepted);
        }
        state.judge_acceptance(credential, node, self.bounds);
        let is_free = |number: &usize| state.connections.iter().all(|open| open.number != *number);
        let number = (0..=state.connections.len()).find(is_free);
        state.connections.push(Connection {
            number: number.unwrap_or_default(),
            node,
            credential,
            known,
            deadline: None,
        });
        state.judge_what_is_open(self.bounds);
        state.judge_limit(node, credential, self.setup.limit);
    }
}

impl State {
    fn create(&mut self, node: usize, credential: usize) {
        let now = self.moment(node);
        let credential = &mut self.credentials[credential];
        credential.is_coming = false;
        credential.is_stored = true;
        credential.issued_at = Some(now);
    }

    /// Whether something has to be over before time goes on.
    fn must_act_first(&self) -> bool {
        let waits = |sent: Tick| self.now >= sent + TIMEOUT;
        let request =
            (self.requests.iter()).any(|request| request.step != Step::Body && waits(request.sent));
        let revocation = (self.revocations.iter())
            .any(|revocation| revocation.outcome == Outcome::Waiting && waits(revocation.sent));
        let recheck = self.nodes.iter().any(|node| {
            let is_due = |(number, written): (usize, Tick)| {
                let by = if written < node.reconnected {
                    node.reconnected + TIMEOUT
                } else {
                    written + RECHECK
                };
                node.asked & bit(number) == 0 && self.now >= by
            };
            !node.is_cut_off && self.written().any(is_due)
        });
        request || revocation || recheck
    }
}
