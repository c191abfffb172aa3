//! The process of a server: on a core of its own, with its CPU time and its memory.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The unit of the times in `/proc/…/stat`, on Linux.
const TICK: Duration = Duration::from_millis(10);
/// Two descriptors for each socket of a proxy.
const OPEN_FILES: u64 = 65_536;

/// More open files for this process and its children, as far as the system permits. Returns how
/// many sockets a proxy can then hold.
pub(super) fn raise_open_files() -> u32 {
    let files = match rlimit::setrlimit(rlimit::Resource::NOFILE, OPEN_FILES, OPEN_FILES) {
        Ok(()) => OPEN_FILES,
        Err(_) => rlimit::increase_nofile_limit(OPEN_FILES).unwrap_or(1024),
    };
    u32::try_from(files / 2)
        .unwrap_or(u32::MAX)
        .saturating_sub(100)
}

/// The kernel's structures, in bytes, those of all other processes included.
pub(super) fn kernel_memory() -> f64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("SUnreclaim:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u32>().ok());
    f64::from(kilobytes.unwrap_or_default()) * 1024.0
}

/// The core of the servers; this process is on another one. `None` if there are no two.
#[derive(Clone, Copy)]
pub(super) struct Cores(Option<usize>);

impl Cores {
    pub(super) fn assigned() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let own = std::process::id().to_string();
        let mut taskset = Command::new("taskset");
        taskset.args(["--all-tasks", "--pid", "--cpu-list", "0", &own]);
        let taskset = taskset.stdout(Stdio::null()).stderr(Stdio::null());
        let is_alone = cores >= 2 && taskset.status().is_ok_and(|status| status.success());
        Self(is_alone.then_some(1))
    }
}

/// Killed when it is dropped.
pub(super) struct Process(Child);

impl Process {
    /// Its program must be there.
    pub(super) fn start(command: &Command, cores: Cores) -> Result<Self, String> {
        let program = command.get_program();
        let mut pinned = match cores.0 {
            Some(core) => {
                let mut taskset = Command::new("taskset");
                taskset.args(["--cpu-list", &core.to_string()]).arg(program);
                taskset
            }
            None => Command::new(program),
        };
        pinned.args(command.get_args());
        for (name, value) in command.get_envs() {
            pinned.env(name, value.unwrap_or_default());
        }
        let started = pinned.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let name = program.display();
        started
            .map(Self)
            .map_err(|error| format!("{name}: {error}"))
    }

    /// Whether it has ended by itself.
    pub(super) fn is_over(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// The CPU time so far, with its children's.
    pub(super) fn cpu(&self) -> Duration {
        let ticks = |process: &u32| {
            let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            // The name before the fields is in parentheses, and may have blanks.
            let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
            let [user, system] = [fields.get(11)?, fields.get(12)?];
            Some(user.parse::<u32>().ok()? + system.parse::<u32>().ok()?)
        };
        TICK * self.tree().iter().filter_map(ticks).sum()
    }

    /// The resident bytes, with its children's.
    pub(super) fn resident(&self) -> f64 {
        let kilobytes = |process: &u32| {
            let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().strip_suffix(" kB")?.parse::<u32>().ok()
        };
        let sum: u32 = self.tree().iter().filter_map(kilobytes).sum();
        f64::from(sum) * 1024.0
    }

    fn tree(&self) -> Vec<u32> {
        let mut tree = vec![self.0.id()];
        let mut next = 0;
        while let Some(process) = tree.get(next) {
            let file = format!("/proc/{process}/task/{process}/children");
            let children = fs::read_to_string(file).unwrap_or_default();
            tree.extend(
                children
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
            next += 1;
        }
        tree
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
