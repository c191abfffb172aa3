use std::collections::HashMap;

use crate::goals::{Measure, Quantity};

/// The measurements: for times one value of each round.
#[derive(Default)]
pub(crate) struct Results {
    values: HashMap<(Measure, String), Vec<f64>>,
    /// Why a case could not be measured.
    failures: HashMap<String, String>,
}

impl Results {
    pub(crate) fn add(&mut self, measure: Measure, id: &str, values: Vec<f64>) {
        self.values.insert((measure, id.to_owned()), values);
    }

    /// The first value of each case.
    pub(crate) fn all(&self, measure: Measure) -> HashMap<String, f64> {
        let of_it = self.values.iter().filter(|((of, _), _)| *of == measure);
        of_it
            .filter_map(|((_, id), values)| Some((id.clone(), *values.first()?)))
            .collect()
    }

    pub(crate) fn fail(&mut self, id: &str, why: &str) {
        self.failures.insert(id.to_owned(), why.to_owned());
    }

    /// Why a quantity that was asked for could not be measured. `None` if none of its cases was
    /// tried.
    pub(crate) fn failure(&self, quantity: &Quantity) -> Option<String> {
        let ids = [
            Some(quantity.of),
            quantity.minus,
            quantity.over,
            quantity.without,
        ];
        ids.into_iter()
            .flatten()
            .find_map(|id| Some(format!("`{id}`: {}", self.failures.get(id)?)))
    }

    /// Reads what [`measure`](crate::measure) has printed.
    pub(crate) fn read(&mut self, text: &str) {
        for line in text.lines() {
            if let Some((id, why)) = line
                .strip_prefix("failed\t")
                .and_then(|failed| failed.split_once('\t'))
            {
                self.fail(id, why);
                continue;
            }
            let mut words = line.split('\t');
            let measure = words.next().and_then(Measure::named);
            let (Some(measure), Some(id), Some(values)) = (measure, words.next(), words.next())
            else {
                continue;
            };
            let values = values.split(' ').filter_map(|value| value.parse().ok());
            self.add(measure, id, values.collect());
        }
    }

    /// The median time of a case, in nanoseconds; NaN if it was not run.
    pub(crate) fn median(&self, id: &str) -> f64 {
        let mut rounds = self.values.get(&(Measure::Time, id.to_owned())).cloned();
        let rounds = rounds.get_or_insert_default();
        rounds.sort_by(f64::total_cmp);
        rounds.get(rounds.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The median of the rounds' ratios.
    pub(crate) fn ratio(&self, of: &'static str, over: &'static str) -> f64 {
        let quantity = Quantity {
            of,
            minus: None,
            over: Some(over),
            scale: 1.0,
            without: None,
        };
        self.value(Measure::Time, &quantity).unwrap_or(f64::NAN)
    }

    /// Reads the output of the bench of the stores on Redis, in lines as `16  79213  131906  0.923
    /// 140000 for 140000 tickets`: the number in flight, the operations a second bare and by us,
    /// the ratio, and the commands for the number of tickets.
    pub(crate) fn read_redis(&mut self, text: &str) {
        // Until they are found below.
        let last = text.lines().rfind(|line| !line.trim().is_empty());
        let why = last.unwrap_or("the bench of the stores printed nothing");
        for id in ["redis/16", "redis/64", "redis/commands"] {
            self.fail(id, why);
        }
        for line in text.lines() {
            let numbers: Vec<f64> = line
                .split_whitespace()
                .filter(|word| *word != "for")
                .map_while(|word| word.parse().ok())
                .collect();
            let [in_flight, _, _, ratio, commands, tickets] = numbers[..] else {
                continue;
            };
            let id = format!("redis/{in_flight}");
            self.add(Measure::Number, &id, vec![1.0 / ratio]);
            let each = vec![commands / tickets];
            self.add(Measure::Number, "redis/commands", each);
        }
    }

    /// `None` if a case was not run.
    pub(crate) fn value(&self, measure: Measure, quantity: &Quantity) -> Option<f64> {
        let of = |id: &str| self.values.get(&(measure, id.to_owned()));
        let mut rounds = of(quantity.of)?.clone();
        let mut below = match quantity.over {
            Some(over) => of(over)?.clone(),
            None => vec![1.0; rounds.len()],
        };
        if let Some(minus) = quantity.minus {
            subtract(&mut rounds, of(minus)?);
        }
        if let Some(without) = quantity.without {
            subtract(&mut rounds, of(without)?);
            subtract(&mut below, of(without)?);
        }
        for (value, below) in rounds.iter_mut().zip(below) {
            *value /= below;
        }
        rounds.sort_by(f64::total_cmp);
        rounds
            .get(rounds.len() / 2)
            .map(|value| value * quantity.scale)
    }
}

fn subtract(from: &mut [f64], rounds: &[f64]) {
    for (value, less) in from.iter_mut().zip(rounds) {
        *value -= less;
    }
}
