use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::goals::{GOALS, Goal};
use crate::results::Results;
use crate::runs::{Runs, Spread};

/// Prints the table, and returns the number of limits that are missed or not measured.
pub(crate) fn print(results: &Results, runs: Option<&Runs>) -> usize {
    let (table, missed) = render(results, runs, GOALS);
    println!("{}, {}\n\n{table}", machine(), date());
    missed
}

fn render(results: &Results, runs: Option<&Runs>, goals: &[Goal]) -> (String, usize) {
    let mut table = String::from(
        "| # | what | measure | ours | best alternative | limit | goal | |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let mut missed = 0;
    let mut reasons: Vec<String> = Vec::new();
    for goal in goals {
        let ours = results.value(goal.measure, &goal.ours);
        let failure = results.failure(&goal.ours);
        let (shown_ours, verdict) = match (ours, failure) {
            (Some(ours), _) => {
                let spread = runs.and_then(|runs| runs.spread(goal, ours));
                let lacks = spread.as_ref().map_or(0, Spread::lacks);
                let met = spread
                    .as_ref()
                    .map_or(ours <= goal.most, |spread| spread.is_met(goal));
                let ours = spread.as_ref().map_or(ours, Spread::median);
                let held = goal.held.filter(|(most, _)| ours <= *most);
                missed += usize::from(!met && held.is_none() && goal.demanded);
                let verdict = match held {
                    _ if met && lacks > 0 => format!("met so far, {lacks} more runs to come"),
                    _ if met => "met".to_owned(),
                    Some((most, why)) => {
                        let n = number(&mut reasons, why);
                        format!("not met ({n}, held to {most}{})", goal.unit)
                    }
                    None => "**not met**".to_owned(),
                };
                let ours = spread.map_or_else(|| shown(goal, ours), |spread| spread.shown(goal));
                (ours, verdict)
            }
            (None, Some(why)) => {
                missed += 1;
                let n = number(&mut reasons, &why);
                ("–".to_owned(), format!("**not measured** ({n})"))
            }
            // Nobody asked for it.
            (None, None) => continue,
        };
        let best = best(goal, results).map_or_else(
            || "–".to_owned(),
            |(name, value)| format!("{} ({name})", shown(goal, value)),
        );
        let limit = goal.limit.as_ref().and_then(|(name, quantity)| {
            let value = results.value(goal.measure, quantity)?;
            Some(format!("{} ({name})", shown(goal, value)))
        });
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            table,
            "| {} | {} | {} | {shown_ours} | {best} | {} | ≤ {} | {verdict} |",
            goal.row,
            goal.what,
            goal.measure.name(),
            limit.unwrap_or_else(|| "–".to_owned()),
            shown_goal(goal),
        );
    }
    for (n, why) in reasons.iter().enumerate() {
        let _ = writeln!(table, "\n({}) {why}.", n + 1);
    }
    table.push_str("\nEvery alternative:\n\n");
    for goal in goals.iter().filter(|goal| goal.others.len() > 1) {
        let others: Vec<String> = goal
            .others
            .iter()
            .filter_map(|(name, quantity)| {
                let value = results.value(goal.measure, quantity)?;
                Some(format!("{name} {}", shown(goal, value)))
            })
            .collect();
        if !others.is_empty() {
            let _ = writeln!(
                table,
                "{}. {} ({}): {}",
                goal.row,
                goal.what,
                goal.measure.name(),
                others.join(", ")
            );
        }
    }
    (table, missed)
}

/// The number of this reason.
fn number(reasons: &mut Vec<String>, why: &str) -> usize {
    let known = reasons.iter().position(|reason| reason == why);
    let n = known.unwrap_or_else(|| {
        reasons.push(why.to_owned());
        reasons.len() - 1
    });
    n + 1
}

/// The best alternative.
pub(crate) fn best(goal: &Goal, results: &Results) -> Option<(&'static str, f64)> {
    let measured = goal.others.iter().filter_map(|(name, quantity)| {
        let value = results.value(goal.measure, quantity)?;
        Some((*name, value))
    });
    measured.min_by(|a, b| a.1.total_cmp(&b.1))
}

pub(crate) fn shown(goal: &Goal, value: f64) -> String {
    // No minus before a zero.
    let value = value + 0.0;
    match goal.unit {
        "×" if value.abs() < 0.1 => format!("{value:.4}×"),
        "×" => format!("{value:.3}×"),
        unit if value.abs() < 10.0 && value.fract() != 0.0 => format!("{value:.2}{unit}"),
        unit => format!("{value:.0}{unit}"),
    }
}

fn shown_goal(goal: &Goal) -> String {
    format!("{}{}", goal.most, goal.unit)
}

/// The kind of this machine.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |model| {
        model.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores")
}

/// Today, in UTC.
pub(crate) fn date() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let (mut year, mut day) = (1970, seconds / 86_400);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    loop {
        let days = 365 + u64::from(leap(year));
        if day < days {
            break;
        }
        day -= days;
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goals::Quantity;

    #[test]
    fn a_row_that_was_not_measured_says_why_and_does_not_pass_and_the_others_are_shown() {
        let concerns = |goal: &&Goal| {
            let Quantity {
                of,
                minus,
                over,
                without,
                ..
            } = goal.ours;
            [Some(of), minus, over, without].contains(&Some("jwt/bad"))
        };
        let mut results = Results::default();
        results.read("failed\tjwt/bad\tonly 887 were refused\nallocations\tdecode/bad\t9\n");
        let (table, missed) = render(&results, None, GOALS);
        assert_eq!(missed, GOALS.iter().filter(concerns).count());
        assert_eq!(
            table
                .matches("| – | – | – | ≤ 0.3× | **not measured** (1) |")
                .count(),
            2
        );
        assert!(
            table.contains("\n(1) `jwt/bad`: only 887 were refused.\n"),
            "{table}"
        );

        results.read("allocations\tjwt/bad\t0\n");
        let (table, fewer) = render(&results, None, GOALS);
        assert_eq!(fewer, missed - 1);
        assert!(
            table.contains("| allocations | 0 | 9 (jsonwebtoken) | – | ≤ 0 | met |"),
            "{table}"
        );
    }

    #[test]
    fn a_row_that_nobody_asked_for_is_left_out() {
        let (table, missed) = render(&Results::default(), None, GOALS);
        assert_eq!((table.matches("\n| ").count(), missed), (0, 0), "{table}");
    }
}
