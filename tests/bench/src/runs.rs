//! The times of earlier runs. A time differs from day to day and from machine to machine: a goal is met
//! if it is in every one of at least five runs.

use std::fmt::Write as _;
use std::path::Path;

use crate::goals::{GOALS, Goal};
use crate::results::Results;
use crate::table::{date, machine, shown};

/// The runs after which a range says something.
const ENOUGH: usize = 5;

/// Lines of a date, a machine, a row and its value, with tabs between them.
#[derive(Default)]
pub(crate) struct Runs(Vec<(String, f64)>);

impl Runs {
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| format!("--runs {}: {error}", file.display()))?;
        Self::parse(&text).map_err(|line| format!("--runs {}: what is `{line}`?", file.display()))
    }

    /// The error is the first line that has other fields.
    fn parse(text: &str) -> Result<Self, &str> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let parsed = lines.map(|line| {
            let words: Vec<&str> = line.split('\t').collect();
            let [_, _, row, value] = words[..] else {
                return Err(line);
            };
            let value = value.parse().map_err(|_| line)?;
            Ok((row.to_owned(), value))
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// The values of a row in all runs. `None` for a row that is the same in each.
    pub(crate) fn spread(&self, goal: &Goal, now: f64) -> Option<Spread> {
        let name = name(goal)?;
        let earlier = self.0.iter().filter(|(row, _)| *row == name);
        let mut values: Vec<f64> = earlier.map(|(_, value)| *value).chain([now]).collect();
        values.sort_by(f64::total_cmp);
        Some(Spread(values))
    }
}

/// The rows of this run, as [`Runs::read`] reads them.
pub(crate) fn lines(results: &Results) -> String {
    let (date, machine) = (date(), machine());
    let mut lines = String::new();
    for goal in GOALS {
        if let Some(name) = name(goal)
            && let Some(value) = results.value(goal.measure, &goal.ours)
        {
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{date}\t{machine}\t{name}\t{value:.4}");
        }
    }
    lines
}

/// The name of a row that varies.
fn name(goal: &Goal) -> Option<String> {
    (!goal.demanded).then(|| format!("{}. {}", goal.row, goal.what))
}

/// What a row was in several runs, in order. There is at least one.
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// The worst run counts.
    pub(crate) fn is_met(&self, goal: &Goal) -> bool {
        self.0.iter().all(|value| *value <= goal.most)
    }

    /// How many runs are still to come before a range counts.
    pub(crate) fn lacks(&self) -> usize {
        ENOUGH.saturating_sub(self.0.len())
    }

    pub(crate) fn shown(&self, goal: &Goal) -> String {
        let [first, .., last] = self.0[..] else {
            return shown(goal, self.median());
        };
        let median = shown(goal, self.median());
        let (low, high) = (shown(goal, first), shown(goal, last));
        format!("{median} ({low} to {high} in {} runs)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goals::Measure;

    fn time() -> &'static Goal {
        let of_time = |goal: &&Goal| goal.measure == Measure::Time && goal.unit == "×";
        GOALS.iter().find(of_time).unwrap()
    }

    fn runs(values: &[f64]) -> Runs {
        let row = name(time()).unwrap();
        let line = |value: &f64| format!("2026-11-30\ta machine\t{row}\t{value}\n");
        let text: String = values.iter().map(line).collect();
        Runs::parse(&format!("# what it is\n{text}")).unwrap()
    }

    #[test]
    fn the_median_is_shown_with_its_range_and_the_worst_counts() {
        let most = time().most;
        let good = [0.5, 0.7, 0.8, 0.9].map(|part| part * most);
        let spread = runs(&good).spread(time(), most * 0.6).unwrap();
        assert!(spread.is_met(time()));
        assert_eq!((spread.lacks(), spread.median()), (0, most * 0.7));
        let [low, median, high] = [0.5, 0.7, 0.9].map(|part| shown(time(), part * most));
        let expected = format!("{median} ({low} to {high} in 5 runs)");
        assert_eq!(spread.shown(time()), expected);
        let bad = runs(&good).spread(time(), most * 1.01).unwrap();
        assert!(!bad.is_met(time()));
    }

    #[test]
    fn one_run_is_no_range_and_a_count_has_none() {
        let spread = Runs::default().spread(time(), 1.0).unwrap();
        assert_eq!(
            (spread.lacks(), spread.shown(time())),
            (4, "1.000×".to_owned())
        );
        let counted = GOALS.iter().find(|goal| goal.measure == Measure::Bytes);
        assert!(Runs::default().spread(counted.unwrap(), 1.0).is_none());
    }

    #[test]
    fn no_two_rows_that_vary_have_one_name() {
        let mut names: Vec<_> = GOALS.iter().filter_map(name).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_run_is_written_as_it_is_read() {
        let mut results = Results::default();
        let ids = [Some(time().ours.of), time().ours.over];
        for id in ids.into_iter().flatten() {
            results.add(Measure::Time, id, vec![2.0]);
        }
        let Runs(read) = Runs::parse(&lines(&results)).unwrap();
        assert!(read.contains(&(name(time()).unwrap(), 1.0)), "{read:?}");
        assert_eq!(
            Runs::parse("2026-11-30\tx\t1.0").err(),
            Some("2026-11-30\tx\t1.0")
        );
        assert_eq!(Runs::parse("a\tb\tc\td").err(), Some("a\tb\tc\td"));
    }
}
