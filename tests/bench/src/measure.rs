//! The program that runs the cases: takes one of the measures, and prints it for the parent.

use std::any::Any;
use std::hint::black_box;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::case::{Case, Kind, Turn};

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
        let measured = match &kind {
            Kind::Call(prepare) => tried(|| {
                let mut call = prepare();
                // For state that is set up once and kept.
                call();
                call();
                #[expect(clippy::cast_precision_loss, reason = "a few")]
                let allocations = count(&mut *call).allocations as f64;
                ("allocations", allocations)
            }),
            Kind::Kept(each, prepare) => tried(|| {
                let mut build = Some(prepare());
                let mut kept: Option<Box<dyn Any>> = None;
                let counted = count(&mut || kept = build.take().map(|build| build()));
                drop(kept);
                #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
                let kept = counted.kept as f64;
                ("bytes", kept / each)
            }),
            Kind::Clocked(_) | Kind::Number(_) => continue,
        };
        match measured {
            Ok((measure, value)) => report(measure, id, &[value]),
            Err(why) => report_failure(id, &why),
        }
    }
}

/// Under callgrind, which collects and dumps for each call of [`measured_region`].
pub(crate) fn regions(cases: Vec<Case>) {
    for Case { id, kind, .. } in cases {
        let Kind::Call(prepare) = kind else { continue };
        let measured = tried(|| {
            let mut call = prepare();
            call();
            call();
            region(id, REGION_CALLS, &mut *call);
        });
        if let Err(why) = measured {
            report_failure(id, &why);
        }
    }
}

/// How often a case is tried that cannot be measured.
const TRIES: usize = 3;

/// The result of the first try that does not panic, or what the last one said.
fn tried<T>(mut attempt: impl FnMut() -> T) -> Result<T, String> {
    let mut tried = caught(&mut attempt);
    for _ in 1..TRIES {
        if tried.is_ok() {
            break;
        }
        tried = caught(&mut attempt);
    }
    tried
}

fn caught<T>(attempt: impl FnOnce() -> T) -> Result<T, String> {
    // What a case leaves behind is dropped, and it is prepared anew.
    catch_unwind(AssertUnwindSafe(attempt)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        text.unwrap_or("it panicked").to_owned()
    })
}

/// Collects and dumps this many calls of a warmed-up closure.
pub(crate) fn region(id: &str, calls: u32, call: &mut dyn FnMut()) {
    let done = measured_region(calls, call);
    // The dumps have no names: one line for each, in their order.
    let counted = if done.is_ok() { calls } else { 0 };
    report("region", id, &[f64::from(counted)]);
    if let Err(panic) = done {
        resume_unwind(panic);
    }
}

/// Callgrind finds it by its name, and dumps where it returns.
#[inline(never)]
fn measured_region(calls: u32, call: &mut dyn FnMut()) -> std::thread::Result<()> {
    catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..calls {
            black_box(&mut *call)();
        }
    }))
}

pub(crate) fn times(cases: Vec<Case>) {
    timed(cases, ROUNDS, report, report_failure);
}

/// The rounds of the tables.
pub(crate) const ROUNDS: usize = 101;

/// Tells `report` what was measured and in which measure, and `failed` what could not be measured
/// and why.
pub(crate) fn timed(
    cases: Vec<Case>,
    rounds: usize,
    mut report: impl FnMut(&str, &'static str, &[f64]),
    mut failed: impl FnMut(&'static str, &str),
) {
    struct Timed {
        id: &'static str,
        kind: Kind,
        turn: Option<Box<Turn>>,
        tries: usize,
        rounds: Vec<f64>,
    }

    let mut timed = Vec::new();
    for Case { id, kind, .. } in cases.into_iter().filter(|case| !case.untimed) {
        match &kind {
            Kind::Number(measure) => match tried(measure) {
                Ok(number) => report("number", id, &[number]),
                Err(why) => failed(id, &why),
            },
            Kind::Call(_) | Kind::Clocked(_) => timed.push(Timed {
                id,
                kind,
                turn: None,
                tries: 0,
                rounds: Vec::new(),
            }),
            Kind::Kept(..) => {}
        }
    }
    for _ in 0..rounds {
        for case in &mut timed {
            // In the same round again, because ratios are of one round.
            while case.tries < TRIES {
                let turn = &mut case.turn;
                let kind = &case.kind;
                let nanoseconds = caught(|| turn.get_or_insert_with(|| turn_of(kind))());
                match nanoseconds {
                    Ok(nanoseconds) => {
                        case.rounds.push(nanoseconds);
                        break;
                    }
                    Err(why) => {
                        case.turn = None;
                        case.tries += 1;
                        if case.tries == TRIES {
                            failed(case.id, &why);
                        }
                    }
                }
            }
        }
    }
    for case in timed.iter().filter(|case| case.tries < TRIES) {
        report("time", case.id, &case.rounds);
    }
}

/// A case, ready to take its turns.
fn turn_of(kind: &Kind) -> Box<Turn> {
    match kind {
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
        Kind::Kept(..) | Kind::Number(_) => panic!("it takes no turns"),
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

/// Why a case could not be measured, in one line.
fn report_failure(id: &str, why: &str) {
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = std::io::stdout().lock();
    writeln!(out, "failed\t{id}\t{why}").unwrap();
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The measure, the case, and the number of rounds.
    type Measured = (String, &'static str, usize);
    type Failed = (&'static str, String);

    fn run(cases: Vec<Case>) -> (Vec<Measured>, Vec<Failed>) {
        let (mut measured, mut failed) = (Vec::new(), Vec::new());
        let report = |measure: &str, id, values: &[f64]| {
            measured.push((measure.to_owned(), id, values.len()));
        };
        let fail = |id, why: &str| failed.push((id, why.to_owned()));
        timed(cases, 5, report, fail);
        (measured, failed)
    }

    #[test]
    fn a_case_that_fails_once_in_a_round_is_measured_in_all_rounds() {
        let turns = Cell::new(0);
        let flaky = Case::clocked("flaky", move || {
            let turns = turns.clone();
            move || {
                turns.set(turns.get() + 1);
                assert_ne!(turns.get(), 3, "the machine was busy");
                1.0
            }
        });
        let (measured, failed) = run(vec![flaky, Case::clocked("steady", || || 1.0)]);
        let all = |id| ("time".to_owned(), id, 5);
        assert_eq!(measured, [all("flaky"), all("steady")]);
        assert!(failed.is_empty());
    }

    #[test]
    fn a_case_that_fails_three_times_is_reported_and_the_others_are_measured() {
        let tries = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let seen = std::sync::Arc::clone(&tries);
        let broken = Case::number("broken", move || {
            seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            panic!("only {} were refused", 887)
        });
        let stuck = Case::clocked("stuck", || || panic!("no socket"));
        let (measured, failed) = run(vec![broken, stuck, Case::call("steady", || || ())]);
        assert_eq!(measured, [("time".to_owned(), "steady", 5)]);
        assert_eq!(
            failed,
            [
                ("broken", "only 887 were refused".to_owned()),
                ("stuck", "no socket".to_owned())
            ]
        );
        assert_eq!(tries.load(std::sync::atomic::Ordering::Relaxed), 3);
    }
}
