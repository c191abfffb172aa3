use std::time::{SystemTime, UNIX_EPOCH};

use crate::goals::{GOALS, Goal, Quantity};
use crate::results::Results;

/// Prints the table, and returns the number of missed limits.
pub(crate) fn print(results: &Results) -> usize {
    println!("{}, {}\n", machine(), date());
    println!("| # | what | measure | ours | best alternative | limit | goal | |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut missed = 0;
    let mut reasons: Vec<&str> = Vec::new();
    for goal in GOALS {
        let Some(ours) = results.value(goal.measure, &goal.ours) else {
            continue;
        };
        let met = ours <= goal.most;
        let held = goal.held.is_some_and(|(most, _)| ours <= most);
        missed += usize::from(!met && !held && goal.demanded);
        let verdict = match (met, held) {
            (true, _) => "met".to_owned(),
            (false, true) => format!("not met ({})", number(&mut reasons, goal)),
            (false, false) => "**not met**".to_owned(),
        };
        let best = best(goal, results).map_or_else(
            || "–".to_owned(),
            |(name, value)| format!("{} ({name})", shown(goal, value)),
        );
        let limit = value(results, goal, goal.limit.as_ref());
        let limit = limit.map_or_else(|| "–".to_owned(), |value| shown(goal, value));
        println!(
            "| {} | {} | {} | {} | {best} | {limit} | ≤ {} | {verdict} |",
            goal.row,
            goal.what,
            goal.measure.name(),
            shown(goal, ours),
            shown_goal(goal),
        );
    }
    for (n, why) in reasons.iter().enumerate() {
        println!("\n({}) {why}.", n + 1);
    }
    println!("\nEvery alternative:\n");
    for goal in GOALS.iter().filter(|goal| goal.others.len() > 1) {
        let others: Vec<String> = goal
            .others
            .iter()
            .filter_map(|(name, quantity)| {
                let value = results.value(goal.measure, quantity)?;
                Some(format!("{name} {}", shown(goal, value)))
            })
            .collect();
        if !others.is_empty() {
            println!(
                "{}. {} ({}): {}",
                goal.row,
                goal.what,
                goal.measure.name(),
                others.join(", ")
            );
        }
    }
    missed
}

/// The number of the reason for which a goal is missed.
fn number(reasons: &mut Vec<&'static str>, goal: &Goal) -> String {
    let (most, why) = goal.held.unwrap_or_default();
    let known = reasons.iter().position(|reason| *reason == why);
    let n = known.unwrap_or_else(|| {
        reasons.push(why);
        reasons.len() - 1
    });
    format!("{}, held to {most}{}", n + 1, goal.unit)
}

fn value(results: &Results, goal: &Goal, side: Option<&(&str, Quantity)>) -> Option<f64> {
    results.value(goal.measure, &side?.1)
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
