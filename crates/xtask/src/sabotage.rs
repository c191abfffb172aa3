//! Sabotages: small changes that break the product on purpose. Each names the promise that it
//! breaks. At least one test of that promise must fail with it.

mod compile;
mod patch;
mod place;
mod selection;

use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::promises::{self, Promise};
use crate::steps::{Session, Stop};
use crate::workspace::Workspace;
use patch::Patch;
use place::{Place, Verdict};

/// The duration of one sabotage on two cores: building the touched crates, and testing.
const EACH: Duration = Duration::from_secs(16);

#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct Options {
    /// The sabotages of one promise: its number in `--list`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    promise: Option<u32>,
    /// One of several equal parts: 1/4 to 4/4 are all
    #[arg(long, value_name = "K/N", conflicts_with = "promise")]
    part: Option<Part>,
    /// Only compiles them, many at once: minutes in place of hours
    #[arg(long, conflicts_with_all = ["promise", "part"])]
    compile: bool,
    /// Only lists the promises, with their numbers and sabotages
    #[arg(long, conflicts_with_all = ["promise", "part", "compile"])]
    list: bool,
}

/// A job of its own for each part is done sooner.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    number: usize,
    of: usize,
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(number, of)| {
            let (number, of) = (number.parse().ok()?, of.parse().ok()?);
            (1..=of).contains(&number).then_some(Self { number, of })
        });
        parts.ok_or_else(|| "expected K/N, with K from 1 to N, as in 2/4".to_owned())
    }
}

impl Part {
    /// Neighbours go to different parts: those of one crate take as long everywhere.
    fn of<T>(self, all: Vec<T>) -> Vec<T> {
        let all = all.into_iter().skip(self.number - 1);
        all.step_by(self.of).collect()
    }
}

pub(crate) fn command(options: &Options, workspace: &Workspace) -> Result<(), String> {
    let promises = promises::read()?;
    let mut patches = patch::all()?;
    if options.list {
        list(&promises, &patches);
        return Ok(());
    }
    let mut wrong = incomplete(&patches, &promises);
    if options.compile {
        let place = Place::new(workspace)?;
        let compiled = compile::all(&patches, &place);
        place.end()?;
        wrong.extend(compiled.err());
        return if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("\n"))
        };
    }
    if let Some(number) = options.promise {
        let index = number as usize - 1;
        let promise = promises.get(index).ok_or_else(|| {
            let last = promises.len();
            format!("--promise {number}: the promises are numbered 1 to {last}")
        })?;
        patches.retain(|patch| patch.promise == promise.text);
        wrong = incomplete(&patches, std::slice::from_ref(promise));
    }
    if let Some(part) = options.part {
        patches = part.of(patches);
    }
    run(&patches, &promises, workspace, wrong)
}

/// The step of the slow tier.
pub(crate) fn tenth(session: &Session) -> Result<(), Stop> {
    let days = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_secs() / 86_400
    };
    let seed = session.assure.seed.unwrap_or_else(days);
    println!("    --seed {seed}");
    let (patches, promises) = (patch::all()?, promises::read()?);
    let wrong = incomplete(&patches, &promises);
    let mut patches = chosen(patches, seed);
    patch::order(&mut patches);
    Ok(run(&patches, &promises, &session.workspace, wrong)?)
}

/// One in ten, and at least one.
fn chosen(mut patches: Vec<Patch>, seed: u64) -> Vec<Patch> {
    let count = patches.len().div_ceil(10);
    let mut state = seed;
    let mut picked = Vec::new();
    while picked.len() < count && !patches.is_empty() {
        // Knuth's generator: any spread will do, if a seed always yields the same.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let index = (state >> 33) as usize % patches.len();
        picked.push(patches.swap_remove(index));
    }
    picked
}

/// Part of the step `promises`: every sabotage names an existing promise and applies, and every
/// promise has one.
pub(crate) fn check(promises: &[Promise]) -> Result<usize, String> {
    let patches = patch::all()?;
    let mut wrong = strays(&patches, promises);
    wrong.extend(incomplete(&patches, promises));
    if wrong.is_empty() {
        Ok(patches.len())
    } else {
        Err(wrong.join("\n"))
    }
}

/// The gaps that would weaken a run: promises without a sabotage, and sabotages that no longer
/// apply.
fn incomplete(patches: &[Patch], promises: &[Promise]) -> Vec<String> {
    let mut wrong = patch::unfit(patches);
    wrong.extend(bare(patches, promises));
    wrong
}

fn strays(patches: &[Patch], promises: &[Promise]) -> Vec<String> {
    let known = |patch: &&Patch| promises.iter().any(|promise| promise.text == patch.promise);
    let strays = patches.iter().filter(|patch| !known(patch));
    strays
        .map(|patch| {
            let file = patch.file.display();
            format!("{file}: no promise reads: {}", patch.promise)
        })
        .collect()
}

fn bare(patches: &[Patch], promises: &[Promise]) -> Vec<String> {
    let has = |promise: &&Promise| patches.iter().any(|patch| patch.promise == promise.text);
    let bare = promises.iter().filter(|promise| !has(promise));
    bare.map(|promise| format!("{} has no sabotage of: {}", patch::FOLDER, promise.text))
        .collect()
}

fn list(promises: &[Promise], patches: &[Patch]) {
    for (index, promise) in promises.iter().enumerate() {
        println!("{:>3}  {}", index + 1, promise.text);
        for patch in patches.iter().filter(|patch| patch.promise == promise.text) {
            println!("       {}: {}", patch.name(), patch.breaks);
        }
    }
}

/// Applies one after the other to a copy of the tree. The gaps found before count as failures too.
fn run(
    patches: &[Patch],
    promises: &[Promise],
    workspace: &Workspace,
    wrong: Vec<String>,
) -> Result<(), String> {
    let expected = EACH * u32::try_from(patches.len()).unwrap_or(u32::MAX);
    println!(
        "    {} sabotages, about {} min; the first one builds the tests that it needs",
        patches.len(),
        expected.as_secs().div_ceil(60)
    );
    let place = Place::new(workspace)?;
    let started = Instant::now();
    let broken = |promise: &&Promise| patches.iter().any(|patch| patch.promise == promise.text);
    place.check(promises.iter().filter(broken))?;
    let mut unnoticed = Vec::new();
    // A patch that no longer applies is already among the gaps.
    let fitting = patches.iter().filter(|patch| patch.fits());
    let fitting: Vec<_> = fitting.collect();
    for patch in &fitting {
        let begun = Instant::now();
        let promise = promises
            .iter()
            .find(|promise| promise.text == patch.promise);
        let promise = promise.ok_or_else(|| format!("no promise reads: {}", patch.promise))?;
        let verdict = place.judge(patch, promise);
        let took = begun.elapsed().as_secs();
        let word = match &verdict {
            Ok(Verdict::Noticed) => "noticed",
            Ok(Verdict::Unnoticed) => "UNNOTICED",
            Err(_) => "FAILED",
        };
        println!("    {word:<9} {took:>4} s  {}", patch.name());
        match verdict {
            Ok(Verdict::Noticed) => {}
            Ok(Verdict::Unnoticed) => unnoticed.push(unnoticed_line(patch)),
            Err(error) => unnoticed.push(format!("{}: {error}", patch.name())),
        }
    }
    place.end()?;
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    println!(
        "    {} of {} noticed in {minutes:.1} min",
        fitting.len() - unnoticed.len(),
        patches.len()
    );
    unnoticed.extend(wrong);
    if unnoticed.is_empty() {
        Ok(())
    } else {
        Err(unnoticed.join("\n"))
    }
}

fn unnoticed_line(patch: &Patch) -> String {
    format!(
        "{}: every test that the promise names stays green. {} The promise: {}",
        patch.name(),
        patch.breaks,
        patch.promise
    )
}

/// `git apply` in a folder that belongs to no repository, even below one.
fn git_apply(folder: &Path) -> std::process::Command {
    let mut git = std::process::Command::new("git");
    git.arg("apply").current_dir(folder);
    git.env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder));
    git
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(name: &str, promise: &str) -> Patch {
        Patch {
            file: name.into(),
            promise: promise.to_owned(),
            breaks: "Nothing.".to_owned(),
            touches: Vec::new(),
        }
    }

    #[test]
    fn a_seed_always_chooses_the_same_tenth() {
        let patches = || {
            (0..95)
                .map(|n| patch(&n.to_string(), "a"))
                .collect::<Vec<_>>()
        };
        let names = |seed| {
            let chosen = chosen(patches(), seed);
            chosen.iter().map(Patch::name).collect::<Vec<_>>()
        };
        assert_eq!(names(7).len(), 10);
        assert_eq!(names(7), names(7));
        assert_ne!(names(7), names(8));
        assert_eq!(chosen(vec![patch("0", "a")], 3).len(), 1);
        assert_eq!(chosen(Vec::new(), 3).len(), 0);
    }

    #[test]
    fn the_parts_are_all_and_none_is_in_two() {
        let part = |text: &str| text.parse::<Part>();
        let mut all: Vec<_> = ["1/3", "2/3", "3/3"]
            .into_iter()
            .flat_map(|text| part(text).unwrap().of((0..10).collect()))
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        for text in ["", "1", "0/3", "4/3", "1/0", "a/b", "-1/3", "1/3/3"] {
            assert!(part(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_promise_without_a_sabotage_and_a_sabotage_without_a_promise_are_named() {
        let promise = |text: &str| Promise {
            text: text.to_owned(),
            tests: Vec::new(),
        };
        let patches = [patch("x.patch", "a"), patch("y.patch", "c")];
        let promises = [promise("a"), promise("b")];
        assert_eq!(
            strays(&patches, &promises),
            ["y.patch: no promise reads: c"]
        );
        assert_eq!(
            bare(&patches, &promises),
            ["tests/sabotage has no sabotage of: b"]
        );
    }
}
