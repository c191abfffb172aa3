//! The duration of each step when it last passed on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

#[derive(Debug, Default)]
pub(crate) struct Times {
    file: PathBuf,
    seconds: Map<String, Value>,
}

impl Times {
    /// Reads the times from the file. An unreadable file has none.
    pub(crate) fn read(target: &Path) -> Self {
        let file = target.join("xtask").join("times.json");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let seconds = serde_json::from_str(&text).unwrap_or_default();
        Self { file, seconds }
    }

    pub(crate) fn of(&self, step: &str) -> Option<f64> {
        self.seconds.get(step)?.as_f64()
    }

    /// Remembers it for the next `--help`. A file that cannot be written fails no step.
    pub(crate) fn remember(&mut self, step: &str, seconds: f64) {
        self.seconds.insert(step.to_owned(), seconds.round().into());
        if let Some(folder) = self.file.parent() {
            let _ = fs::create_dir_all(folder);
        }
        let _ = fs::write(&self.file, Value::from(self.seconds.clone()).to_string());
    }

    #[cfg(test)]
    pub(crate) fn of_steps(steps: &[(&str, f64)]) -> Self {
        let pair = |&(step, took): &(&str, f64)| (step.to_owned(), took.into());
        Self {
            file: PathBuf::new(),
            seconds: steps.iter().map(pair).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_there_for_the_next_run() {
        let target = std::env::temp_dir().join(format!("xtask-times-{}", std::process::id()));
        assert_eq!(Times::read(&target).of("fmt"), None);
        Times::read(&target).remember("fmt", 1.4);
        Times::read(&target).remember("docs", 30.6);
        let times = Times::read(&target);
        fs::remove_dir_all(&target).unwrap();
        assert_eq!(times.of("fmt"), Some(1.0));
        assert_eq!(times.of("docs"), Some(31.0));
    }
}
