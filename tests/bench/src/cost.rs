//! The tables for the pages about cost and fleets.

use crate::case::Crypto;
use crate::fleet::{self, Node, Policy, SECONDS, STALE, Scenario, Told};
use crate::goals::Measure;
use crate::measure;
use crate::results::Results;
use crate::rows::cost::{BACKENDS, TOKENS, cases};
use crate::table::{date, machine};

const SOCKETS: u32 = 10_000_000;
/// The machines of the model, and the share of them for handshakes.
const CORES: f64 = 8.0;
const SHARE: f64 = 0.5;

/// The program that prints them.
pub fn main() {
    Crypto::AwsLc.install();
    let mut results = Results::default();
    let mut failures = Vec::new();
    measure::timed(
        cases(),
        measure::ROUNDS,
        |measure, id, values| {
            if let Some(measure) = Measure::named(measure) {
                results.add(measure, id, values.to_vec());
            }
        },
        |id, why| failures.push(format!("`{id}` was not measured: {why}")),
    );
    for failure in failures {
        println!("{failure}\n");
    }
    println!("{}, {}\n", machine(), date());
    handshakes(&results);
    tokens(&results);
    backends(&results);
    fleets(&results);
}

fn handshakes(results: &Results) {
    println!("| a handshake, from the socket on | over hyper's bare 101 | a second and core |");
    println!("|---|---|---|");
    for (name, id, bare) in [
        (
            "hyper's bare 101, then the end",
            "accept/hyper",
            "accept/hyper",
        ),
        ("accepted: close, origin, JWT", "accept/jwt", "accept/hyper"),
        ("accepted, with a lease", "accept/lease", "accept/hyper"),
        (
            "accepted by axum and jsonwebtoken, by hand",
            "accept/hand",
            "accept/hyper",
        ),
        ("refused with 401", "refuse/plain", "accept/hyper"),
        ("refused with a close frame", "close/ours", "close/hyper"),
        (
            "refused with a close frame, axum by hand",
            "close/axum",
            "close/hyper",
        ),
    ] {
        let (ratio, second) = (results.ratio(id, bare), 1e9 / handshake(results, id, bare));
        println!("| {name} | {ratio:.2} | {second:.0} |");
    }
}

/// In nanoseconds, relative to the bare handshake of the same rounds.
fn handshake(results: &Results, id: &'static str, bare: &'static str) -> f64 {
    results.median("accept/hyper") * results.ratio(id, bare)
}

fn tokens(results: &Results) {
    println!("\n| HS256, token of about | over one of 500 bytes |\n|---|---|");
    for (id, length) in TOKENS {
        println!("| {length} B | {:.2} |", results.ratio(id, TOKENS[0].0));
    }
}

fn backends(results: &Results) {
    println!(
        "\n| a signature | rust-crypto over aws-lc-rs | aws-lc-rs, over HS256 | a second and core: aws-lc-rs | rust-crypto |"
    );
    println!("|---|---|---|---|---|");
    for [aws, rust] in BACKENDS {
        println!(
            "| {} | {:.1} | {:.1} | {:.0} | {:.0} |",
            &aws[..5],
            results.ratio(rust, aws),
            results.ratio(aws, BACKENDS[0][0]),
            1e9 / results.median(aws),
            1e9 / results.median(rust),
        );
    }
}

const fn scenario(name: &'static str, policy: Policy, told: Told, codes: bool) -> Scenario {
    Scenario {
        name,
        policy,
        told,
        codes,
        rolling: 0,
    }
}

const fn rolling(mut scenario: Scenario) -> Scenario {
    scenario.rolling = 300;
    scenario
}

#[rustfmt::skip]
const SCENARIOS: [Scenario; 10] = [
    scenario("again after 1 s; 401", Policy::Fixed, Told::Status, false),
    scenario("1, 2, 4 … 30 s; 401", Policy::Doubling, Told::Status, false),
    scenario("the same with jitter; 401", Policy::Jitter, Told::Status, false),
    scenario("back-off that `open` resets; close frame at once", Policy::Steps, Told::Frame, false),
    scenario("back-off that `open` resets; close frame, held", Policy::Steps, Told::Held, false),
    scenario("jitter; close frame, held; codes not read", Policy::Jitter, Told::Held, false),
    scenario("jitter; close frame, held; codes read", Policy::Jitter, Told::Held, true),
    rolling(scenario("over 5 minutes: again after 1 s; 401", Policy::Fixed, Told::Status, false)),
    rolling(scenario("over 5 minutes: jitter; 401", Policy::Jitter, Told::Status, false)),
    rolling(scenario("over 5 minutes: jitter; codes read", Policy::Jitter, Told::Held, true)),
];

fn fleets(results: &Results) {
    for nodes in [20_u32, 50] {
        let node = Node {
            clients: SOCKETS / nodes,
            budget: CORES * SHARE * 1e7,
            accepted: handshake(results, "accept/jwt", "accept/hyper"),
            closing_handshake: handshake(results, "close/ours", "close/hyper"),
            refused: handshake(results, "refuse/plain", "accept/hyper"),
        };
        println!(
            "\n{SOCKETS} sockets on {nodes} nodes of {CORES} cores, {STALE} % of the tokens expired, {} s; \
             a node can accept {:.0} a second\n",
            SECONDS,
            CORES * SHARE * 1e9 / node.accepted,
        );
        println!(
            "| clients and server | offered, a second and node | decided, a second and node | overloaded | 99 % are back after | refused in the end, a second and node | asked of a store of 4 shards, a second and shard | tokens fetched, a second |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for scenario in &SCENARIOS {
            let outcome = fleet::simulate(scenario, &node);
            let back = outcome
                .back
                .map_or_else(|| "never".to_owned(), |seconds| format!("{seconds} s"));
            println!(
                "| {} | {} | {} | {} s | {back} | {} | {} | {} |",
                scenario.name,
                outcome.offered,
                outcome.decided,
                outcome.overloaded,
                outcome.refusals_in_the_end,
                outcome.decided * nodes / 4,
                outcome.tokens * nodes,
            );
        }
    }
}
