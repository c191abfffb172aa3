//! Measurements that take turns: without and with.

use std::time::Duration;

#[derive(Default)]
pub(crate) struct Pairs(Vec<[Duration; 2]>);

impl Pairs {
    pub(crate) fn push(&mut self, pair: [Duration; 2]) {
        self.0.push(pair);
    }

    pub(crate) fn medians(&self) -> [Duration; 2] {
        [0, 1].map(|index| {
            let mut times: Vec<_> = self.0.iter().map(|pair| pair[index]).collect();
            times.sort_unstable();
            times[times.len() / 2]
        })
    }

    /// What the second costs more than the first: by the medians, and by the best rounds, which
    /// other load on the machine disturbs the least.
    pub(crate) fn print(&self, name: &str, goal: &str) {
        let best = [0, 1].map(|index| self.0.iter().map(|pair| pair[index]).min());
        for (which, [plain, leased]) in [
            ("median", self.medians()),
            ("best", best.map(Option::unwrap_or_default)),
        ] {
            let more = leased.saturating_sub(plain);
            println!("{name}, {which}: without {plain:?}, with {leased:?}: + {more:?} ({goal})");
        }
    }

    /// The median of what the second is to the first.
    pub(crate) fn ratio(&self) -> f64 {
        let ratio = |[plain, leased]: &[Duration; 2]| leased.as_secs_f64() / plain.as_secs_f64();
        let mut ratios: Vec<_> = self.0.iter().map(ratio).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }
}
