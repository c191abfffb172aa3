//! Runs the checker.

use std::collections::BTreeSet;
use std::time::Instant;

use stateright::{Checker as _, HasDiscoveries, Model as _, Path, UniformChooser};

use crate::model::{Action, World};
use crate::protocol::Protocol;
use crate::rules::{Bounds, Rule};
use crate::seen::Seen;
use crate::setup::Setup;

/// The first in the quick tier, the second in the slow one: `SUITE_TIER=assure`.
pub(crate) fn by_tier<T>(test: T, assure: T) -> T {
    if std::env::var_os("SUITE_TIER").is_some_and(|tier| tier == "assure") {
        assure
    } else {
        test
    }
}

/// Visits every state that can be reached, breaks no rule in any of them, and comes by what is
/// named. Prints how many states there are.
pub(crate) fn keeps_every_rule(name: &str, setup: Setup, protocol: Protocol, comes_by: &[Seen]) {
    let began = Instant::now();
    let world = World::new(setup, protocol);
    let seen = world.seen.clone();
    // Depth first: what waits to be visited stays small.
    let checker = world
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_dfs()
        .join();
    println!(
        "{name}: {} unique states of {}, up to {} steps deep, in {:.1?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed(),
    );
    let broken = checker.discoveries().into_iter();
    let broken = broken.map(|(rule, path)| (rule, path.into_actions()));
    assert_eq!(broken.collect::<Vec<_>>(), [], "{name}");
    let seen = seen.read();
    let missed = comes_by.iter().filter(|expected| !seen.contains(expected));
    assert_eq!(
        missed.collect::<Vec<_>>(),
        [] as [&Seen; 0],
        "{name} saw {seen:?}"
    );
}

/// Walks at random through worlds that are too large to visit every state, for so many steps, and
/// breaks no rule.
pub(crate) fn walks(setup: Setup, protocol: Protocol, seed: u64, steps: usize) {
    let began = Instant::now();
    let world = World::new(setup, protocol);
    let log = world.seen.clone();
    let checker = world
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .target_state_count(steps)
        .spawn_simulation(seed, UniformChooser)
        .join();
    let (steps, deep) = (checker.state_count(), checker.max_depth());
    let (saw, took) = (log.read(), began.elapsed());
    println!("walks: {steps} steps, up to {deep} in one walk, in {took:.1?}, which saw {saw:?}");
    let broken = checker.discoveries().into_iter();
    let broken = broken.map(|(rule, path)| (rule, path.into_actions()));
    assert_eq!(broken.collect::<Vec<_>>(), []);
}

/// A shortest way to a state in which a rule is broken.
pub(crate) fn counterexample(setup: Setup, protocol: Protocol, rule: Rule) -> Option<Vec<Action>> {
    counterexample_beyond(Bounds::PROMISED, setup, protocol, rule)
}

/// The same, for other bounds than those that are promised.
pub(crate) fn counterexample_beyond(
    bounds: Bounds,
    setup: Setup,
    protocol: Protocol,
    rule: Rule,
) -> Option<Vec<Action>> {
    let mut world = World::new(setup, protocol);
    world.bounds = bounds;
    world.looks_for = Some(rule);
    let checker = world
        .checker()
        .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([rule.name()])))
        .spawn_bfs()
        .join();
    checker.discovery(rule.name()).map(Path::into_actions)
}
