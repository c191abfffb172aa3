//! Runs the checker.

use std::collections::BTreeSet;

use stateright::{Checker as _, HasDiscoveries, Model as _, Path};

use crate::model::{Action, World};
use crate::protocol::Protocol;
use crate::rules::Rule;
use crate::setup::Setup;

/// A shortest way to a state in which a rule is broken.
pub(crate) fn counterexample(setup: Setup, protocol: Protocol, rule: Rule) -> Option<Vec<Action>> {
    let mut world = World::new(setup, protocol);
    world.looks_for = Some(rule);
    let checker = world
        .checker()
        .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([rule.name()])))
        .spawn_bfs()
        .join();
    checker.discovery(rule.name()).map(Path::into_actions)
}
