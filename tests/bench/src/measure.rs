//! The program that runs the cases: takes one of the measures, and prints it for the parent.

use std::any::Any;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::case::{Case, Kind, Turn};

const ROUNDS: usize = 101;
/// The duration of a case's turn in a round.
const TURN: Duration = Duration::from_micros(500);
const REGION_CALLS: u32 = 10;
const WARM_UP: u32 = 20;

/// The counts of an allocator during a call.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// The number of allocations.
    pub allocations: u64,
    /// The bytes that were allocated and not freed.
    pub kept: i64,
}

pub(crate) fn allocations(cases: Vec<Case>, count: impl Fn(&mut dyn FnMut()) -> Counted) {
    for Case { id, kind, .. } in cases {
        match kind {
            Kind::Call(prepare) => {
                let mut call = prepare();
                // For state that is set up once and kept.
                call();
                call();
                #[expect(clippy::cast_precision_loss, reason = "a few")]
                report("allocations", id, &[count(&mut *call).allocations as f64]);
            }
            Kind::Kept(each, prepare) => {
                let mut build = Some(prepare());
                let mut kept: Option<Box<dyn Any>> = None;
                let counted = count(&mut || kept = build.take().map(|build| build()));
                #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
                report("bytes", id, &[counted.kept as f64 / each]);
                drop(kept);
            }
            Kind::Clocked(_) | Kind::Number(_) => {}
        }
    }
}

/// Under callgrind, which collects and dumps for each call of [`measured_region`].
pub(crate) fn regions(cases: Vec<Case>) {
    for Case { id, kind, .. } in cases {
        let Kind::Call(prepare) = kind else { continue };
        let mut call = prepare();
        call();
        call();
        region(id, REGION_CALLS, &mut *call);
    }
}

/// Collects and dumps this many calls of a warmed-up closure.
pub(crate) fn region(id: &str, calls: u32, call: &mut dyn FnMut()) {
    measured_region(calls, call);
    // The dumps have no names: one line for each, in their order.
    report("region", id, &[f64::from(calls)]);
}

/// Callgrind finds it by its name.
#[inline(never)]
fn measured_region(calls: u32, call: &mut dyn FnMut()) {
    for _ in 0..calls {
        black_box(&mut *call)();
    }
}

pub(crate) fn times(cases: Vec<Case>) {
    timed(cases, report);
}

/// Tells `report` what was measured, and in which measure.
pub(crate) fn timed(cases: Vec<Case>, mut report: impl FnMut(&str, &'static str, &[f64])) {
    struct Timed {
        id: &'static str,
        turn: Box<Turn>,
        rounds: Vec<f64>,
    }

    let mut timed = Vec::new();
    for case in cases.into_iter().filter(|case| !case.untimed) {
        let Case { id, kind, .. } = case;
        let turn: Box<Turn> = match kind {
            Kind::Call(prepare) => {
                let mut call = prepare();
                let calls = calls_in_a_turn(&mut *call);
                Box::new(move || {
                    let began = Instant::now();
                    for _ in 0..calls {
                        black_box(&mut call)();
                    }
                    began.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
                })
            }
            Kind::Clocked(prepare) => prepare(),
            Kind::Number(measure) => {
                report("number", id, &[measure()]);
                continue;
            }
            Kind::Kept(..) => continue,
        };
        let rounds = Vec::new();
        timed.push(Timed { id, turn, rounds });
    }
    for _ in 0..ROUNDS {
        for Timed { turn, rounds, .. } in &mut timed {
            rounds.push(turn());
        }
    }
    for Timed { id, rounds, .. } in timed {
        report("time", id, &rounds);
    }
}

fn calls_in_a_turn(call: &mut dyn FnMut()) -> u32 {
    for _ in 0..WARM_UP {
        call();
    }
    let began = Instant::now();
    for _ in 0..WARM_UP {
        call();
    }
    let each = began.elapsed().as_nanos() / u128::from(WARM_UP);
    u32::try_from(TURN.as_nanos() / each.max(1))
        .unwrap_or(1)
        .max(1)
}

fn report(measure: &str, id: &str, values: &[f64]) {
    let values: Vec<String> = values.iter().map(f64::to_string).collect();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{measure}\t{id}\t{}", values.join(" ")).unwrap();
}
