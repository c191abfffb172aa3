//! A fleet of servers after a deploy that has dropped every connection, as a model.
//!
//! One node is simulated, with its share of the clients: a balancer distributes them evenly. Time
//! advances in steps of 10 ms. A node answers in the order of arrival, within its CPU time. A
//! client that has waited too long disconnects and comes back by its policy. The node pays a little
//! to notice that.

use std::collections::VecDeque;

use crate::random::Random;

/// How clients come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// After a second, each time.
    Fixed,
    /// 1, 2, 4 … 30 s, the same for all.
    Doubling,
    /// A random share of that.
    Jitter,
    /// 10, 50, 100 … 5,000 ms, from the beginning whenever a socket opens, as phoenix.js does.
    Steps,
}

/// The answer to a refused client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// An HTTP status, which a page cannot read.
    Status,
    /// A close frame at once, without bounds.
    Frame,
    /// A close frame by `CloseFrameLayer`: delayed, with a maximum at a time. Other clients get a
    /// status.
    Held,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) policy: Policy,
    pub(crate) told: Told,
    /// Whether clients act on close codes: 4401 makes them fetch a new token, 1001 spreads them.
    pub(crate) codes: bool,
    /// The duration of the deploy, node by node. If zero, all nodes restart at once and are down
    /// for a while.
    pub(crate) rolling: u32,
}

/// A node, by the suite's own measurements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) clients: u32,
    /// CPU nanoseconds a step.
    pub(crate) budget: f64,
    /// CPU nanoseconds of a handshake: accepted, refused with a close frame, refused without.
    pub(crate) accepted: f64,
    pub(crate) closing_handshake: f64,
    pub(crate) refused: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Handshakes that arrive in the worst second while the nodes are up.
    pub(crate) offered: u32,
    /// Handshakes decided in the worst second, which is the load of a store.
    pub(crate) decided: u32,
    /// Seconds in which a client waited longer than one second.
    pub(crate) overloaded: u32,
    /// Seconds until 99 of 100 are connected again; none if that never happens.
    pub(crate) back: Option<u32>,
    /// Refusals a second in the last minute.
    pub(crate) refusals_in_the_end: u32,
    /// Tokens fetched in the worst second.
    pub(crate) tokens: u32,
}

const STEPS_A_SECOND: u32 = 100;
pub(crate) const SECONDS: u32 = 600;
/// The time during which no node listens.
const DOWN: u32 = 5 * STEPS_A_SECOND;
/// The time after which a client gives up.
const PATIENCE: u32 = 10 * STEPS_A_SECOND;
/// The percentage of clients with an expired token.
pub(crate) const STALE: u64 = 40;
/// The time over which a client spreads after 1001.
pub(crate) const SPREAD: u32 = 60 * STEPS_A_SECOND;
const FETCHING: u32 = STEPS_A_SECOND / 5;
/// The layer's defaults.
const HOLD: u32 = 30;
const CLOSING_HANDSHAKES: u32 = 1024;
/// The round trip, in addition to waiting.
const TRIP: u32 = 5;

#[derive(Clone, Copy, Default)]
struct Client {
    attempts: u8,
    /// Identifies the attempt that a queue entry or a timeout belongs to.
    turn: u8,
    stale: bool,
    connected: bool,
}

#[derive(Clone, Copy)]
enum Event {
    Tries(u32),
    GivesUp(u32, u8),
    ClosingHandshakeOver,
}

pub(crate) fn simulate(scenario: &Scenario, node: &Node) -> Outcome {
    let mut fleet = Fleet {
        scenario,
        node,
        clients: vec![Client::default(); node.clients as usize],
        wheel: vec![Vec::new(); (SECONDS * STEPS_A_SECOND + 1) as usize],
        queue: VecDeque::new(),
        random: Random::new(),
        closing_handshakes: 0,
        connected: 0,
        now: 0,
        second: Second::default(),
    };
    fleet.drop_all();
    fleet.run()
}

#[derive(Default)]
struct Second {
    offered: u32,
    decided: u32,
    refused: u32,
    tokens: u32,
    late: bool,
}

struct Fleet<'s> {
    scenario: &'s Scenario,
    node: &'s Node,
    clients: Vec<Client>,
    wheel: Vec<Vec<Event>>,
    queue: VecDeque<(u32, u8, u32)>,
    random: Random,
    closing_handshakes: u32,
    connected: u32,
    now: u32,
    second: Second,
}

impl Fleet<'_> {
    fn drop_all(&mut self) {
        for client in 0..self.node.clients {
            self.clients[client as usize].stale = self.random.below(100) < STALE;
            let dropped = self.upto(self.scenario.rolling * STEPS_A_SECOND);
            let pause = if self.scenario.codes {
                self.upto(SPREAD)
            } else {
                self.pause(0)
            };
            self.at(dropped + pause, Event::Tries(client));
        }
    }

    fn run(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        let mut last_minute = 0;
        let mut left = 0.0_f64;
        for now in 0..SECONDS * STEPS_A_SECOND {
            self.now = now;
            for event in std::mem::take(&mut self.wheel[now as usize]) {
                self.happens(event);
            }
            left = left.min(0.0) + self.node.budget;
            while left > 0.0 {
                let Some((client, turn, arrived)) = self.queue.pop_front() else {
                    break;
                };
                self.second.late |= now - arrived > STEPS_A_SECOND;
                left -= self.decide(client, turn);
            }
            if (now + 1).is_multiple_of(STEPS_A_SECOND) {
                let second = std::mem::take(&mut self.second);
                outcome.offered = outcome.offered.max(second.offered);
                outcome.decided = outcome.decided.max(second.decided);
                outcome.tokens = outcome.tokens.max(second.tokens);
                outcome.overloaded += u32::from(second.late);
                if now >= (SECONDS - 60) * STEPS_A_SECOND {
                    last_minute += second.refused;
                }
                if u64::from(self.connected) * 100 >= u64::from(self.node.clients) * 99 {
                    outcome.back.get_or_insert((now + 1) / STEPS_A_SECOND);
                }
            }
        }
        outcome.refusals_in_the_end = last_minute / 60;
        outcome
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::ClosingHandshakeOver => self.closing_handshakes -= 1,
            Event::Tries(client) => {
                let turn = self.clients[client as usize].turn;
                if self.scenario.rolling == 0 && self.now < DOWN {
                    self.fails(client, 0);
                } else {
                    self.second.offered += 1;
                    self.queue.push_back((client, turn, self.now));
                    self.at(self.now + PATIENCE, Event::GivesUp(client, turn));
                }
            }
            Event::GivesUp(client, turn) => {
                if self.clients[client as usize].turn == turn {
                    self.fails(client, 0);
                }
            }
        }
    }

    /// Returns its cost.
    fn decide(&mut self, client: u32, turn: u8) -> f64 {
        let state = &mut self.clients[client as usize];
        if state.turn != turn {
            // Accepted and read, but the client has gone.
            return self.node.refused / 2.0;
        }
        self.second.decided += 1;
        if !state.stale {
            state.connected = true;
            state.turn = turn.wrapping_add(1);
            self.connected += 1;
            return self.node.accepted;
        }
        self.second.refused += 1;
        let framed = match self.scenario.told {
            Told::Status => false,
            Told::Frame => true,
            Told::Held => self.closing_handshakes < CLOSING_HANDSHAKES,
        };
        if !framed {
            self.fails(client, TRIP);
            return self.node.refused;
        }
        let held = if self.scenario.told == Told::Held {
            self.closing_handshakes += 1;
            self.at(self.now + HOLD + TRIP, Event::ClosingHandshakeOver);
            HOLD
        } else {
            0
        };
        if self.scenario.codes {
            self.second.tokens += 1;
            let state = &mut self.clients[client as usize];
            state.stale = false;
            state.turn = turn.wrapping_add(1);
            let pause = held + TRIP + FETCHING + self.upto(STEPS_A_SECOND);
            self.at(self.now + pause, Event::Tries(client));
        } else {
            if self.scenario.policy == Policy::Steps {
                self.clients[client as usize].attempts = 0;
            }
            self.fails(client, held + TRIP);
        }
        self.node.closing_handshake
    }

    fn fails(&mut self, client: u32, after: u32) {
        let state = &mut self.clients[client as usize];
        state.turn = state.turn.wrapping_add(1);
        let attempts = state.attempts;
        state.attempts = attempts.saturating_add(1);
        let pause = self.pause(attempts);
        self.at(self.now + after + pause, Event::Tries(client));
    }

    /// In steps. Equal pauses differ by the clients' distance to the server.
    fn pause(&mut self, attempts: u8) -> u32 {
        let doubled = (1_u32 << attempts.min(5)).min(30) * STEPS_A_SECOND;
        match self.scenario.policy {
            Policy::Fixed => STEPS_A_SECOND + self.upto(5),
            Policy::Doubling => doubled + self.upto(5),
            Policy::Jitter => 1 + self.upto(doubled),
            Policy::Steps => {
                const STEPS: [u32; 10] = [1, 5, 10, 15, 20, 25, 50, 100, 200, 500];
                STEPS[usize::from(attempts.min(9))] + self.upto(2)
            }
        }
    }

    fn at(&mut self, step: u32, event: Event) {
        // Events beyond the end are dropped.
        if let Some(events) = self.wheel.get_mut(step.max(self.now + 1) as usize) {
            events.push(event);
        }
    }

    fn upto(&mut self, most: u32) -> u32 {
        let random = self.random.below(u64::from(most) + 1);
        u32::try_from(random).unwrap_or(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Node = Node {
        clients: 10_000,
        budget: 10e6,
        accepted: 100e3,
        closing_handshake: 100e3,
        refused: 80e3,
    };

    fn scenario(told: Told, codes: bool) -> Scenario {
        Scenario {
            name: "",
            policy: Policy::Jitter,
            told,
            codes,
            rolling: 0,
        }
    }

    #[test]
    fn clients_that_cannot_read_why_never_come_back_and_never_stop() {
        let outcome = simulate(&scenario(Told::Status, false), &SMALL);
        assert_eq!(outcome.back, None);
        assert!(outcome.refusals_in_the_end > 100, "{outcome:?}");
    }

    #[test]
    fn clients_that_read_codes_are_all_back_and_none_is_refused_in_the_end() {
        let outcome = simulate(&scenario(Told::Held, true), &SMALL);
        assert!(outcome.back.is_some_and(|back| back < 120), "{outcome:?}");
        assert_eq!(outcome.refusals_in_the_end, 0);
    }
}
