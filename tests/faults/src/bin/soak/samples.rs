//! The measurements of each second, and their limits.

use fault_tests::Server;
use tokio::runtime::Handle;

use crate::BoxError;

pub(crate) const HEADING: &str =
    "minute   RSS MiB (most)   descriptors   tasks   leases   closing handshakes   (means)";

/// The measurements of one second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    bytes: usize,
    pub(crate) descriptors: usize,
    pub(crate) tasks: usize,
    leases: usize,
    closing_handshakes: usize,
}

impl Sample {
    pub(crate) fn now(server: &Server) -> Self {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        let descriptors = std::fs::read_dir("/proc/self/fd");
        Self {
            bytes: pages.unwrap_or(0_usize) * 4096,
            descriptors: descriptors.map_or(0, Iterator::count),
            tasks: Handle::current().metrics().num_alive_tasks(),
            leases: server.leases.len(),
            closing_handshakes: server.closing_handshakes.now(),
        }
    }
}

/// All measurements.
#[derive(Default)]
pub(crate) struct Samples(Vec<Sample>);

impl Samples {
    /// Adds a measurement. Returns a row of the table when a minute is full.
    pub(crate) fn add(&mut self, sample: Sample) -> Option<String> {
        self.0.push(sample);
        let (minutes, rest) = self.0.as_chunks::<60>();
        if !rest.is_empty() {
            return None;
        }
        let minute = minutes.last()?;
        let of = |what: fn(&Sample) -> usize| mean(minute, what);
        let most = minute.iter().map(|sample| sample.bytes).max();
        Some(format!(
            "{:>6}   {:>7} ({:>5})   {:>11}   {:>5}   {:>6}   {:>9}",
            minutes.len(),
            mebibytes(of(|sample| sample.bytes)),
            mebibytes(most.unwrap_or_default()),
            of(|sample| sample.descriptors),
            of(|sample| sample.tasks),
            of(|sample| sample.leases),
            of(|sample| sample.closing_handshakes),
        ))
    }

    /// The last third must need no more memory than the middle one: within 5 %, or 4 MiB.
    pub(crate) fn verdict(&self) -> Result<String, BoxError> {
        let third = self.0.len() / 3;
        let of = |from: usize| {
            let part = self.0.get(from * third..(from + 1) * third);
            mean(part.unwrap_or_default(), |sample| sample.bytes)
        };
        let (middle, last) = (of(1), of(2));
        let line = format!(
            "RSS of the middle third {} MiB, of the last {} MiB",
            mebibytes(middle),
            mebibytes(last)
        );
        let room = (middle / 20).max(4 << 20);
        if middle == 0 || last > middle + room {
            return Err(format!("memory grows: {line}").into());
        }
        Ok(line)
    }
}

fn mean(samples: &[Sample], what: fn(&Sample) -> usize) -> usize {
    samples.iter().map(what).sum::<usize>() / samples.len().max(1)
}

fn mebibytes(bytes: usize) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(mebibytes: impl Iterator<Item = usize>) -> Samples {
        let sample = |mebibytes: usize| Sample {
            bytes: mebibytes << 20,
            descriptors: 1,
            tasks: 1,
            leases: 0,
            closing_handshakes: 0,
        };
        Samples(mebibytes.map(sample).collect())
    }

    #[test]
    fn growth_beyond_five_percent_and_four_mebibytes_fails() {
        assert!(samples((0..90).map(|_| 50)).verdict().is_ok());
        // The first third may grow, because it starts empty.
        assert!(samples((0..90).map(|n| n.min(30))).verdict().is_ok());
        assert!(samples(0..90).verdict().is_err());
        assert!(samples((0..90).map(|n| 200 + n / 10)).verdict().is_ok());
        assert!(samples(std::iter::empty()).verdict().is_err());
    }
}
