//! The reports of the Autobahn test suite, and their faults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// The names of the two servers in the reports.
pub(super) const AGENTS: [&str; 2] = ["bare", "layers"];

/// The outcome of each case.
pub(super) type Report = BTreeMap<Number, Outcome>;

/// `7.1.3`, in numerical order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(Vec<u32>);

#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    behavior: String,
    /// Of the closing handshake.
    close: String,
    /// The close code of the server.
    code: Option<u64>,
}

pub(super) fn reports(index: &str) -> Result<[Report; 2], String> {
    let index: Value =
        serde_json::from_str(index).map_err(|error| format!("index.json: {error}"))?;
    let [bare, layers] = AGENTS.map(|agent| {
        let cases = index[agent].as_object();
        let cases = cases.ok_or_else(|| format!("index.json: nothing of `{agent}`"))?;
        cases
            .iter()
            .map(|(number, case)| {
                let outcome = outcome(case);
                Number::read(number)
                    .zip(outcome)
                    .ok_or_else(|| format!("index.json: case {number}: {case}"))
            })
            .collect::<Result<Report, String>>()
    });
    Ok([bare?, layers?])
}

fn outcome(case: &Value) -> Option<Outcome> {
    let text = |key: &str| Some(case[key].as_str()?.to_owned());
    Some(Outcome {
        behavior: text("behavior")?,
        close: text("behaviorClose")?,
        code: case["remoteCloseCode"].as_u64(),
    })
}

/// Every case passes on both sides and comes out the same.
pub(super) fn judge(bare: &Report, layers: &Report) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    for (agent, report) in AGENTS.iter().zip([bare, layers]) {
        let failed = report.iter().filter(|(_, outcome)| !outcome.passes());
        wrong.extend(failed.map(|(number, outcome)| format!("{agent}: {number}: {outcome}")));
    }
    let numbers: BTreeSet<_> = bare.keys().chain(layers.keys()).collect();
    for number in numbers {
        match (bare.get(number), layers.get(number)) {
            (Some(one), Some(other)) if one.is_like(other) => {}
            (Some(one), Some(other)) => {
                wrong.push(format!("{number}: {one} bare, {other} behind the layers"));
            }
            (Some(_), None) => wrong.push(format!("{number}: was not run behind the layers")),
            (None, _) => wrong.push(format!("{number}: was not run bare")),
        }
    }
    if bare.is_empty() {
        wrong.push("no case was run".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

impl Outcome {
    const OK: &str = "OK";
    /// Correct, but later than possible. It depends on timing alone.
    const NON_STRICT: &str = "NON-STRICT";
    const INFORMATIONAL: &str = "INFORMATIONAL";

    fn passes(&self) -> bool {
        let good = [Self::OK, Self::NON_STRICT, Self::INFORMATIONAL];
        good.contains(&&*self.behavior) && good.contains(&&*self.close)
    }

    fn is_like(&self, other: &Self) -> bool {
        let kind = |behavior: &str| match behavior {
            Self::NON_STRICT => Self::OK.to_owned(),
            other => other.to_owned(),
        };
        kind(&self.behavior) == kind(&other.behavior)
            && self.close == other.close
            && self.code == other.code
    }
}

impl Number {
    fn read(text: &str) -> Option<Self> {
        let parts = text.split('.').map(|part| part.parse().ok());
        parts.collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            behavior, close, ..
        } = self;
        let code = self
            .code
            .map_or_else(|| "none".to_owned(), |code| code.to_string());
        write!(f, "{behavior}, close {close}, code {code}")
    }
}

pub(super) struct Summary<'a>(pub(super) &'a Report);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = BTreeMap::<&str, usize>::new();
        for outcome in self.0.values() {
            *kinds.entry(&outcome.behavior).or_default() += 1;
        }
        let kinds = kinds.iter().map(|(kind, count)| format!("{kind} {count}"));
        let kinds: Vec<_> = kinds.collect();
        write!(f, "{} cases: {}", self.0.len(), kinds.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn index(bare: &[(&str, &str)], layers: &[(&str, &str)]) -> String {
        let side = |cases: &[(&str, &str)]| {
            let case = |behavior| json!({ "behavior": behavior, "behaviorClose": "OK", "remoteCloseCode": 1000 });
            cases
                .iter()
                .map(|(number, behavior)| ((*number).to_owned(), case(*behavior)))
                .collect::<serde_json::Map<_, _>>()
        };
        json!({ "bare": side(bare), "layers": side(layers) }).to_string()
    }

    fn judged(bare: &[(&str, &str)], layers: &[(&str, &str)]) -> Result<(), Vec<String>> {
        let [bare, layers] = reports(&index(bare, layers)).unwrap();
        judge(&bare, &layers)
    }

    #[test]
    fn equal_outcomes_and_timing_are_no_difference() {
        let bare = [
            ("1.1.1", "OK"),
            ("3.2", "NON-STRICT"),
            ("7.1.6", "INFORMATIONAL"),
        ];
        let layers = [("1.1.1", "OK"), ("3.2", "OK"), ("7.1.6", "INFORMATIONAL")];
        assert_eq!(judged(&bare, &layers), Ok(()));
    }

    #[test]
    fn a_case_that_fails_or_differs_or_was_not_run_is_reported() {
        let wrong = judged(&[("1.1", "OK"), ("10.1", "OK")], &[("1.1", "FAILED")]).unwrap_err();
        assert_eq!(
            wrong,
            [
                "layers: 1.1: FAILED, close OK, code 1000",
                "1.1: OK, close OK, code 1000 bare, FAILED, close OK, code 1000 behind the layers",
                "10.1: was not run behind the layers",
            ]
        );
        assert_eq!(judged(&[], &[]).unwrap_err(), ["no case was run"]);
    }

    #[test]
    fn cases_are_counted_by_their_outcome() {
        let text = index(&[("2.1", "OK"), ("10.1", "OK"), ("9.1", "NON-STRICT")], &[]);
        let [bare, _] = reports(&text).unwrap();
        assert_eq!(Summary(&bare).to_string(), "3 cases: NON-STRICT 1, OK 2");
        let numbers: Vec<_> = bare.keys().map(Number::to_string).collect();
        assert_eq!(numbers, ["2.1", "9.1", "10.1"]);
    }
}
